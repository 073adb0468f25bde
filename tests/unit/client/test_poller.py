"""One wait: its polls, its deadline, its outages and its progress."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    AsyncGeoboxClient,
    GeoboxClient,
    LostContactError,
    NotFoundError,
    TaskTimeoutError,
    WaitUpdate,
)
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import TASK, secret, task
from tests.kit.raw_server import hang, raw_server
from tests.kit.until import FOREVER, in_time
from tests.kit.wire import Wire, json_answer, reply

READ = f"GET tasks/{TASK}/"
STATUS = f"GET tasks/{TASK}/status/"
PATH = f"tasks/{TASK}/"


def by_time(clock: FakeClock, *states: tuple[float, Any]) -> Callable[[Any], httpx.Response]:
    """Answers with the state, or whatever else, of the moment: pairs of seconds and answer."""
    began = clock.now

    def answer(request: Any) -> httpx.Response:
        found = [what for since, what in states if clock.now - began >= since][-1]
        if isinstance(found, BaseException):
            raise found
        return found(request) if callable(found) else json_answer(task(found))

    return answer


def look_times(
    clock: FakeClock, wire: Wire, answer: Callable[[Any], httpx.Response]
) -> list[float]:
    """Serves reads with `answer`; returns the list that will hold the times of the polls."""
    began = clock.now
    times: list[float] = []

    def timed(request: Any) -> httpx.Response:
        times.append(clock.now - began)
        return answer(request)

    wire.on("GET", PATH, timed)
    return times


async def test_final_task_costs_one_request(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A remote task that has ended already is returned after one request."""
    wire.on("GET", PATH, task())
    assert (await call("wait_for_task", TASK)).succeeded
    assert (wire.lines, clock.slept) == ([READ], [])


async def test_states_on_the_way(call: Caller, wire: Wire) -> None:
    """Each poll reports its state and the cost of the wait so far."""
    wire.on("GET", PATH, task("PENDING"), task("QUEUED"), task("PROGRESS"), task())
    updates: list[WaitUpdate] = []
    await call("wait_for_task", TASK, progress_bar=False, on_update=updates.append)
    assert [update.task.state_text for update in updates] == [
        "PENDING",
        "QUEUED",
        "PROGRESS",
        "SUCCESS",
    ]
    assert [update.stats.polls for update in updates] == [1, 2, 3, 4]
    assert updates[-1].stats.requests == len(wire.seen) == 4
    assert updates[-1].stats.waited == pytest.approx(3, abs=0.31)


