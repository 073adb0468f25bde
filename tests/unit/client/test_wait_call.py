"""What a wait makes of the end: returns, failures, and aborts where they are asked for."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    AsyncGeoboxClient,
    GeoboxClient,
    LostContactError,
    NotFoundError,
    TaskAbortedError,
    TaskFailedError,
    TaskTimeoutError,
    WaitUpdate,
)
from prefect_geobox.client.http.clock import SYSTEM_CLOCK
from tests.kit.clients import Caller
from tests.kit.payloads import OTHER, TASK, THIRD, secret, task
from tests.kit.until import in_time, until_async
from tests.kit.wire import Wire, json_answer, reply

READ = f"GET tasks/{TASK}/"
ABORT = f"POST tasks/{TASK}/abort/"


def aborts(wire: Wire, uuid: str = TASK, end: str = "ABORTED", before: str = "PROGRESS") -> None:
    """Serves a remote task that runs until it is aborted, and then ends as `told` says."""
    line = f"POST tasks/{uuid}/abort/"
    wire.on("POST", f"tasks/{uuid}/abort/", reply(204))
    wire.on(
        "GET",
        f"tasks/{uuid}/",
        lambda _: json_answer(task(end if wire.count(line) else before, uuid)),
    )


async def test_failure_raises_with_the_task(call: Caller, wire: Wire) -> None:
    """A remote task that fails raises with itself and the server's reason."""
    failed = task("FAILURE", result={"detail": {"msg": "no geometry", "type": "geobox.X"}})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), failed)
    with pytest.raises(TaskFailedError, match=f"{TASK}.*no geometry") as caught:
        await call("wait_for_task", TASK, progress_bar=False)
    assert caught.value.task.errors == failed["result"]
    assert caught.value.tasks == (caught.value.task,)


async def test_abort_by_somebody_else_raises(call: Caller, wire: Wire) -> None:
    """A remote task that was aborted raises with itself."""
    wire.on("GET", f"tasks/{TASK}/", task("ABORTED"))
    with pytest.raises(TaskAbortedError, match=TASK) as caught:
        await call("wait_for_task", TASK)
    assert caught.value.task.state == "ABORTED"


@pytest.mark.parametrize("state", ["FAILURE", "ABORTED"])
async def test_failure_is_returned_where_that_is_asked_for(
    call: Caller, wire: Wire, state: str
) -> None:
    """With `raise_on_failure=False` a wait returns however it ended."""
    wire.on("GET", f"tasks/{TASK}/", task(state))
    assert (await call("wait_for_task", TASK, raise_on_failure=False)).state == state
    (seen,) = await call("wait_for_tasks", [TASK], raise_on_failure=False)
    assert seen.state == state


async def test_several_waits_keep_order_and_duplicates(call: Caller, wire: Wire) -> None:
    """Several waits return in the order given; one named twice is polled once."""
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), task("PROGRESS"), task())
    wire.on("GET", f"tasks/{OTHER}/", task("SUCCESS", OTHER))
    ended = await call("wait_for_tasks", [TASK, OTHER, TASK], progress_bar=False)
    assert [seen.uuid for seen in ended] == [TASK, OTHER, TASK]
    assert all(seen.succeeded for seen in ended)
    assert (wire.count(READ), wire.count(f"GET tasks/{OTHER}/")) == (3, 1)


async def test_waiting_for_nothing_returns_nothing(call: Caller, wire: Wire) -> None:
    """A wait for no remote task at all returns at once."""
    assert await call("wait_for_tasks", []) == []
    assert wire.seen == []


async def test_several_failures_are_raised_together_after_all_have_ended(
    call: Caller, wire: Wire
) -> None:
    """All are waited for; then one error names each that did not succeed."""
    broken = task("FAILURE", result={"detail": "bad file"})
    wire.on("GET", f"tasks/{TASK}/", broken)
    wire.on("GET", f"tasks/{OTHER}/", task("ABORTED", OTHER))
    wire.on("GET", f"tasks/{THIRD}/", *[task("PENDING", THIRD)] * 4, task("SUCCESS", THIRD))
    with pytest.raises(TaskFailedError, match="2 of 3") as caught:
        await call("wait_for_tasks", [TASK, THIRD, OTHER], progress_bar=False)
    assert [seen.uuid for seen in caught.value.tasks] == [TASK, OTHER]
    for word in (TASK, "bad file", OTHER, "aborted"):
        assert word in str(caught.value)
    assert THIRD not in str(caught.value)
    assert wire.count(f"GET tasks/{THIRD}/") == 5


