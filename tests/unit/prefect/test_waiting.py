"""Waiting for remote tasks as Prefect tasks, on a real server."""

from __future__ import annotations

import asyncio
import logging
import uuid

import pytest
from prefect import flow, task

from prefect_geobox import (
    GeoboxCredentials,
    InvalidArgumentError,
    RemoteTask,
    TaskFailedError,
    TaskState,
    TaskTimeoutError,
    aabort_task,
    abort_task,
    acount_tasks,
    aget_output_asset,
    aget_progress,
    aget_task,
    alist_tasks,
    await_for_task,
    await_for_tasks,
    count_tasks,
    get_output_asset,
    get_progress,
    get_task,
    list_tasks,
    wait_for_task,
    wait_for_tasks,
)
from prefect_geobox.client.api.run_mode import run_to_completion
from prefect_geobox.client.polling.subscription import WaitUpdate
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.ownership.run_modes import SYNC_MODE
from prefect_geobox.reporting import artifact_writer, progress_artifact
from prefect_geobox.reporting.wait_report import WaitReport
from tests.kit.fake_clock import FakeClock

FAST = {"interval": 0.02, "max_interval": 0.05}


def test_wait_in_a_flow_returns_the_final_task_and_tells_of_it(
    credentials, geobox_emulator, records_of, caplog
):
    """A wait returns the final task, names its run after it, and logs changes and one summary."""
    remote = geobox_emulator.add_task(
        name="import:something", states=["PENDING", "PENDING", "PROGRESS", "PROGRESS", "SUCCESS"]
    )

    @flow
    def one_wait():
        return wait_for_task(credentials, remote, **FAST)

    with caplog.at_level(logging.INFO):
        state = one_wait(return_state=True)

    task = state.result()
    assert isinstance(task, RemoteTask)
    assert (task.uuid, task.state) == (remote, TaskState.SUCCESS)
    records = records_of(state)
    assert records.task_names() == {"wait-for-import:something"}
    text = records.artifact("geobox-wait-for-task")
    assert remote in text
    assert "SUCCESS" in text
    assert "polls" in text
    assert records.progress() == [100.0]
    lines = [r.getMessage() for r in caplog.records if remote in r.getMessage()]
    states = [line.rpartition(" ")[2] for line in lines if line.startswith("Remote task")]
    assert [s for s in states if s in ("PENDING", "PROGRESS", "SUCCESS")] == [
        "PENDING",
        "PROGRESS",
        "SUCCESS",
    ]
    assert sum(line.startswith("Waited") for line in lines) == 1
    (event,) = records.events("geobox.task.")
    assert event["event"] == "geobox.task.finished"
    assert event["resource"]["prefect.resource.id"] == f"geobox.task.{remote}"
    assert event["payload"]["state"] == "SUCCESS"


async def test_async_wait_in_an_async_flow(credentials, geobox_emulator, records_of):
    """The async twin waits, gathers and leaves the same artifact."""
    remotes = [geobox_emulator.add_task(name=f"job {n}", seconds=0.1) for n in range(3)]

    @flow
    async def gathered():
        return await asyncio.gather(
            *(await_for_task(credentials, remote, **FAST) for remote in remotes)
        )

    state = await gathered(return_state=True)

    tasks = await state.result()
    assert [task.uuid for task in tasks] == remotes
    assert all(task.succeeded for task in tasks)
    records = records_of(state)
    assert records.task_names(3) == {"wait-for-job 0", "wait-for-job 1", "wait-for-job 2"}
    assert [a.key for a in records.artifacts].count("geobox-wait-for-task") == 3


def test_submitted_and_mapped_waits(credentials, geobox_emulator):
    """Waits can be submitted and mapped like any Prefect task."""
    remotes = [geobox_emulator.add_task(name=f"job {n}", seconds=0.1) for n in range(8)]

    @flow
    def fan_out():
        first = wait_for_task.submit(credentials, remotes[0], **FAST)
        rest = wait_for_task.map(credentials, remotes[1:], **FAST)
        return [first.result(), *rest.result()]

    assert [task.uuid for task in fan_out()] == remotes


def test_many_mapped_waits_write_few_progress_artifacts(
    credentials, geobox_emulator, records_of, monkeypatch
):
    """Sixty waits write few progress artifacts, and share one table in place of summaries."""
    # As if all of it took no time, in which more might be written.
    monkeypatch.setattr(progress_artifact, "_WRITES_PER_SECOND", 0.0)
    monkeypatch.setattr(progress_artifact, "_write_budget", progress_artifact._WriteBudget())

    @flow
    def fan_out():
        # From here on, however long a flow takes to begin.
        remotes = [geobox_emulator.add_task(name=f"job {n}", seconds=3) for n in range(60)]
        return wait_for_task.map(credentials, remotes, **FAST).result()

    state = fan_out(return_state=True)

    assert all(task.succeeded for task in state.result())
    records = records_of(state)
    assert len(records.progress()) <= 5
    (table,) = [a for a in records.artifacts if a.key == "geobox-steps"]
    assert table.description == "Geobox: 60 wait-for-task: all succeeded"
    assert table.data.count("| wait-for-task |") == 60
    assert [a.key for a in records.artifacts].count("geobox-wait-for-task") == 0