async def test_looks_grow_apart(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """Looks come every second at first, then after a tenth of the time waited, 30 s at most."""
    times = look_times(clock, wire, by_time(clock, (0, "PENDING"), (3000, "SUCCESS")))
    await call("wait_for_task", TASK, progress_bar=False)
    assert times[0] == 0
    for seen, following in pairwise(times):
        plain = min(max(1.0, 0.1 * seen), 30)
        assert 0.9 * plain <= following - seen + 1e-9
        assert following - seen <= min(1.1 * plain, 30) + 1e-9
    assert 110 < len(times) < 150


@pytest.mark.parametrize(("interval", "maximum"), [(2, 30), (10, 4), (0.1, 0.5)])
async def test_interval_and_maximum(
    call: Caller, wire: Wire, clock: FakeClock, interval: float, maximum: float
) -> None:
    """The pauses lie between the interval and its maximum, which wins."""
    wire.on("GET", PATH, *[task("PENDING")] * 30, task())
    await call("wait_for_task", TASK, interval=interval, max_interval=maximum, progress_bar=False)
    assert min(clock.slept) >= 0.9 * min(interval, maximum)
    assert max(clock.slept) <= maximum


async def test_known_progress_pulls_the_look_in(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A remote task with known progress is polled soon after its end."""
    began = clock.now
    wire.on("GET", PATH, by_time(clock, (0, "PROGRESS"), (250, "SUCCESS")))
    wire.on(
        "GET",
        f"{PATH}status/",
        lambda _: json_answer({"current": int((clock.now - began) / 2.5), "total": 100}),
    )
    await call("wait_for_task", TASK)
    assert 250 <= clock.now - began < 253


@pytest.mark.parametrize(
    "trouble",
    [
        reply(404, json={"detail": "none"}),
        reply(500),
        reply(401),
        reply(text="<html>"),
        reply(json={"current": "x", "total": []}),
        reply(json=None),
        reply(json=[1]),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_progress_never_fails_a_wait(call: Caller, wire: Wire, trouble: Any) -> None:
    """Trouble with the progress leaves the wait as it is, and is not tried again at once."""
    wire.on("GET", PATH, task("PENDING"), task("PROGRESS"), task())
    wire.on("GET", f"{PATH}status/", trouble)
    assert (await call("wait_for_task", TASK)).succeeded
    assert wire.count(READ) == 3
    assert wire.count(STATUS) <= 2


async def test_progress_is_read_every_two_seconds_at_most(
    call: Caller, wire: Wire, clock: FakeClock
) -> None:
    """The progress is reported with the polls and read far less often than the state."""
    wire.on("GET", PATH, by_time(clock, (0, "PROGRESS"), (10, "SUCCESS")))
    wire.on("GET", f"{PATH}status/", {"current": 29, "total": 100})
    updates: list[WaitUpdate] = []
    await call("wait_for_task", TASK, interval=0.1, max_interval=0.1, on_update=updates.append)
    assert {update.progress.percent for update in updates if update.progress} == {29}
    assert wire.count(STATUS) == 5
    assert wire.count(READ) > 50


async def test_no_progress_is_read_without_a_bar(call: Caller, wire: Wire) -> None:
    """A wait without a progress bar reads the state only."""
    wire.on("GET", PATH, task("PROGRESS"), task("PROGRESS"), task())
    await call("wait_for_task", TASK, progress_bar=False)
    assert set(wire.lines) == {READ}


async def test_timeout_of_zero_is_one_poll(call: Caller, wire: Wire) -> None:
    """A timeout of 0 polls once: a final state is returned, any other is a timeout."""
    wire.on("GET", PATH, task("PROGRESS"), task(), reply(503))
    with pytest.raises(TaskTimeoutError) as caught:
        await call("wait_for_task", TASK, timeout=0)
    assert caught.value.task.state == "PROGRESS"
    assert len(wire.seen) == 1
    assert (await call("wait_for_task", TASK, timeout=0)).succeeded
    with pytest.raises(TaskTimeoutError, match="503"):
        await call("wait_for_task", TASK, timeout=0)
    assert len(wire.seen) == 3


async def test_timeout_ends_with_a_last_poll(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A timeout is raised at the deadline, after a last poll, and its message says what to do."""
    times = look_times(clock, wire, by_time(clock, (0, "PENDING")))
    with pytest.raises(TaskTimeoutError, match=f"import .{TASK}. was PENDING.*7 s ended") as caught:
        await call("wait_for_task", TASK, timeout=7, progress_bar=False)
    assert times[-1] == pytest.approx(7)
    assert sum(clock.slept) == pytest.approx(7)
    assert isinstance(caught.value, TimeoutError)
    assert "again" in str(caught.value)


async def test_end_seen_in_the_last_look_wins(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A remote task that ends just before the deadline is returned, not timed out."""
    times = look_times(clock, wire, by_time(clock, (0, "PROGRESS"), (59.9, "SUCCESS")))
    assert (
        await call(
            "wait_for_task",
            TASK,
            timeout=60,
            interval=40,
            max_interval=40,
            progress_bar=False,
        )
    ).succeeded
    assert times[-1] == pytest.approx(60)


async def test_slow_look_across_the_deadline_is_followed_by_a_last_one(
    call: Caller, wire: Wire, clock: FakeClock
) -> None:
    """A poll that is answered after the deadline is followed by a last one."""

    def slow(_: Any) -> httpx.Response:
        clock.now += 0.5
        return json_answer(task("PROGRESS"))

    wire.on("GET", PATH, slow, task())
    assert (await call("wait_for_task", TASK, timeout=0.4, progress_bar=False)).succeeded
    assert len(wire.seen) == 2


async def test_short_outage_is_tolerated(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """An outage shorter than the budget is reported, tolerated and counted."""
    down = (20, httpx.ConnectError("refused"))
    wire.on("GET", PATH, by_time(clock, (0, "PROGRESS"), down, (310, "PROGRESS"), (400, "SUCCESS")))
    updates: list[WaitUpdate] = []
    assert (
        await call("wait_for_task", TASK, progress_bar=False, on_update=updates.append)
    ).succeeded
    troubles = [update for update in updates if update.trouble]
    assert troubles
    assert all("was not reached" in (update.trouble or "") for update in troubles)
    assert updates[-1].trouble is None
    assert updates[-1].stats.failures == len(troubles)
    assert updates[-1].stats.outage_seconds == pytest.approx(290, abs=10)
    assert updates[-1].stats.requests == len(wire.seen)


async def test_long_outage_loses_contact(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """An outage beyond the budget ends in LostContactError, and nothing is aborted."""
    wire.on("GET", PATH, by_time(clock, (0, "PROGRESS"), (5, reply(502))))
    with pytest.raises(LostContactError, match=rf"60 s .*{TASK}.*PROGRESS.*again.*502") as caught:
        await call("wait_for_task", TASK, outage=60, progress_bar=False)
    assert caught.value.seconds == pytest.approx(60)
    assert (caught.value.task.uuid, caught.value.task.state) == (TASK, "PROGRESS")
    assert set(wire.lines) == {READ}


async def test_success_resets_the_budget(call: Caller, wire: Wire) -> None:
    """Any number of single failures between successful polls never ends a wait."""
    blips = [reply(503), task("PROGRESS"), httpx.ReadError("reset"), task("PROGRESS")] * 40
    wire.on("GET", PATH, *blips, task())
    assert (await call("wait_for_task", TASK, retry=2, progress_bar=False)).succeeded
    assert len(wire.seen) == 161


@pytest.mark.parametrize("retry", [1, 3])
async def test_retry_caps_the_attempts(call: Caller, wire: Wire, retry: int) -> None:
    """Instead of an outage in seconds a number of attempts may be given."""
    wire.on("GET", PATH, reply(503))
    with pytest.raises(LostContactError):
        await call("wait_for_task", TASK, retry=retry)
    assert len(wire.seen) == retry


async def test_timeout_wins_over_the_outage(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A deadline within an outage ends the wait on time, with the failure in the message."""
    wire.on("GET", PATH, reply(503, json={"detail": "maintenance"}, headers={"Retry-After": "60"}))
    began = clock.now
    with pytest.raises(TaskTimeoutError, match=r"could not be read .*maintenance"):
        await call("wait_for_task", TASK, timeout=10)
    assert clock.now - began == pytest.approx(10)


async def test_missing_task_ends_a_wait_at_once(call: Caller, wire: Wire) -> None:
    """A remote task that is not there ends its wait at once."""
    wire.on("GET", PATH, task("PENDING"), reply(404, json={"detail": "Task not found"}))
    with pytest.raises(NotFoundError, match=f"{TASK}.*Task not found"):
        await call("wait_for_task", TASK, progress_bar=False)
    assert len(wire.seen) == 2


@pytest.mark.parametrize("kind", [GeoboxClient, AsyncGeoboxClient])
@pytest.mark.parametrize("timeout", [0, 0.2])
async def test_hanging_server_does_not_hold_up_the_timeout(kind: type, timeout: float) -> None:
    """Where the server never answers, the timeout ends a wait whose requests may take an hour."""
    with raw_server(hang) as url:
        client = kind(url, apikey=secret(), timeout=FOREVER)
        with pytest.raises(TaskTimeoutError, match=TASK):
            await in_time(Caller(client)("wait_for_task", TASK, timeout=timeout))
        client.close()


async def test_hanging_login_does_not_hold_up_the_timeout() -> None:
    """A login that never answers is bounded by the timeout of the wait as well."""
    with raw_server(hang) as url:
        client = AsyncGeoboxClient(url, username="a", password=secret(), timeout=FOREVER)
        with pytest.raises(TaskTimeoutError):
            await in_time(client.wait_for_task(TASK, timeout=0.2))
        client.close()


async def test_hanging_server_does_not_hold_up_an_abort() -> None:
    """An abort without an answer ends when its confirmation is overdue."""
    with raw_server(hang) as url:
        client = AsyncGeoboxClient(url, apikey=secret(), timeout=FOREVER)
        with pytest.raises(TaskTimeoutError, match=TASK):
            await in_time(client.abort_task(TASK, confirm=0.2))
        client.close()