async def test_several_timeouts_are_raised_together(call: Caller, wire: Wire) -> None:
    """Remote tasks that are late together are named in one timeout."""
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    wire.on("GET", f"tasks/{OTHER}/", task("PROGRESS", OTHER))
    wire.on("GET", f"tasks/{THIRD}/", task("SUCCESS", THIRD))
    with pytest.raises(TaskTimeoutError, match="2 of 3") as caught:
        await call("wait_for_tasks", [TASK, OTHER, THIRD], timeout=3, progress_bar=False)
    assert TASK in str(caught.value)
    assert OTHER in str(caught.value)
    assert THIRD not in str(caught.value)


async def test_lasting_error_waits_for_the_others(call: Caller, wire: Wire) -> None:
    """An error of one wait is raised after the others have ended."""
    wire.on("GET", f"tasks/{TASK}/", reply(404))
    wire.on("GET", f"tasks/{OTHER}/", *[task("PENDING", OTHER)] * 3, task("SUCCESS", OTHER))
    with pytest.raises(NotFoundError, match=TASK):
        await call("wait_for_tasks", [TASK, OTHER], progress_bar=False)
    assert wire.count(f"GET tasks/{OTHER}/") == 4


async def test_timeout_leaves_the_task_by_default(call: Caller, wire: Wire) -> None:
    """A wait that times out leaves the remote task alone by default."""
    aborts(wire)
    with pytest.raises(TaskTimeoutError):
        await call("wait_for_task", TASK, timeout=2, progress_bar=False)
    assert wire.count(ABORT) == 0


async def test_timeout_aborts_once_where_that_is_asked_for(call: Caller, wire: Wire) -> None:
    """With `on_timeout="abort"` the remote task is aborted once, and the timeout raised."""
    aborts(wire)
    with pytest.raises(TaskTimeoutError):
        await call("wait_for_task", TASK, timeout=2, on_timeout="abort", progress_bar=False)
    assert wire.count(ABORT) == 1
    assert wire.lines[-1] == READ


async def test_success_seen_by_the_abort_is_returned(call: Caller, wire: Wire) -> None:
    """A remote task that turns out to have succeeded before it could be aborted is returned."""
    aborts(wire, end="SUCCESS")
    ended = await call("wait_for_task", TASK, timeout=2, on_timeout="abort", progress_bar=False)
    assert ended.succeeded
    assert wire.count(ABORT) == 1


async def test_failure_seen_by_the_abort_is_raised(call: Caller, wire: Wire) -> None:
    """A remote task that turns out to have failed by itself raises that failure."""
    aborts(wire, end="FAILURE")
    with pytest.raises(TaskFailedError):
        await call("wait_for_task", TASK, timeout=2, on_timeout="abort", progress_bar=False)


async def test_failed_abort_is_logged_and_the_timeout_raised(
    call: Caller, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """An abort that is refused is logged with the uuid; the timeout is raised all the same."""
    wire.on("GET", f"tasks/{TASK}/", task("PROGRESS"))
    wire.on("POST", f"tasks/{TASK}/abort/", reply(403, json={"detail": "not yours"}))
    with caplog.at_level(logging.ERROR), pytest.raises(TaskTimeoutError):
        await call("wait_for_task", TASK, timeout=2, on_timeout="abort", progress_bar=False)
    (record,) = [entry for entry in caplog.records if entry.name.startswith("prefect_geobox")]
    assert TASK in record.getMessage()
    assert "not yours" in record.getMessage()


async def test_lost_contact_aborts_nothing(call: Caller, wire: Wire) -> None:
    """Lost contact leaves the remote task alone, whatever a timeout would do."""
    wire.on("GET", f"tasks/{TASK}/", reply(503))
    with pytest.raises(LostContactError):
        await call("wait_for_task", TASK, outage=5, timeout=100, on_timeout="abort")
    assert set(wire.lines) == {READ}


async def seen_twice(wire: Wire) -> None:
    """Returns when the remote task has been polled twice."""
    await until_async(lambda: wire.count(READ) >= 2)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("on_cancel", "posts"), [("abort", 1), ("leave", 0)])
async def test_cancelled_wait(wire: Wire, on_cancel: Any, posts: int, told: bool) -> None:
    """A cancelled wait aborts its remote task once, or leaves it, and polls no more."""
    aborts(wire)
    client = AsyncGeoboxClient("http://geobox.test", apikey=secret())
    waiting = asyncio.create_task(
        client.wait_for_task(
            TASK,
            interval=0.01,
            on_cancel=on_cancel,
            progress_bar=False,
            on_update=(lambda _: None) if told else None,
        )
    )
    await seen_twice(wire)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await in_time(waiting)
    assert wire.count(ABORT) == posts
    reads = wire.count(READ)
    await asyncio.sleep(0.05)
    assert wire.count(READ) == reads
    client.close()