def test_a_crowd_that_ends_at_once_is_not_shown_one_by_one(
    credentials, geobox_emulator, records_of, monkeypatch
):
    """Forty remote tasks that end together cost few writes of their progress."""
    writes = []

    async def counting(mode, artifact, percent, description):
        writes.append(percent)
        await artifact_writer.update_progress(mode, artifact, percent, description)

    clock = FakeClock()
    monkeypatch.setattr(progress_artifact, "time", clock)
    monkeypatch.setattr(progress_artifact, "_write_budget", progress_artifact._WriteBudget())
    monkeypatch.setattr(progress_artifact, "update_progress", counting)
    remotes = [geobox_emulator.add_task(states=["PROGRESS", "SUCCESS"]) for _ in range(40)]

    @task
    def shown():
        report = WaitReport(SYNC_MODE, remotes, show_progress=True)
        with credentials.get_client() as client:
            run_to_completion(report(WaitUpdate(client.get_task(remotes[0]))))
            for ended in client.wait_for_tasks(remotes, progress_bar=False, interval=0.05):
                clock.now += 0.25
                run_to_completion(report(WaitUpdate(ended)))

    @flow
    def following():
        shown()

    state = following(return_state=True)
    assert state.is_completed()
    # They are told of within ten seconds: one every two seconds, and the last one.
    assert writes == [20, 40, 60, 80, 100]
    assert records_of(state).progress() == [100.0]


@pytest.mark.parametrize(("age", "pause"), [(0, 2), (20, 2), (60, 6), (300, 30), (36_000, 30)])
def test_an_old_wait_updates_its_progress_less_often(age, pause):
    """The pause between two updates grows with the wait, from 2 s to 30 s."""
    assert progress_artifact._pause_at_age(age) == pytest.approx(pause)


async def test_async_waits_submitted_and_mapped(credentials, geobox_emulator):
    """The async twins can be submitted and mapped from an async flow."""
    remotes = [geobox_emulator.add_task(name=f"job {n}", seconds=0.1) for n in range(4)]

    @flow
    async def fan_out():
        first = await_for_task.submit(credentials, remotes[0], **FAST)
        rest = await_for_task.map(credentials, remotes[1:], **FAST)
        return [first.result(), *[future.result() for future in rest]]

    assert [task.uuid for task in await fan_out()] == remotes


def test_wait_for_tasks_keeps_order_and_leaves_one_artifact(
    credentials, geobox_emulator, records_of
):
    """One wait for several remote tasks returns them in order and sums them up in one artifact."""
    remotes = [
        geobox_emulator.add_task(name=f"job {n}", states=["PROGRESS"] * polls + ["SUCCESS"])
        for n, polls in enumerate((3, 1, 2))
    ]

    @flow
    def together():
        return wait_for_tasks(credentials, remotes, **FAST)

    state = together(return_state=True)

    assert [task.uuid for task in state.result()] == remotes
    records = records_of(state)
    text = records.artifact("geobox-wait-for-tasks")
    assert all(remote in text for remote in remotes)
    assert records.task_names() == {"wait-for-3-tasks"}
    assert records.progress() == [100.0]


def test_several_failures_are_raised_together_after_all_have_ended(
    credentials, geobox_emulator, records_of
):
    """Failed remote tasks are raised together, each named with its reason, after all have ended."""
    good = geobox_emulator.add_task(name="good", states=["PROGRESS"] * 4 + ["SUCCESS"])
    bad = [
        geobox_emulator.add_task(
            name=f"bad {n}",
            seconds=0.05,
            state="FAILURE",
            result={"detail": {"msg": f"reason {n}", "type": "x"}},
        )
        for n in range(2)
    ]

    @flow
    def together():
        return wait_for_tasks(credentials, [bad[0], good, bad[1]], **FAST)

    state = together(return_state=True)

    assert state.is_failed()
    with pytest.raises(TaskFailedError) as caught:
        state.result()
    assert [task.uuid for task in caught.value.tasks] == bad
    assert "reason 0" in str(caught.value)
    assert "reason 1" in str(caught.value)
    assert "SUCCESS" in records_of(state).artifact("geobox-wait-for-tasks")


async def test_async_wait_for_tasks_can_return_the_failed(credentials, geobox_emulator):
    """With raise_on_failure off, failed remote tasks are returned like the others."""
    good = geobox_emulator.add_task(name="good", seconds=0.05)
    bad = geobox_emulator.add_task(name="bad", seconds=0.05, state="FAILURE")

    @flow
    async def together():
        return await await_for_tasks(credentials, [bad, good], raise_on_failure=False, **FAST)

    assert [task.state for task in await together()] == [TaskState.FAILURE, TaskState.SUCCESS]


