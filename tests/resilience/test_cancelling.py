"""Cancelling a wait: it ends whatever the server does, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.polling import wait_call as waiting
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import always, drip, first, hang, on, status
from tests.kit.clients import close_now
from tests.kit.emulator_requests import count
from tests.kit.until import FOREVER, in_time, until_async as until

HANGS = {"hang": hang(), "hang in body": hang(in_body=True), "drip": drip(2.0)}

needs_task_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="has no task groups")


@pytest.fixture(autouse=True)
def _debugging(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Runs both event loops in debug mode, and takes what asyncio reports for a failure."""
    loop = io_thread().loop
    loop.call_soon_threadsafe(loop.set_debug, True)
    try:
        with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "asyncio"):
            warnings.simplefilter("error")
            yield
            gc.collect()
    finally:
        loop.call_soon_threadsafe(loop.set_debug, False)
    # That a callback was slow tells of the machine.
    said = [r.message for r in caplog.records if r.name == "asyncio" and "took" not in r.message]
    assert said == []


def io_tasks() -> set[Any]:
    """What runs on the I/O thread."""
    return set(asyncio.all_tasks(io_thread().loop))


def sockets() -> int:
    """The open sockets of this process."""
    return sum(_target(link).startswith("socket:") for link in Path("/proc/self/fd").iterdir())


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


async def cancelled(work: Any, after: float = 0.15) -> None:
    """Has `asyncio.wait_for` cancel a coroutine, and waits until it has ended."""
    asyncio.get_running_loop().set_debug(True)
    with pytest.raises(asyncio.TimeoutError):
        await in_time(asyncio.wait_for(work, after))


@pytest.mark.parametrize("name", HANGS)
async def test_wait_for_cancels_a_wait_on_a_server_that_hangs(
    geobox: GeoboxEmulator, make: Callable[..., Any], name: str
) -> None:
    """`asyncio.wait_for` ends a wait on a server that hangs, without a request more."""
    client = make(timeout=FOREVER)
    uuid = geobox.add_task(seconds=60)
    await client.get_task(uuid)
    geobox.faults = always(HANGS[name])
    before = io_tasks()
    await cancelled(client.wait_for_task(uuid, on_cancel="leave"))
    await until(lambda: io_tasks() <= before)
    assert count(geobox, f"POST tasks/{uuid}/abort/") == 0
    assert count(geobox, f"GET tasks/{uuid}/") <= 1 + 1


@needs_task_groups
async def test_task_group_cancels_its_waits(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A task group in which something fails ends its waits on a server that hangs."""
    client = make(timeout=FOREVER)
    uuids = [geobox.add_task(seconds=60) for _ in range(20)]
    await client.get_task(uuids[0])
    geobox.faults = always(hang())
    before = io_tasks()

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for uuid in uuids:
                tasks.create_task(client.wait_for_task(uuid, on_cancel="leave"))
            await asyncio.sleep(0.1)
            raise KeyError

    with pytest.raises(ExceptionGroup):  # noqa: F821
        await in_time(group())
    await until(lambda: io_tasks() <= before)


async def test_cancelled_wait_for_many(geobox: GeoboxEmulator, make: Callable[..., Any]) -> None:
    """A cancelled wait for many ends all of its waits, those between two polls too."""
    client = make(timeout=FOREVER)
    uuids = [geobox.add_task(seconds=60) for _ in range(50)]
    before = io_tasks()
    await cancelled(client.wait_for_tasks(uuids, on_cancel="leave"), after=0.4)
    await until(lambda: io_tasks() <= before)


async def test_cancel_aborts_the_remote_task(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """With `on_cancel="abort"` the remote task is aborted before the cancelled wait ends."""
    client = make()
    uuid = geobox.add_task(seconds=60)
    geobox.faults = on(first(1, status(502)), method="POST")
    await cancelled(client.wait_for_task(uuid))
    geobox.faults = None
    assert (await client.get_task(uuid)).state == "ABORTED"
    assert count(geobox, f"POST tasks/{uuid}/abort/") == 2


@pytest.mark.parametrize(
    "name", ["hang", *(pytest.param(n, marks=pytest.mark.slow) for n in ("hang in body", "drip"))]
)
async def test_cancel_is_bounded_where_the_abort_hangs(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A cancelled wait ends though the abort that it sends never gets an answer."""
    monkeypatch.setattr(waiting, "ABORT_TIME", 0.5)
    client = make(timeout=FOREVER)
    uuid = geobox.add_task(seconds=60)
    geobox.faults = always(HANGS[name])
    before = io_tasks()
    await cancelled(client.wait_for_task(uuid))
    await until(lambda: io_tasks() <= before)
    assert count(geobox, f"POST tasks/{uuid}/abort/") == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts sockets through /proc")
@pytest.mark.parametrize("name", HANGS)
async def test_cancelled_waits_leak_nothing(
    geobox: GeoboxEmulator, make: Callable[..., Any], name: str
) -> None:
    """After many cancelled waits there are as many threads, tasks and sockets as before."""
    threads, tasks, open_before = threading.active_count(), io_tasks(), sockets()
    client = make(timeout=FOREVER)
    geobox.faults = always(HANGS[name])
    for _ in range(3):
        uuids = [geobox.add_task(seconds=60) for _ in range(12)]
        work = [
            asyncio.create_task(client.wait_for_task(uuid, on_cancel="leave")) for uuid in uuids
        ]
        await asyncio.sleep(0.1)
        for wait in work:
            wait.cancel()
        ended = await asyncio.gather(*work, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    close_now(client)
    await until(lambda: io_tasks() <= tasks)
    await until(lambda: sockets() <= open_before)
    assert threading.active_count() <= threads


async def test_cancelled_login_lets_the_others_log_in(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait that is cancelled in the middle of the shared login leaves no lock behind."""
    client = make(username=geobox.username, password=geobox.password, timeout=FOREVER)
    uuid = geobox.add_task(seconds=0)
    geobox.faults = on(first(1, hang()), path="auth/token")
    await cancelled(client.wait_for_task(uuid, on_cancel="leave"))
    assert (await in_time(client.wait_for_task(uuid))).succeeded
