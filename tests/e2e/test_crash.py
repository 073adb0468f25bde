"""A process that is killed at any moment, and the same flow run again."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.client.schemas.actions import ArtifactCreate

from prefect_geobox.emulator.faults import always, hang, on

from .rerun_trial import attempts, ended
from .testbed import side_by_side, until

#: How many trials of a test run at once.
AT_ONCE = 4

TRIALS = [3, pytest.param(20, marks=pytest.mark.slow)]


def _side_by_side(trial, number):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(trial, range(number)))


@pytest.mark.slow
@side_by_side
def test_a_killed_flow_goes_on_where_it_was_under_serve(lab, paths):
    """Killed in mid-wait under serve and retried: one upload, one start, the layer comes back."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1], seconds=6) as tried:
            run = tried.run_deployment(log.stem)
            begun = lab.note(tried.name, "begun")
            assert begun is not None, log.read_text()
            assert until(tried.is_waiting, 60), log.read_text()
            os.kill(begun["pid"], signal.SIGKILL)
            assert lab.final_state(run) == "Crashed"
            lab.schedule_again(run)
            assert until(lambda: lab.state_name(run) == "Completed", 60), log.read_text()
            return tried.counts, len(tried.layers()), tried.decisions()

    with lab.serving("serve-crash", ["again-direct"]) as log:
        found = _side_by_side(trial, 3)

    for counts, layers, decisions in found:
        assert counts == (1, 1)
        assert layers == 1
        assert decisions[-1] in ("re-attached", "already finished")


