"""A timeout ends a wait, whatever the server does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from prefect_geobox.client import GeoboxClient, TaskState, TaskTimeoutError
from prefect_geobox.client.polling import subscription
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    always,
    body,
    close,
    drip,
    either,
    first,
    half_body,
    hang,
    on,
    reset,
    status,
)
from tests.kit.emulator_requests import count, seen
from tests.kit.fake_clock import FakeClock
from tests.kit.raw_server import refused_url
from tests.kit.until import FOREVER, in_time

from .fault_table import ROUNDING

#: What a server may do for ever.
FOR_EVER = {
    "hang": hang(),
    "hang in body": hang(in_body=True),
    "drip": drip(2.0),
    "reset": reset(),
    "reset in body": reset(in_body=True),
    "close": close(),
    "half body": half_body(),
    "503": status(503),
    "503 retry-after": status(503, retry_after=900),
    "429 retry-after date": status(429, retry_after=timedelta(hours=1)),
    "200 html": body("<html>"),
}


async def times_out(client: Any, uuid: str, timeout: float, **options: Any) -> None:
    """Waits, and expects the wait to end with its timeout."""
    with pytest.raises(TaskTimeoutError, match=uuid):
        await in_time(client.wait_for_task(uuid, timeout=timeout, **options))


@pytest.mark.parametrize("timeout", [0, 0.3])
async def test_deadline_ends_a_wait_under_each_fault(
    geobox: GeoboxEmulator, make: Callable[..., Any], timeout: float
) -> None:
    """A wait ends at its deadline under each fault, though a request would be given an hour."""
    uuids = {name: geobox.add_task(seconds=60) for name in FOR_EVER}
    geobox.faults = either(*(on(FOR_EVER[name], path=f"tasks/{uuids[name]}") for name in uuids))
    # Each with connections of its own, so that none queues behind another that hangs.
    clients = {name: make(timeout=FOREVER + number) for number, name in enumerate(uuids)}
    await asyncio.gather(*(times_out(clients[name], uuids[name], timeout) for name in uuids))


async def test_deadline_ends_a_wait_when_the_server_begins_to_hang(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A server that hangs after some polls does not keep a wait beyond its deadline."""
    uuid = geobox.add_task(seconds=60)
    geobox.faults = lambda _: hang() if len(geobox.requests) >= 3 else None
    await times_out(make(timeout=FOREVER), uuid, 0.3, interval=0.05)


async def test_deadline_ends_a_wait_when_connections_are_refused(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A server that is not there does not keep a wait beyond its deadline."""
    uuid = geobox.add_task(seconds=60)
    await times_out(make(host=refused_url()), uuid, 0.3)


async def test_deadline_ends_many_waits_at_once(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """Waits that queue behind requests that hang end at their deadline too."""
    uuids = [geobox.add_task(seconds=60) for _ in range(60)]
    geobox.faults = always(hang())
    with pytest.raises(TaskTimeoutError, match="60 of 60"):
        await in_time(make(timeout=FOREVER).wait_for_tasks(uuids, timeout=0.3))


async def test_deadline_ends_a_blocking_wait(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A blocking wait on a server that hangs ends at its deadline."""
    uuid = geobox.add_task(seconds=60)
    geobox.faults = always(hang())
    client = make(GeoboxClient, timeout=FOREVER)
    with pytest.raises(TaskTimeoutError):
        await in_time(asyncio.to_thread(client.wait_for_task, uuid, timeout=0.3))


async def test_deadline_comes_before_the_next_poll(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait ends at its deadline, however long its interval is."""
    uuid = geobox.add_task(seconds=60)
    await times_out(make(), uuid, 0.15, interval=FOREVER, max_interval=FOREVER)


async def test_success_in_the_last_poll_wins(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A remote task that ended since the poll before is seen at the deadline."""
    uuid = geobox.add_task(states=["PROGRESS", "SUCCESS"])
    task = await make().wait_for_task(uuid, timeout=0.5, interval=30, progress_bar=False)
    assert task.state is TaskState.SUCCESS
    assert count(geobox, f"GET tasks/{uuid}/") == 2


async def test_success_in_the_last_poll_wins_after_a_hang(
    geobox: GeoboxEmulator, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first poll that hangs beyond the deadline leaves time for a last one."""
    # A busy machine has this long to answer the last one.
    monkeypatch.setattr(subscription, "LAST_POLL", 30)
    uuid = geobox.add_task(seconds=0)
    geobox.faults = first(1, hang())
    task = await make(timeout=1.5).wait_for_task(uuid, timeout=0.3)
    assert task.succeeded
    assert len(seen(geobox)) == 2


async def test_timeout_of_zero_is_one_poll(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait without time polls once, and the state that it reads counts."""
    client = make()
    running, ended = geobox.add_task(seconds=60), geobox.add_task(seconds=0)
    await times_out(client, running, 0)
    assert seen(geobox) == [f"GET tasks/{running}/"]
    assert (await client.wait_for_task(ended, timeout=0)).succeeded
    assert count(geobox, f"GET tasks/{ended}/") == 1
    geobox.faults = always(status(503))
    await times_out(client, running, 0)
    assert count(geobox, f"GET tasks/{running}/") == 2


async def test_abort_at_the_deadline_is_sent(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """With `on_timeout="abort"` the remote task is aborted, even where the answer is lost."""
    uuid = geobox.add_task(seconds=60)
    geobox.faults = on(first(1, status(502).after()), method="POST")
    with pytest.raises(TaskTimeoutError, match="was aborted") as caught:
        await make().wait_for_task(uuid, timeout=0.1, on_timeout="abort")
    assert caught.value.task.state is TaskState.ABORTED


async def test_a_long_deadline_on_a_failing_server(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """An outage that is tolerated longer than the timeout ends at the timeout."""
    uuid = geobox.add_task(seconds=7200)
    geobox.faults = always(status(503, retry_after=50))
    began = clock.now
    with pytest.raises(TaskTimeoutError, match=r"could not be read.*503"):
        await make(clock=clock).wait_for_task(uuid, timeout=1000, outage=float("inf"))
    assert 1000 - ROUNDING <= clock.now - began < 1001
