"""Aborts that lose a race, are refused, or are sent by the hook, in processes of their own."""

from __future__ import annotations

import os
import signal

import pytest

from prefect_geobox.emulator.faults import always, delay, on, status
from tests.kit.observed_geobox import ObservedGeobox
from tests.kit.run_records import waits_of
from tests.kit.until import until

from .interruption_matrix import (
    LIMITS,
    NOT_ABORTED,
    Case,
    CaseTrial,
    LimitTooShortError,
    with_longer_limits,
)
from .testbed import side_by_side

ABORT = {"method": "POST", "path": "tasks/*/abort"}


def _started(testbed, geobox, case, paths, flow=None):
    """The process of a case and its flow run, once all that it waits for has been polled."""
    trial = CaseTrial(testbed, case, geobox, paths, testbed.name(f"abort-{case}"))
    process = trial.launch(flow)
    return process, trial.await_begin(process)["run"]


def _ending_first(geobox):
    """A plan: each remote task succeeds in the moment in which its abort arrives."""

    def plan(request):
        if request.path.rstrip("/").endswith("/abort"):
            geobox.succeed(request.path.strip("/").split("/")[2])

    return plan


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["wait-direct", "wait-submit", "await-direct"])
@side_by_side
def test_a_remote_task_that_ends_before_the_abort_is_reported_as_it_ended(testbed, paths, flow):
    """Ctrl-C whose abort comes too late: log and artifact of the run say that it is a SUCCESS."""
    with ObservedGeobox(seconds=3600) as geobox:
        geobox.faults = _ending_first(geobox)
        process, run = _started(testbed, geobox, Case(flow, "ctrl-c"), paths)
        process.send(signal.SIGINT)
        assert process.end(), process.log.read_text()
        log = process.log.read_text()
        assert geobox.states() == ["SUCCESS"]
        assert len(geobox.aborts()) == 1
        assert "ABORTED" not in log
        lines = [line for line in log.splitlines() if "had ended before the abort" in line]
        assert [line.endswith("SUCCESS") and "Task run" in line for line in lines] == [True], log
        summary = testbed.artifacts(run, "markdown")[-1]
        assert "SUCCESS" in str(summary.data)


@pytest.mark.slow
@side_by_side
def test_a_remote_task_that_ends_before_the_abort_of_a_timeout_counts_as_ended(testbed, paths):
    """`on_timeout="abort"` whose abort comes too late: the wait returns, the flow succeeds."""
    case = Case("wait-direct", "timeout", (("on_timeout", "abort"),))

    def run(factor):
        with ObservedGeobox(seconds=3600) as geobox:
            geobox.faults = _ending_first(geobox)
            trial = CaseTrial(testbed, case, geobox, paths, testbed.name("late-abort"), factor)
            process = trial.launch()
            begun = trial.await_begin(process)
            assert process.end(), process.log.read_text()
            assert geobox.states() == ["SUCCESS"]
            assert len(geobox.aborts()) == 1
            assert process.exit_code == 0, process.log.read_text()
            assert testbed.state_name(begun["run"]) == "Completed"

    with_longer_limits(run)


@pytest.mark.slow
@side_by_side
def test_aborts_that_fail_are_abandoned_and_named(testbed, paths):
    """Ctrl-C while each abort fails: an ERROR names each of 50 uuids, and the process ends."""
    with ObservedGeobox(seconds=3600) as geobox:
        geobox.faults = on(always(status(503)), **ABORT)
        process, _ = _started(testbed, geobox, Case("wait-many", "ctrl-c"), paths)
        process.send(signal.SIGINT)
        assert process.end(), process.log.read_text()
        errors = [line for line in process.log.read_text().splitlines() if "| ERROR" in line]
        for uuid in geobox.uuids():
            assert any(uuid in line and NOT_ABORTED in line for line in errors), uuid


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["wait-direct", "wait-submit"])
@side_by_side
def test_a_script_that_is_cancelled_in_the_user_interface_aborts(testbed, paths, flow):
    """No process manager stops a script; its wait sees the state of the run and ends itself."""
    with ObservedGeobox(seconds=3600) as geobox:
        process, run = _started(testbed, geobox, Case(flow, "script"), paths)
        testbed.cancel(run)
        assert process.end(), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert geobox.aborts()[-1] < process.ended_at


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["wait-direct", "publish-direct"])
@side_by_side
def test_the_hook_cleans_up_after_a_killed_process(testbed, paths, flow):
    """A run that is killed while it is being cancelled: `abort_remote_tasks` aborts its tasks."""
    with ObservedGeobox(seconds=3600) as geobox:
        extra = {"GEOBOX_HOST": geobox.url, "GEOBOX_APIKEY": geobox.apikey}
        name = f"serve-hook-{flow}"
        case = Case(flow, "serve")
        with testbed.serving(name, [f"hooked-{flow}"], **extra) as log:
            trial = CaseTrial(testbed, case, geobox, paths, testbed.name(f"hook-{flow}"))
            parameters = {"case": trial.parameters()}
            run = testbed.run_deployment(f"hooked-{flow}", name, trial.name, parameters)
            begun = testbed.note(trial.name, "begun")
            assert begun is not None, log.read_text()
            assert until(trial.has_begun), log.read_text()
            # What a run has started is recorded at once, what else it waits for after 2 s.
            assert until(lambda: _is_recorded(testbed, run)), log.read_text()
            os.kill(begun["pid"], signal.SIGSTOP)
            testbed.cancel(run)
            assert testbed.final_state(run) == "Cancelled", log.read_text()
            assert until(lambda: geobox.states() == ["ABORTED"]), log.read_text()


