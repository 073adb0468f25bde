"""The lock that many may hold together, or one alone."""

from __future__ import annotations

import asyncio

from prefect_geobox.client.shared_lock import SharedLock


async def test_many_share_it_and_one_holds_it_alone() -> None:
    """Those that share it hold it together; who wants it alone comes before later ones."""
    lock, events = SharedLock(), []
    go = asyncio.Event()

    async def share(name: str) -> None:
        async with lock.shared():
            events.append(f"{name} in")
            await go.wait()
            events.append(f"{name} out")

    async def alone() -> None:
        async with lock.alone():
            events.append("alone in")
            await asyncio.sleep(0)
            events.append("alone out")

    first = [asyncio.create_task(share(name)) for name in "ab"]
    await asyncio.sleep(0.01)
    single = asyncio.create_task(alone())
    await asyncio.sleep(0.01)
    late = asyncio.create_task(share("late"))
    await asyncio.sleep(0.01)
    assert events == ["a in", "b in"]
    go.set()
    await asyncio.gather(*first, single, late)
    assert events[2:4] == ["a out", "b out"]
    assert events[4:] == ["alone in", "alone out", "late in", "late out"]


async def test_a_cancelled_wait_to_hold_it_alone_blocks_no_one() -> None:
    """A cancelled wait for the lock lets those pass that want to share it."""
    lock = SharedLock()
    async with lock.shared():
        waiting = asyncio.create_task(lock.alone().__aenter__())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with lock.shared():
            pass
