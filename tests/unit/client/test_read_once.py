"""Values that are read once and kept."""

from __future__ import annotations

import asyncio

import pytest

from prefect_geobox.client.read_once import ReadOnce


async def test_one_reading_serves_all_and_outlives_a_cancel_of_the_first() -> None:
    """Five that want a value at once share one reading, although the first of them is cancelled."""
    values: ReadOnce[str, int] = ReadOnce(10)
    reads: list[str] = []

    async def read() -> int:
        reads.append("read")
        await asyncio.sleep(0.01)
        return 7

    wanted = [asyncio.create_task(values.get("key", read)) for _ in range(5)]
    await asyncio.sleep(0)
    wanted[0].cancel()
    found = await asyncio.gather(*wanted, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [7] * 4
    assert await values.get("key", read) == 7
    assert reads == ["read"]


async def test_a_reading_that_fails_is_repeated() -> None:
    """The error is raised, and the next one that wants the value reads it again."""
    values: ReadOnce[str, int] = ReadOnce(10)
    answers = iter([OSError("away"), None])

    async def read() -> int:
        if (error := next(answers)) is not None:
            raise error
        return 7

    with pytest.raises(OSError, match="away"):
        await values.get("key", read)
    assert await values.get("key", read) == 7


async def test_no_more_values_are_kept_than_asked_for() -> None:
    """Of three keys with room for two, the first one is read again."""
    values: ReadOnce[int, int] = ReadOnce(2)
    reads: list[int] = []

    async def read_of(key: int) -> int:
        reads.append(key)
        return key

    for key in (1, 2, 3, 3, 2, 1):
        assert await values.get(key, lambda key=key: read_of(key)) == key
    assert reads == [1, 2, 3, 1]


def test_each_event_loop_reads_for_itself() -> None:
    """A reading of a loop that has ended, such as before a fork, is not waited for."""
    values: ReadOnce[str, int] = ReadOnce(10)
    reads: list[str] = []

    async def read() -> int:
        reads.append("read")
        return 7

    for _ in range(2):
        assert asyncio.run(values.get("key", read)) == 7
    assert reads == ["read", "read"]
