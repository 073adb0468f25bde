"""How fast waits and the emulator react, on a machine that does nothing else: `make bench`.

Each figure is the best of some tries, as another process may hold the processor for longer than a
bound. What must happen is tested elsewhere; here it must also happen soon.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient, TaskTimeoutError
from prefect_geobox.client.polling import wait_call
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    Fault,
    always,
    delay,
    drip,
    first,
    hang,
    on,
    reset,
    status,
)
from prefect_geobox.emulator.http.filters import parse_filter
from tests.kit.clients import close_now
from tests.kit.raw_server import refused_url
from tests.kit.until import until_async
from tests.resilience.storm import storm, storm_server

from .heartbeat import Heartbeat, controlled

pytestmark = pytest.mark.benchmark

HANGS = {"hang": hang(), "hang in body": hang(in_body=True), "drip": drip(0.05)}
FAILURES = {**HANGS, "reset": reset(), "503 retry-after": status(503, retry_after=900)}


@pytest.fixture
def geobox() -> Iterator[GeoboxEmulator]:
    """A running emulator."""
    with GeoboxEmulator(seconds=0.02) as emulator:
        yield emulator


@pytest.fixture
def make(geobox: GeoboxEmulator) -> Iterator[Callable[..., Any]]:
    """Makes clients of the emulator, and closes them and their connections."""
    made: list[Any] = []

    def make(kind: type = AsyncGeoboxClient, **options: Any) -> Any:
        if "password" not in options:
            options["apikey"] = geobox.apikey
        made.append(kind(**{"host": geobox.url, "timeout": 30.0, **options}))
        return made[-1]

    yield make
    for client in made:
        close_now(client)


async def best(measure: Callable[[], Awaitable[float]], wanted: float) -> float:
    """The best figure of at most five tries; fewer where it is below what is wanted."""
    found = await measure()
    for _ in range(4):
        if found >= wanted:
            found = min(found, await measure())
    return found


async def seconds_to_cancel(work: Any, after: float = 0.15) -> float:
    """How long a coroutine takes to end once `asyncio.wait_for` cancels it."""
    began = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(work, after)
    return time.monotonic() - began - after


async def seconds_late(client: Any, uuid: str, timeout: float, **options: Any) -> float:
    """How long after its deadline a wait raises."""
    began = time.monotonic()
    with pytest.raises(TaskTimeoutError):
        await client.wait_for_task(uuid, timeout=timeout, **options)
    return time.monotonic() - began - timeout


@pytest.mark.parametrize("name", HANGS)
async def test_a_cancelled_wait_ends_within_a_tenth(
    geobox: GeoboxEmulator, make: Callable[..., Any], name: str
) -> None:
    """A cancelled wait on a server that hangs ends within 0.1 s."""
    client = make()
    uuid = geobox.add_task(seconds=60)
    await client.get_task(uuid)
    geobox.faults = always(HANGS[name])

    async def measure() -> float:
        return await seconds_to_cancel(client.wait_for_task(uuid, on_cancel="leave"))

    assert await best(measure, 0.1) < 0.1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="has no task groups")
async def test_a_task_group_ends_within_a_tenth(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A task group of twenty waits in which something fails ends within 0.1 s."""
    client = make()
    uuids = [geobox.add_task(seconds=60) for _ in range(20)]
    await client.get_task(uuids[0])
    geobox.faults = always(hang())

    failed_at = 0.0

    async def group() -> None:
        nonlocal failed_at
        async with asyncio.TaskGroup() as tasks:
            for uuid in uuids:
                tasks.create_task(client.wait_for_task(uuid, on_cancel="leave"))
            await asyncio.sleep(0.1)
            failed_at = time.monotonic()
            raise KeyError

    async def measure() -> float:
        with pytest.raises(ExceptionGroup):  # noqa: F821
            await group()
        return time.monotonic() - failed_at

    assert await best(measure, 0.1) < 0.1


