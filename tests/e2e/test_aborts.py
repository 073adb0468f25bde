"""Aborts that lose a race, are refused, or are sent by the hook, in processes of their own."""

from __future__ import annotations

import os
import signal
import time

import pytest

from prefect_geobox.emulator.faults import always, delay, on, status

from .interruption_matrix import Cell, Trial
from .testbed import Geobox, side_by_side, until

ABORT = {"method": "POST", "path": "tasks/*/abort"}


def _started(lab, geobox, cell, paths, limit=None, flow=None):
    """The process of a cell, once all that it waits for has been looked at."""
    trial = Trial(lab, cell, geobox, paths, lab.name(f"abort-{cell}"))
    process = lab.starter.launch(
        do="run", flow=flow or cell.row, cell=trial.parameters(), limit=limit
    )
    begun = lab.note(trial.name, "begun")
    assert begun is not None, process.log.read_text()
    assert until(trial.has_begun, 60), process.log.read_text()
    return process, begun["run"]


def _ending_first(geobox):
    """A plan: each remote task succeeds in the moment in which its abort arrives."""

    def plan(request):
        if request.path.rstrip("/").endswith("/abort"):
            geobox.succeed(request.path.strip("/").split("/")[2])

    return plan


@pytest.mark.slow
@pytest.mark.parametrize("row", ["wait-direct", "wait-submit", "await-direct"])
@side_by_side
def test_a_remote_task_that_ends_before_the_abort_is_reported_as_it_ended(lab, paths, row):
    """Ctrl-C whose abort comes too late: log and artifact of the run say that it is a SUCCESS."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = _ending_first(geobox)
        process, run = _started(lab, geobox, Cell(row, "ctrl-c"), paths)
        process.send(signal.SIGINT)
        assert process.end(30), process.log.read_text()
        log = process.log.read_text()
        assert geobox.states() == ["SUCCESS"]
        assert len(geobox.aborts()) == 1
        assert "ABORTED" not in log
        told = [line for line in log.splitlines() if "had ended before the abort" in line]
        assert [line.endswith("SUCCESS") and "Task run" in line for line in told] == [True], log
        summary = lab.records(run, "markdown")[-1]
        assert "SUCCESS" in str(summary.data)


@pytest.mark.slow
@side_by_side
def test_a_remote_task_that_ends_before_the_abort_of_a_timeout_counts_as_ended(lab, paths):
    """`on_timeout="abort"` whose abort comes too late: the wait returns, the flow succeeds."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = _ending_first(geobox)
        cell = Cell("wait-direct", "timeout", (("on_timeout", "abort"),))
        process, run = _started(lab, geobox, cell, paths)
        assert process.end(30), process.log.read_text()
        assert geobox.states() == ["SUCCESS"]
        assert len(geobox.aborts()) == 1
        assert process.exit_code == 0, process.log.read_text()
        assert lab.state_name(run) == "Completed"


