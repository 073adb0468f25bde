"""Answers that are well-formed and make no sense, and clocks that jump."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from prefect_geobox.client import (
    NotFoundError,
    OutputAsset,
    TaskAbortedError,
    TaskFailedError,
    TaskState,
    WaitUpdate,
)
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    always,
    changed,
    on,
    progress,
    repeated,
    result,
    sequence,
    state,
    status,
    without,
)
from tests.kit.emulator_requests import count, outcome, seen
from tests.kit.fake_clock import FakeClock
from tests.kit.until import HANGING, in_time

#: Results of every type that JSON has, and some that only look like an output.
RESULTS: list[Any] = [
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "done",
    [],
    [None, {"layer_uuid": "x"}],
    {},
    {"layer_uuid": None},
    {"layer_uuid": 7},
    {"layer_uuid": ["a"]},
    {"layer_uuid": "../../etc"},
    {"layer_uuid": ""},
    {"raster_uuid": {}, "layer_uuid": False},
    {"errors": "many"},
    {"detail": {"msg": None, "type": 5}},
    {"detail": [{"msg": "one"}, "two", 3]},
    {"a": {"b": {"c": [[[{}]]]}}},
]


async def test_unknown_state_is_waited_through(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """An unknown state is not final, and its name is kept."""
    uuid = geobox.add_task(states=["PENDING", "QUEUED AGAIN", "", "success", "SUCCESS"])
    texts: list[str] = []
    task = await make(clock=clock).wait_for_task(
        uuid, progress_bar=False, on_update=lambda update: texts.append(update.task.state_text)
    )
    assert task.succeeded
    assert texts[1] == "QUEUED AGAIN"
    assert len(texts) == 5


async def test_state_that_jumps_back_is_waited_through(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A remote task whose state goes back is waited for to its end."""
    uuid = geobox.add_task(seconds=0, state="FAILURE")
    jumps = ["PENDING", "PROGRESS", "PENDING", "PROGRESS", "WHAT", "PENDING"]
    geobox.faults = sequence(*map(state, jumps))
    seen_states: list[str] = []
    with pytest.raises(TaskFailedError):
        await make(clock=clock).wait_for_task(
            uuid,
            progress_bar=False,
            on_update=lambda update: seen_states.append(update.task.state_text),
        )
    assert seen_states == [*jumps, "FAILURE"]


@pytest.mark.parametrize(
    ("current", "total"),
    [
        (150, 100),
        (-5, 100),
        (5, 0),
        (0, 0),
        (5, -5),
        (10**40, 1),
        (1e308, 1e-308),
        ("5", "10"),
        ("many", None),
        (None, 10),
        ([1], {}),
        (True, False),
    ],
)
async def test_progress_without_sense_is_harmless(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    current: Any,
    total: Any,
) -> None:
    """Invalid progress neither fails a wait nor makes it poll without pause."""
    uuid = geobox.add_task(states=["PROGRESS"] * 6 + ["SUCCESS"])
    geobox.faults = on(always(progress(current, total)), path="tasks/*/status")
    updates: list[WaitUpdate] = []
    task = await make(clock=clock).wait_for_task(uuid, on_update=updates.append)
    assert task.succeeded
    percents = [update.progress.percent for update in updates if update.progress]
    assert all(percent is None or 0 <= percent <= 100 for percent in percents)
    assert min(clock.slept) >= 0.9
    assert count(geobox, f"GET tasks/{uuid}/") == 7


async def test_progress_that_runs_back_is_harmless(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """Progress that runs back leaves the schedule as it would be without."""
    uuid = geobox.add_task(states=["PROGRESS"] * 12 + ["SUCCESS"])
    backwards = [progress(percent, 100) for percent in (90, 70, 120, 30, 30, 0, 99)]
    geobox.faults = on(sequence(*backwards), path="tasks/*/status")
    assert (await make(clock=clock).wait_for_task(uuid)).succeeded
    assert all(0.9 <= pause <= 33 for pause in clock.slept)


@pytest.mark.parametrize("end", ["SUCCESS", "FAILURE", "ABORTED"])
@pytest.mark.parametrize("value", RESULTS, ids=repr)
async def test_results_of_every_type(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, value: Any, end: str
) -> None:
    """A result of any type leaves the state; the output is an asset, None or an error."""
    client = make(clock=clock)
    uuid = geobox.add_task(seconds=0, state=end)
    geobox.faults = on(always(result(value)), path="tasks/*")
    cause = await outcome(client.wait_for_task(uuid, progress_bar=False))
    if end == "SUCCESS":
        assert cause.state is TaskState.SUCCESS
        assert cause.data["result"] == value
        asset = await outcome(client.get_output_asset(cause))
        assert asset is None or isinstance(asset, (OutputAsset, NotFoundError))
    else:
        kind = TaskFailedError if end == "FAILURE" else TaskAbortedError
        assert type(cause) is kind
        assert cause.task.uuid == uuid
        assert uuid in str(cause)


async def test_task_that_disappears_is_not_found_at_once(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A remote task that becomes a 404 in mid-wait ends the wait, without an abort."""
    uuid = geobox.add_task(seconds=3600)
    geobox.faults = sequence(None, None, *[status(404)] * 9)
    with pytest.raises(NotFoundError, match=uuid):
        await make(clock=clock).wait_for_task(uuid, progress_bar=False)
    assert seen(geobox) == [f"GET tasks/{uuid}/"] * 3


async def test_lists_with_duplicates_and_gaps(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A list that names tasks twice or leaves one out is read as it is, and no wait minds it."""
    client = make(clock=clock)
    uuids = [geobox.add_task(states=["PROGRESS", "PROGRESS", "SUCCESS"]) for _ in range(3)]
    geobox.faults = on(sequence(repeated(), without(uuids[0])), path="tasks")
    twice = await client.list_tasks(limit=3)
    assert sorted(task.uuid for task in twice) == sorted(uuids * 2)
    assert uuids[0] not in [task.uuid for task in await client.list_tasks(limit=3)]
    geobox.faults = on(always(without(uuids[0])), path="tasks")
    ended = await client.wait_for_tasks(uuids, progress_bar=False)
    assert [task.uuid for task in ended] == uuids


async def test_answer_about_another_task_is_not_taken_for_ours(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """The end of another remote task does not end the wait for this one."""
    uuid, other = geobox.add_task(seconds=0, state="FAILURE"), geobox.add_task(seconds=0)
    swap = changed(lambda task: {**task, "uuid": other, "state": "SUCCESS"})
    geobox.faults = sequence(swap, swap)
    cause = await outcome(make(clock=clock).wait_for_task(uuid, progress_bar=False))
    assert isinstance(cause, TaskFailedError)
    assert cause.task.uuid == uuid


@pytest.mark.parametrize("jump", [6 * 3600.0, -6 * 3600.0, 1e9])
async def test_wall_clock_that_jumps_does_no_harm(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    jump: float,
) -> None:
    """A change of the wall clock by hours in mid-wait neither ends a wait nor keeps it."""
    real = time.time
    uuid = geobox.add_task(seconds=0.6)
    geobox.faults = lambda _: status(503, retry_after=0) if len(geobox.requests) % 3 == 1 else None
    client = make(username=geobox.username, password=geobox.password)

    def jump_now(_: WaitUpdate) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + jump)

    task = await in_time(
        client.wait_for_task(
            uuid, timeout=HANGING, interval=0.05, outage=60, on_update=jump_now, progress_bar=False
        )
    )
    assert task.succeeded