async def test_a_cancelled_wait_for_many_ends_within_a_tenth(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A cancelled wait for fifty remote tasks ends within 0.1 s."""
    client = make()
    uuids = [geobox.add_task(seconds=60) for _ in range(50)]

    async def measure() -> float:
        return await seconds_to_cancel(client.wait_for_tasks(uuids, on_cancel="leave"), after=0.4)

    assert await best(measure, 0.1) < 0.1


async def test_a_cancelled_login_ends_within_a_tenth(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait that is cancelled in the middle of a login that hangs ends within 0.1 s."""
    client = make(username=geobox.username, password=geobox.password)
    uuid = geobox.add_task(seconds=0)

    async def measure() -> float:
        geobox.faults = on(first(1, hang()), path="auth/token")
        return await seconds_to_cancel(client.wait_for_task(uuid, on_cancel="leave"))

    assert await best(measure, 0.1) < 0.1


@pytest.mark.parametrize("name", HANGS)
async def test_an_abort_without_an_answer_holds_a_cancel_up_for_its_limit(
    geobox: GeoboxEmulator, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A cancelled wait whose abort gets no answer ends within a second of the abort's limit."""
    monkeypatch.setattr(wait_call, "ABORT_TIME", 0.5)
    client = make()
    uuid = geobox.add_task(seconds=60)
    geobox.faults = always(HANGS[name])

    async def measure() -> float:
        return await seconds_to_cancel(client.wait_for_task(uuid))

    assert await best(measure, 1.5) < 1.5


@pytest.mark.parametrize("timeout", [0, 0.3])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_deadline_is_met_within_a_second(
    geobox: GeoboxEmulator, make: Callable[..., Any], name: str, timeout: float
) -> None:
    """A wait on a server that fails raises within a second of its deadline."""
    uuid = geobox.add_task(seconds=60)
    geobox.faults = always(FAILURES[name])
    client = make()

    async def measure() -> float:
        return await seconds_late(client, uuid, timeout)

    assert -0.01 <= await best(measure, 1.0) < 1.0


async def test_the_deadline_of_a_refused_connection_is_met_within_a_second(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait on a server that is not there raises within a second of its deadline."""
    client, uuid = make(host=refused_url()), geobox.add_task(seconds=60)

    async def measure() -> float:
        return await seconds_late(client, uuid, 0.3)

    assert -0.01 <= await best(measure, 1.0) < 1.0


async def test_the_deadline_of_many_waits_is_met_within_a_second(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """Sixty waits that queue behind requests that hang raise within a second of their deadline."""
    client, uuids = make(), [geobox.add_task(seconds=60) for _ in range(60)]
    geobox.faults = always(hang())

    async def measure() -> float:
        began = time.monotonic()
        with pytest.raises(TaskTimeoutError):
            await client.wait_for_tasks(uuids, timeout=0.3)
        return time.monotonic() - began - 0.3

    assert -0.01 <= await best(measure, 1.0) < 1.0


async def test_the_deadline_of_a_blocking_wait_is_met_within_a_second(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A blocking wait on a server that hangs raises within a second of its deadline."""
    client, uuid = make(GeoboxClient), geobox.add_task(seconds=60)
    geobox.faults = always(hang())

    async def measure() -> float:
        began = time.monotonic()
        with pytest.raises(TaskTimeoutError):
            client.wait_for_task(uuid, timeout=0.3)
        return time.monotonic() - began - 0.3

    assert -0.01 <= await best(measure, 1.0) < 1.0


@pytest.mark.parametrize("interval", [0.01, 10])
async def test_the_deadline_of_a_healthy_server_is_met_within_a_tenth(
    geobox: GeoboxEmulator, make: Callable[..., Any], interval: float
) -> None:
    """Where nothing fails a wait ends within 0.1 s of its deadline, whatever its interval."""
    client, uuid = make(), geobox.add_task(seconds=60)

    async def measure() -> float:
        return await seconds_late(client, uuid, 0.15, interval=interval)

    assert -0.01 <= await best(measure, 0.1) < 0.1


async def test_an_abort_of_a_server_that_hangs_ends_when_its_confirmation_is_due(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """An abort that gets no answer raises within a second of the end of `confirm`."""
    client, uuid = make(), geobox.add_task(seconds=60)
    geobox.faults = always(hang())

    async def measure() -> float:
        began = time.monotonic()
        with pytest.raises(TaskTimeoutError):
            await client.abort_task(uuid, confirm=0.2)
        return time.monotonic() - began - 0.2

    assert await best(measure, 1.0) < 1.0


@pytest.mark.parametrize(
    ("waits", "seconds", "interval"), [(100, (0.3, 1.2), 0.5), (1000, (3.0, 8.0), 2.0)]
)
async def test_waits_in_a_storm_leave_the_event_loop_free(
    waits: int, seconds: tuple[float, float], interval: float
) -> None:
    """Many waits, a third of whose answers fail, hold the event loop up for 0.05 s at most."""
    # What other tests have left in memory is not the collector's concern.
    gc.collect()
    gc.freeze()
    try:
        with storm_server() as server:

            async def measure() -> float:
                heartbeat = Heartbeat()
                with controlled(heartbeat):
                    await storm(server, waits, 0.3, seconds, interval, beside=heartbeat.beat)
                return heartbeat.worst_of_its_own

            assert await best(measure, 0.05) <= 0.05
    finally:
        gc.unfreeze()


async def test_waits_in_a_storm_cost_at_most_twice_the_requests() -> None:
    """A thousand waits, a third of whose answers fail, send at most twice as many requests."""
    with storm_server() as server:
        calm = await storm(server, 1000, 0.0, (3.0, 8.0), 2.0)
        rough = await storm(server, 1000, 0.3, (3.0, 8.0), 2.0)
    assert rough.requests_per_wait <= 2 * calm.requests_per_wait


def test_the_emulator_answers_within_milliseconds(geobox: GeoboxEmulator) -> None:
    """Half of the emulator's answers take less than 20 ms."""
    uuid = geobox.add_task(seconds=60)
    with httpx.Client(base_url=f"{geobox.url}/v1/", params={"apikey": geobox.apikey}) as http:
        times = []
        for _ in range(21):
            began = time.perf_counter()
            http.get(f"tasks/{uuid}/")
            times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.02


def test_the_emulator_finds_many_uuids_within_milliseconds(geobox: GeoboxEmulator) -> None:
    """The emulator finds 150 remote tasks of 3,000 by their uuids in less than 0.25 s."""
    uuids = [geobox.add_task(seconds=60) for _ in range(3000)][::20]
    q = "uuid IN (" + ",".join(f"'{uuid}'" for uuid in uuids) + ")"
    with httpx.Client(base_url=f"{geobox.url}/v1/", params={"apikey": geobox.apikey}) as http:
        began = time.perf_counter()
        http.get("tasks/", params={"q": q, "limit": 200})
        assert time.perf_counter() - began < 0.25


def test_the_emulator_parses_many_uuids_within_milliseconds() -> None:
    """A filter with 150 uuids is parsed in less than 0.05 s."""
    text = "uuid IN (" + ",".join(f"'{uuid4()}'" for _ in range(150)) + ")"
    began = time.perf_counter()
    parse_filter(text)
    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize(("fault", "least"), [(delay(0.3), 0.3), (drip(0.01), 0.2)])
def test_a_slow_answer_takes_its_time(geobox: GeoboxEmulator, fault: Fault, least: float) -> None:
    """A delay takes its seconds, and a drip its seconds for each of at least twenty bytes."""
    geobox.faults = always(fault)
    began = time.monotonic()
    httpx.get(f"{geobox.url}/v1/nowhere/", timeout=30)
    assert least <= time.monotonic() - began < least + 1.5


@pytest.mark.parametrize("name", [*HANGS, "delay"])
async def test_the_emulator_stops_within_a_second(geobox: GeoboxEmulator, name: str) -> None:
    """The emulator stops in less than 0.9 s, whatever keeps its clients waiting."""
    geobox.faults = always({**HANGS, "delay": delay(60)}[name])
    async with httpx.AsyncClient(timeout=60) as http:
        requests = [asyncio.create_task(http.get(f"{geobox.url}/v1/tasks/")) for _ in range(5)]
        await until_async(lambda: geobox.most_in_flight >= 5)
        began = time.monotonic()
        await asyncio.to_thread(geobox.stop)
        assert time.monotonic() - began < 0.9
        await asyncio.gather(*requests, return_exceptions=True)