@pytest.mark.slow
@side_by_side
def test_a_start_that_is_under_way_is_aborted_too(testbed, paths):
    """Ctrl-C while the start is not answered yet: it is let finish, and aborted."""
    with ObservedGeobox(seconds=3600) as geobox:
        plan = always(delay(3))
        geobox.faults = on(plan, method="POST", path="files/*/publish")
        case = Case("publish-direct", "ctrl-c")
        trial = CaseTrial(testbed, case, geobox, paths, testbed.name("under-way"))
        process = trial.launch()
        assert until(lambda: plan.given), process.log.read_text()
        process.send(signal.SIGINT)
        assert process.end(), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert process.exit_code != 0


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["publish-direct", "publish-submit", "subflow-publish"])
@pytest.mark.parametrize("on_timeout", ["abort", "leave"])
@side_by_side
def test_a_time_limit_within_a_start_is_followed(testbed, paths, flow, on_timeout):
    """The task's time limit while the start is not answered yet: `on_timeout` is followed."""
    case = Case(flow, "task-limit", (("on_timeout", on_timeout),))

    def run(factor):
        with ObservedGeobox(seconds=3600) as geobox:
            # Answered only after the limit.
            plan = always(delay(1.5 * factor * LIMITS["task-limit"]))
            geobox.faults = on(plan, method="POST", path="files/*/publish")
            trial = CaseTrial(testbed, case, geobox, paths, testbed.name("late-start"), factor)
            process = trial.launch()
            assert process.end(), process.log.read_text()
            assert process.exit_code == 1
            if not plan.given.total():
                raise LimitTooShortError
            (state,) = geobox.states()
            assert (state == "ABORTED") == (on_timeout == "abort"), process.log.read_text()

    with_longer_limits(run)


@pytest.mark.slow
@side_by_side
def test_two_ctrl_c_in_a_row_end_the_process(testbed, paths):
    """Two Ctrl-C at the same moment, with a server that answers: the process ends with an error."""
    for flow in ("wait-direct", "wait-map", "await-gather"):
        with ObservedGeobox(seconds=3600) as geobox:
            process, _ = _started(testbed, geobox, Case(flow, "ctrl-c"), paths)
            process.send(signal.SIGINT)
            process.send(signal.SIGINT)
            assert process.end(), process.log.read_text()
            assert NOT_ABORTED not in process.log.read_text()
            assert process.exit_code != 0


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["wait-direct", "await-direct", "await-gather"])
@side_by_side
def test_the_end_of_a_flow_in_time_waits_for_its_aborts(testbed, paths, flow):
    """The flow's time limit while aborts are answered late: the process ends after them."""
    case = Case(flow, "flow-limit", (("on_timeout", "abort"),))

    def run(factor):
        with ObservedGeobox(seconds=3600) as geobox:
            geobox.faults = on(always(delay(2)), **ABORT)
            trial = CaseTrial(testbed, case, geobox, paths, testbed.name("late-aborts"), factor)
            process = trial.launch()
            trial.await_begin(process)
            assert process.end(), process.log.read_text()
            assert set(geobox.states()) == {"ABORTED"}, process.log.read_text()

    with_longer_limits(run)


@pytest.mark.slow
@side_by_side
def test_ctrl_c_reaches_a_submitted_wait_of_an_async_flow_that_does_something_else(testbed, paths):
    """Ctrl-C on an async flow that sleeps beside a submitted wait: it aborts, the process ends."""
    with ObservedGeobox(seconds=3600) as geobox:
        case = Case("wait-submit", "ctrl-c")
        process, _ = _started(testbed, geobox, case, paths, flow="asleep-submit")
        process.send(signal.SIGINT)
        assert process.end(), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert geobox.aborts()[-1] < process.ended_at
        assert process.exit_code != 0


@pytest.mark.slow
@side_by_side
def test_starts_that_are_under_way_side_by_side_are_all_aborted(testbed, paths):
    """Ctrl-C while three mapped starts are under way: what was sent is let finish, and aborted."""
    with ObservedGeobox(seconds=3600) as geobox:
        plan = always(delay(3))
        geobox.faults = on(plan, method="POST", path="files/*/publish")
        trial = CaseTrial(
            testbed, Case("publish-map", "ctrl-c"), geobox, paths, testbed.name("no-more")
        )
        process = trial.launch()
        assert until(lambda: plan.given), process.log.read_text()
        process.send(signal.SIGINT)
        assert process.end(), process.log.read_text()
        states = geobox.states()
        assert len(states) == geobox.posts("publish"), process.log.read_text()
        assert set(states) == {"ABORTED"}, process.log.read_text()


def _is_recorded(testbed, run):
    started = [r.uuid for r in testbed.records(run) if r.data["kind"] == "task" and r.uuid]
    return started or waits_of(testbed.client, run)