@pytest.mark.parametrize("number", TRIALS)
@side_by_side
def test_a_flow_killed_while_it_waits_starts_nothing_twice(lab, paths, number):
    """Killed at a random moment of its wait: one upload and one start each time."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1], seconds=4) as tried:
            tried.killed_while_waiting(after=random.Random(place).uniform(0, 2))
            layers = tried.finished(tried.again())
            return tried.counts, tried.geobox.states(), len(layers)

    assert _side_by_side(trial, number) == [((1, 1), ["SUCCESS"], 1)] * number


@pytest.mark.parametrize("number", TRIALS)
@side_by_side
def test_a_flow_killed_before_its_start_is_recorded_starts_nothing_twice(lab, paths, number):
    """Killed between the answer to the start and its record: the next attempt finds it."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1]) as tried:
            killed = ended(tried.first(kill=("sent", "publish-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            assert tried.counts == (1, 1)
            layers = tried.finished(tried.again())
            return tried.counts, tried.geobox.states(), len(layers), tried.decisions()

    expected = (1, 1), ["SUCCESS"], 1, ["found after a crash"]
    assert _side_by_side(trial, number) == [expected] * number


@pytest.mark.slow
@side_by_side
def test_a_flow_killed_before_the_start_is_answered_starts_nothing_twice(lab, paths):
    """Killed while the answer to the start is under way: the next attempt finds it."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1]) as tried:
            tried.geobox.faults = on(always(hang().after()), path="files/*/publish")
            process = tried.first()
            assert until(tried.geobox.states, 60), process.log.read_text()
            process.send(signal.SIGKILL)
            ended(process)
            tried.geobox.faults = None
            tried.finished(tried.again())
            return tried.counts, tried.decisions()

    assert _side_by_side(trial, 5) == [((1, 1), ["found after a crash"])] * 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [5])
@side_by_side
def test_a_flow_killed_before_it_sends_its_start_starts_once(lab, paths, number):
    """Killed between the intent and the start: the next attempt starts it, once."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1]) as tried:
            killed = ended(tried.first(kill=("intent", "publish-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            assert tried.counts == (1, 0)
            tried.finished(tried.again())
            return tried.counts, tried.decisions()

    assert _side_by_side(trial, number) == [((1, 1), ["started"])] * number


@pytest.mark.slow
@side_by_side
def test_an_upload_is_not_doubled_either(lab, paths):
    """Killed between the answer to an upload and its record: the next attempt finds the file."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1]) as tried:
            killed = ended(tried.first(kill=("sent", "upload-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            tried.finished(tried.again())
            return tried.counts

    assert _side_by_side(trial, 5) == [(1, 1)] * 5


SHAPES = [
    pytest.param("again-async", 1, marks=pytest.mark.slow),
    pytest.param("again-subflow", 1, marks=pytest.mark.slow),
    pytest.param("again-submit", 5, marks=pytest.mark.slow),
    pytest.param("again-map", 5),
]


@pytest.mark.parametrize(("flow", "number"), SHAPES)
@side_by_side
def test_each_way_to_publish_goes_on_where_it_was(lab, paths, flow, number):
    """Async, in a subflow, submitted or mapped: what was killed starts nothing twice."""
    with attempts(lab, flow, paths[:number], seconds=8) as tried:
        tried.killed_while_waiting()
        assert tried.counts == (number, number)
        layers = tried.finished(tried.again())
        assert tried.counts == (number, number)
        assert len(set(layers)) == number
        assert set(tried.decisions()) <= {"re-attached", "already finished"}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sent", "intent"])
@side_by_side
def test_mapped_publishings_are_kept_apart_after_a_kill_in_between(lab, paths, place):
    """Killed at the first of five mapped starts: in the end each was started once."""
    with attempts(lab, "again-map", paths) as tried:
        killed = ended(tried.first(kill=(place, "publish-file")))
        assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
        process = ended(tried.again())
        assert tried.geobox.posts("publish") <= 5, process.log.read_text()
        layers = tried.finished(process)
        assert tried.counts == (5, 5)
        assert len(set(layers)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("persist", ["true", "false"])
@side_by_side
def test_it_does_not_matter_whether_results_are_persisted(lab, paths, persist):
    """With Prefect's results persisted by default, and with no result persisted."""
    extra = {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": persist}
    name = f"serve-persist-{persist}"
    with (
        lab.serving(name, ["again-map"], **extra) as log,
        attempts(lab, "again-map", paths[:2], seconds=5) as tried,
    ):
        run = tried.run_deployment(log.stem)
        begun = lab.note(tried.name, "begun")
        assert begun is not None, log.read_text()
        assert until(tried.is_waiting, 60), log.read_text()
        os.kill(begun["pid"], signal.SIGKILL)
        lab.final_state(run)
        lab.schedule_again(run)
        assert until(lambda: lab.state_name(run) == "Completed", 60), log.read_text()
        assert tried.counts == (2, 2)
        assert len(set(tried.layers())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["again-direct", "again-async", "again-submit"])
@side_by_side
def test_an_eviction_that_reschedules_the_run_starts_nothing_twice(lab, paths, flow):
    """SIGTERM to `prefect flow-run execute` that reschedules: the run goes on where it was."""
    extra = {"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}
    with attempts(lab, flow, paths[:1], seconds=8) as tried:
        lab.deploy_without_worker(f"nobody-{flow}", flow)
        run = tried.run_deployment("pooled")
        arguments = ("-m", "prefect", "flow-run", "execute", run)
        first = lab.command(f"first-{flow}", *arguments, **extra)
        assert until(tried.is_waiting, 90), lab.log_of(f"first-{flow}")
        first.send_signal(signal.SIGTERM)
        first.wait(40)
        assert lab.state_name(run) == "AwaitingRetry", lab.log_of(f"first-{flow}")
        assert tried.geobox.aborts() == []
        lab.command(f"second-{flow}", *arguments, **extra).wait(90)
        assert lab.state_name(run) == "Completed", lab.log_of(f"second-{flow}")
        assert tried.counts == (1, 1)
        assert tried.decisions()[-1] in ("re-attached", "already finished")


@pytest.mark.slow
@side_by_side
def test_what_another_step_has_sent_is_not_taken_over(lab, paths):
    """Killed with one start carried out and another still to come: each name is started once."""

    def trial(place):
        with attempts(lab, "again-map", paths[:2], seconds=2) as tried:
            tried.geobox.faults = on(always(hang().after()), method="POST", path="files/*/publish")
            process = tried.first()
            assert until(tried.geobox.states, 60), process.log.read_text()
            # The other one has a second to come too, and does not.
            time.sleep(1)
            process.send(signal.SIGKILL)
            ended(process)
            tried.geobox.faults = None
            layers = tried.finished(tried.again())
            return tried.counts, tried.geobox.states(), len(set(layers)), sorted(tried.decisions())

    expected = (2, 2), ["SUCCESS", "SUCCESS"], 2, ["found after a crash", "started"]
    assert _side_by_side(trial, 4) == [expected] * 4


@pytest.mark.slow
@side_by_side
def test_what_two_processes_have_left_is_not_told_apart(lab, paths):
    """Another process died of another start of the run: that is an error, and nothing is sent."""
    with attempts(lab, "again-direct", paths[:1], seconds=60) as tried:
        ended(tried.first(kill=("sent", "publish-file")))
        mine = lab.records(tried.run)[-1]
        assert mine.data["uuid"] is None
        theirs = ArtifactCreate(
            type=mine.type, data={**mine.data, "slot": "theirs-0"}, flow_run_id=mine.flow_run_id
        )
        lab.client.create_artifact(theirs)
        process = ended(tried.again())
        assert tried.counts == (1, 1)
        assert process.exit_code == 1
        log = process.log.read_text()
        assert "AmbiguousSubmissionError" in log
        assert tried.geobox.uuids()[0] in log


@pytest.mark.slow
@pytest.mark.parametrize("number", [6])
@side_by_side
def test_two_processes_that_run_one_flow_run_start_once(lab, paths, number):
    """Two workers that take up the same crashed flow run at once: one upload, one start."""

    def trial(place):
        with attempts(lab, "again-direct", paths[:1]) as tried:
            killed = ended(tried.first(kill=("intent", "upload-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            lab.schedule_again(tried.run)
            both = [
                lab.starter.launch(do="again", flow=tried.flow, cell={}, run=tried.run)
                for _ in range(2)
            ]
            for process in both:
                ended(process)
            logs = [process.log.read_text() for process in both]
            return tried.counts, [process.exit_code for process in both], logs

    for counts, exit_codes, logs in _side_by_side(trial, number):
        assert counts == (1, 1), logs
        assert 0 in exit_codes, logs