async def test_cancelled_joint_wait_aborts_what_still_runs(wire: Wire) -> None:
    """Of several remote tasks only those that have not ended are aborted, each once."""
    aborts(wire)
    aborts(wire, THIRD)
    wire.on("GET", f"tasks/{OTHER}/", task("SUCCESS", OTHER))
    wire.on("POST", f"tasks/{OTHER}/abort/", reply(409))
    client = AsyncGeoboxClient("http://geobox.test", apikey=secret())
    waiting = asyncio.create_task(
        client.wait_for_tasks([TASK, OTHER, THIRD, TASK], interval=0.01, progress_bar=False)
    )
    await seen_twice(wire)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    posts = sorted(line for line in wire.lines if line.startswith("POST"))
    assert posts == sorted([ABORT, f"POST tasks/{THIRD}/abort/"])
    client.close()


async def test_outer_timeout_counts_as_a_cancel(wire: Wire) -> None:
    """A wait inside `asyncio.wait_for` aborts its remote task when that runs out."""
    aborts(wire)
    client = AsyncGeoboxClient("http://geobox.test", apikey=secret())
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.wait_for_task(TASK, interval=0.01, progress_bar=False), 0.05)
    assert wire.count(ABORT) == 1
    client.close()


def test_ctrl_c_aborts_once(make: Callable[..., Any], wire: Wire) -> None:
    """Ctrl-C during a blocking wait aborts the remote task once, then goes on to the caller."""
    aborts(wire)
    updates: list[WaitUpdate] = []

    def interrupt(update: WaitUpdate) -> None:
        updates.append(update)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(GeoboxClient, clock=SYSTEM_CLOCK).wait_for_task(
            TASK, progress_bar=False, on_update=interrupt
        )
    assert len(updates) == 1
    assert wire.count(ABORT) == 1


def test_ctrl_c_leaves_the_task_where_that_is_asked_for(
    make: Callable[..., Any], wire: Wire
) -> None:
    """With `on_cancel="leave"` Ctrl-C sends nothing."""
    aborts(wire)

    def interrupt(_: WaitUpdate) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(GeoboxClient).wait_for_task(
            TASK, progress_bar=False, on_cancel="leave", on_update=interrupt
        )
    assert wire.count(ABORT) == 0


async def test_error_of_a_listener_ends_the_wait_and_aborts_nothing(
    call: Caller, wire: Wire
) -> None:
    """A callback that raises ends the wait with its own error; the remote task is left alone."""
    aborts(wire)

    def fail(_: WaitUpdate) -> None:
        raise RuntimeError("bug of the caller")

    with pytest.raises(RuntimeError, match="bug of the caller"):
        await call("wait_for_task", TASK, progress_bar=False, on_update=fail)
    assert wire.count(ABORT) == 0


async def test_listener_may_be_a_coroutine_function(client: AsyncGeoboxClient, wire: Wire) -> None:
    """A coroutine function is awaited for each update, on the caller's own event loop."""
    loops: list[Any] = []

    # A listener that is slower than the polls gets the newest update only.
    def until_called(_: Any) -> httpx.Response:
        return json_answer(task() if loops else task("PENDING"))

    wire.on("GET", f"tasks/{TASK}/", until_called)

    async def listen(update: WaitUpdate) -> None:
        await asyncio.sleep(0)
        loops.append((asyncio.get_running_loop(), update.task.state_text))

    await client.wait_for_task(TASK, progress_bar=False, on_update=listen)
    here = asyncio.get_running_loop()
    assert loops[0] == (here, "PENDING")
    assert loops[-1] == (here, "SUCCESS")
    assert {loop for loop, _ in loops} == {here}


async def test_wait_does_not_block_the_event_loop(wire: Wire) -> None:
    """While a wait pauses after a failure, the caller's event loop goes on."""
    busy = reply(503, headers={"Retry-After": "0.7"})
    wire.on("GET", f"tasks/{TASK}/", busy, httpx.ReadError("x"), task("PENDING"), task())
    client = AsyncGeoboxClient("http://geobox.test", apikey=secret())
    waiting = asyncio.create_task(client.wait_for_task(TASK, interval=0.05, progress_bar=False))
    steps_by_requests: Counter[int] = Counter()
    while not waiting.done():
        await asyncio.sleep(0.005)
        steps_by_requests[len(wire.seen)] += 1
    assert (await waiting).succeeded
    # The server asks for a pause of 0.7 s after the first request.
    assert steps_by_requests[1] > 5
    client.close()