def test_a_failed_wait_leaves_its_reason(credentials, geobox_emulator, records_of):
    """A remote FAILURE fails the task run with the server's reason, which the artifact shows."""
    remote = geobox_emulator.add_task(
        name="bad",
        seconds=0.05,
        state="FAILURE",
        result={"detail": {"msg": "<b>no</b> such | field", "type": "x"}},
    )

    @flow
    def failing():
        wait_for_task(credentials, remote, **FAST)

    state = failing(return_state=True)

    assert state.is_failed()
    with pytest.raises(TaskFailedError, match="no</b> such"):
        state.result()
    text = records_of(state).artifact("geobox-wait-for-task")
    assert "<b>" not in text
    assert r"\<b\>no\<\/b\> such \| field" in text


def test_timeout_leaves_or_aborts(credentials, geobox_emulator, records_of):
    """A timeout raises; the remote task runs on by default and is aborted where that is asked."""
    left = geobox_emulator.add_task(name="left", seconds=60, pending=0)
    aborted = geobox_emulator.add_task(name="aborted", seconds=60, pending=0)

    @flow
    def impatient(remote: str, on_timeout: str):
        wait_for_task(credentials, remote, timeout=0.2, on_timeout=on_timeout, **FAST)

    for remote, action, after in (
        (left, "leave", TaskState.PROGRESS),
        (aborted, "abort", TaskState.ABORTED),
    ):
        state = impatient(remote, action, return_state=True)
        with pytest.raises(TaskTimeoutError, match=remote):
            state.result()
        with credentials.get_client() as client:
            assert client.get_task(remote).state is after
        assert "TaskTimeoutError" in state.message
    records = records_of(state)
    timed_out, finished = records.events("geobox.task.", 2)
    assert timed_out["event"] == "geobox.task.timed-out"
    assert (finished["event"], finished["payload"]["state"]) == ("geobox.task.finished", "ABORTED")
    assert "| State | ABORTED |" in records.artifact("geobox-wait-for-task")


def test_bad_arguments_are_refused_before_any_request(credentials, geobox_emulator):
    """A bad uuid and a bad timeout fail the task without a request."""
    geobox_emulator.clear_requests()

    @flow
    def bad(remote: str, timeout: float):
        wait_for_task(credentials, remote, timeout=timeout)

    for remote, timeout in (("none", 1.0), (str(uuid.uuid4()), -1.0)):
        with pytest.raises(InvalidArgumentError):
            bad(remote, timeout)
    assert geobox_emulator.requests == []


def test_the_other_verbs_as_sync_tasks(credentials, geobox_emulator, records_of):
    """Get, list, count, progress, abort and output work as tasks of a sync flow."""
    done = geobox_emulator.add_task(name="done", seconds=0)
    running = geobox_emulator.add_task(name="running", seconds=60)

    @flow
    def verbs():
        return (
            get_task(credentials, done),
            list_tasks(credentials, q="name = 'done'"),
            count_tasks(credentials, search="done"),
            get_progress(credentials, running),
            abort_task(credentials, running),
            get_output_asset(credentials, done),
        )

    state = verbs(return_state=True)

    task, listed, count, progress, aborted, output = state.result()
    assert (task.uuid, task.name) == (done, "done")
    assert [item.uuid for item in listed] == [done]
    assert count == 1
    assert progress.percent is None or 0 <= progress.percent <= 100
    assert aborted.state is TaskState.ABORTED
    assert output is None
    assert {"get-done", "abort-running", "output-of-done"} <= records_of(state).task_names(6)


async def test_the_other_verbs_as_async_tasks(credentials, geobox_emulator):
    """Get, list, count, progress, abort and output work as tasks of an async flow."""
    done = geobox_emulator.add_task(name="done", seconds=0)
    running = geobox_emulator.add_task(name="running", seconds=60)

    @flow
    async def verbs():
        return (
            await aget_task(credentials, done),
            await alist_tasks(credentials, q="name = 'done'"),
            await acount_tasks(credentials, search="done"),
            await aget_progress(credentials, running),
            await aabort_task(credentials, running),
            await aget_output_asset(credentials, done),
        )

    task, listed, count, progress, aborted, output = await verbs()
    assert (task.uuid, listed[0].uuid, count) == (done, done, 1)
    assert progress.percent is None or 0 <= progress.percent <= 100
    assert aborted.state is TaskState.ABORTED
    assert output is None


def test_waits_need_no_flow(credentials: GeoboxCredentials, geobox_emulator: GeoboxEmulator):
    """A task called outside a flow, and its plain function, wait all the same."""
    remote = geobox_emulator.add_task(name="job", seconds=0.05)

    assert wait_for_task(credentials, remote, **FAST).succeeded
    assert wait_for_task.fn(credentials, remote, **FAST).succeeded


def test_a_task_of_the_official_sdk_can_be_handed_over(credentials, geobox_emulator):
    """Any object with a uuid stands for its remote task."""

    class Task:
        uuid = geobox_emulator.add_task(name="job", seconds=0.05)

    @flow
    def hand_over():
        return wait_for_task(credentials, Task(), **FAST)

    assert hand_over().uuid == Task.uuid