@pytest.mark.slow
@side_by_side
def test_aborts_that_fail_are_bounded_and_named(lab, paths):
    """Ctrl-C while no abort is answered for: an ERROR names each of 50 uuids, within 40 s."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = on(always(status(503)), **ABORT)
        process, _ = _started(lab, geobox, Cell("wait-many", "ctrl-c"), paths)
        sent = process.send(signal.SIGINT)
        assert process.end(45), process.log.read_text()
        assert process.ended_at - sent < 40
        errors = [line for line in process.log.read_text().splitlines() if "| ERROR" in line]
        for uuid in geobox.uuids():
            assert any(uuid in line for line in errors), uuid


@pytest.mark.slow
@pytest.mark.parametrize("row", ["wait-direct", "wait-submit"])
@side_by_side
def test_a_script_that_is_cancelled_in_the_user_interface_aborts(lab, paths, row):
    """No process manager stops a script; its wait sees the state of the run and ends itself."""
    with Geobox(seconds=600) as geobox:
        process, run = _started(lab, geobox, Cell(row, "script"), paths)
        at = time.monotonic()
        lab.cancel(run)
        assert process.end(30), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert geobox.aborts()[0] - at < 5


@pytest.mark.slow
@pytest.mark.parametrize("row", ["wait-direct", "publish-direct"])
@side_by_side
def test_the_hook_cleans_up_after_a_killed_process(lab, paths, row):
    """A run that is killed while it is being cancelled: `abort_remote_tasks` aborts its tasks."""
    with Geobox(seconds=600) as geobox:
        extra = {"GEOBOX_HOST": geobox.url, "GEOBOX_APIKEY": geobox.apikey}
        name = f"serve-hook-{row}"
        cell = Cell(row, "serve")
        with lab.serving(name, [f"hooked-{row}"], **extra) as log:
            trial = Trial(lab, cell, geobox, paths, lab.name(f"hook-{row}"))
            parameters = {"cell": trial.parameters()}
            run = lab.run_deployment(f"hooked-{row}", name, trial.name, parameters)
            begun = lab.note(trial.name, "begun")
            assert begun is not None, log.read_text()
            assert until(trial.has_begun, 60), log.read_text()
            # What a run waits for is recorded from the third second on.
            time.sleep(4)
            os.kill(begun["pid"], signal.SIGSTOP)
            lab.cancel(run)
            assert lab.final_state(run, 60) == "Cancelled", log.read_text()
            assert until(lambda: geobox.states() == ["ABORTED"], 20), log.read_text()


@pytest.mark.slow
@side_by_side
def test_a_start_that_is_under_way_is_aborted_too(lab, paths):
    """Ctrl-C while the start is not answered yet: it is let finish, and aborted."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = on(always(delay(3)), method="POST", path="files/*/publish")
        trial = Trial(lab, Cell("publish-direct", "ctrl-c"), geobox, paths, lab.name("under-way"))
        process = lab.starter.launch(do="run", flow="publish-direct", cell=trial.parameters())
        assert lab.note(trial.name, "begun"), process.log.read_text()
        asked = until(lambda: any(r.path.endswith("/tasks/") for r in geobox.requests), 60)
        assert asked, process.log.read_text()
        time.sleep(1)
        process.send(signal.SIGINT)
        assert process.end(30), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert process.exit_code != 0


@pytest.mark.slow
@pytest.mark.parametrize("row", ["publish-direct", "publish-submit", "subflow-publish"])
@pytest.mark.parametrize("on_timeout", ["abort", "leave"])
@side_by_side
def test_a_time_limit_within_a_start_is_heeded(lab, paths, row, on_timeout):
    """The task's time limit while the start is not answered yet: `on_timeout` is followed."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = on(always(delay(6)), method="POST", path="files/*/publish")
        cell = Cell(row, "task-limit", (("on_timeout", on_timeout),))
        trial = Trial(lab, cell, geobox, paths, lab.name("late-start"))
        process = lab.starter.launch(do="run", flow=row, cell=trial.parameters())
        assert process.end(60), process.log.read_text()
        assert process.exit_code == 1
        (state,) = geobox.states()
        assert (state == "ABORTED") == (on_timeout == "abort"), process.log.read_text()


@pytest.mark.slow
@side_by_side
def test_two_ctrl_c_in_a_row_end_the_process(lab, paths):
    """Two Ctrl-C at the same moment, with a server that answers: the process ends soon."""
    for row in ("wait-direct", "wait-map", "await-gather"):
        with Geobox(seconds=600) as geobox:
            process, _ = _started(lab, geobox, Cell(row, "ctrl-c"), paths)
            process.send(signal.SIGINT)
            at = process.send(signal.SIGINT)
            assert process.end(30), process.log.read_text()
            # Prefect reports each task run; that takes its time on a busy machine.
            assert process.ended_at - at < 10, row
            assert process.exit_code != 0


@pytest.mark.slow
@pytest.mark.parametrize("row", ["wait-direct", "await-direct", "await-gather"])
@side_by_side
def test_the_end_of_a_flow_in_time_waits_for_its_aborts(lab, paths, row):
    """The flow's time limit while aborts take 2 s: the process does not end before them."""
    with Geobox(seconds=600) as geobox:
        geobox.faults = on(always(delay(2)), **ABORT)
        cell = Cell(row, "flow-limit", (("on_timeout", "abort"),))
        process, _ = _started(lab, geobox, cell, paths, limit=8.0)
        assert process.end(40), process.log.read_text()
        assert set(geobox.states()) == {"ABORTED"}, process.log.read_text()


@pytest.mark.slow
@side_by_side
def test_ctrl_c_reaches_a_submitted_wait_of_an_async_flow_that_does_something_else(lab, paths):
    """Ctrl-C on an async flow that sleeps beside a submitted wait: it aborts, the process ends."""
    with Geobox(seconds=600) as geobox:
        cell = Cell("wait-submit", "ctrl-c")
        process, _ = _started(lab, geobox, cell, paths, flow="asleep-submit")
        at = process.send(signal.SIGINT)
        assert process.end(30), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert geobox.aborts()[0] - at < 5
        assert process.exit_code != 0


@pytest.mark.slow
@side_by_side
def test_a_run_that_is_being_ended_starts_nothing_more(lab, paths):
    """Ctrl-C while the first of three mapped starts is under way: the others are not sent."""
    with Geobox(seconds=600) as geobox:
        plan = always(delay(3))
        geobox.faults = on(plan, method="POST", path="files/*/publish")
        trial = Trial(lab, Cell("publish-map", "ctrl-c"), geobox, paths, lab.name("no-more"))
        process = lab.starter.launch(do="run", flow="publish-map", cell=trial.parameters())
        assert until(lambda: sum(plan.given.values()), 60), process.log.read_text()
        process.send(signal.SIGINT)
        assert process.end(30), process.log.read_text()
        assert geobox.states() == ["ABORTED"], process.log.read_text()
        assert "was not started" in process.log.read_text()
