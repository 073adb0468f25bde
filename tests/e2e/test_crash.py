"""A process that is killed at any moment, and the same flow run again."""

from __future__ import annotations

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.actions import ArtifactCreate

from prefect_geobox.emulator.faults import always, hang, on
from prefect_geobox.ownership.submission_records import RECORD_TYPE, segment_data
from tests.kit.until import HANGING, until

from .rerun_trial import ended, rerun_trial
from .testbed import side_by_side

#: How many trials of a test run at once.
AT_ONCE = 4

#: What the log says of a remote task that an earlier attempt has started and that runs.
REATTACHED = "): re-attached"

TRIALS = [3, pytest.param(20, marks=pytest.mark.slow)]


def _side_by_side(one_trial, number):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one_trial, range(number)))


@pytest.mark.slow
@side_by_side
def test_a_killed_flow_goes_on_where_it_was_under_serve(testbed, paths):
    """Killed in mid-wait under serve and retried: one upload, one start, the layer comes back."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            run = trial.run_deployment(log.stem)
            begun = testbed.note(trial.name, "begun")
            assert begun is not None, log.read_text()
            assert until(trial.is_waiting), log.read_text()
            os.kill(begun["pid"], signal.SIGKILL)
            assert testbed.final_state(run) == "Crashed"
            testbed.schedule_rerun(run)
            layers = trial.completed(run, log)
            return trial.counts, len(layers), trial.decisions()

    with testbed.serving("serve-crash", ["rerun-direct"]) as log:
        found = _side_by_side(one_trial, 3)

    for counts, layers, decisions in found:
        assert counts == (1, 1)
        assert layers == 1
        assert decisions[-1] in ("re-attached", "already finished")


@pytest.mark.parametrize("number", TRIALS)
@side_by_side
def test_a_flow_killed_while_it_waits_starts_nothing_twice(testbed, paths, number):
    """Killed at a random moment of its wait: one upload and one start each time."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            trial.killed_while_waiting(after=random.Random(place).uniform(0, 2))
            layers = trial.finished(trial.rerun(), once=REATTACHED)
            return trial.counts, trial.geobox.states(), len(layers)

    assert _side_by_side(one_trial, number) == [((1, 1), ["SUCCESS"], 1)] * number


@pytest.mark.parametrize("number", TRIALS)
@side_by_side
def test_a_flow_killed_before_its_start_is_recorded_starts_nothing_twice(testbed, paths, number):
    """Killed between the answer to the start and its record: the next attempt finds it."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            killed = ended(trial.first(kill=("sent", "publish-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            assert trial.counts == (1, 1)
            layers = trial.finished(trial.rerun())
            return trial.counts, trial.geobox.states(), len(layers), trial.decisions()

    expected = (1, 1), ["SUCCESS"], 1, ["found after a crash"]
    assert _side_by_side(one_trial, number) == [expected] * number


@pytest.mark.slow
@side_by_side
def test_a_flow_killed_before_the_start_is_answered_starts_nothing_twice(testbed, paths):
    """Killed while the answer to the start is under way: the next attempt finds it."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            trial.geobox.faults = on(always(hang().after()), path="files/*/publish")
            process = trial.first()
            assert until(trial.geobox.states), process.log.read_text()
            process.send(signal.SIGKILL)
            ended(process)
            trial.geobox.faults = None
            trial.finished(trial.rerun())
            return trial.counts, trial.decisions()

    assert _side_by_side(one_trial, 5) == [((1, 1), ["found after a crash"])] * 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [5])
@side_by_side
def test_a_flow_killed_before_it_sends_its_start_starts_once(testbed, paths, number):
    """Killed between the intent and the start: the next attempt starts it, once."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            killed = ended(trial.first(kill=("intent", "publish-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            assert trial.counts == (1, 0)
            trial.finished(trial.rerun())
            return trial.counts, trial.decisions()

    assert _side_by_side(one_trial, number) == [((1, 1), ["started"])] * number


@pytest.mark.slow
@side_by_side
def test_an_upload_is_not_doubled_either(testbed, paths):
    """Killed between the answer to an upload and its record: the next attempt finds the file."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            killed = ended(trial.first(kill=("sent", "upload-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            trial.finished(trial.rerun())
            return trial.counts

    assert _side_by_side(one_trial, 5) == [(1, 1)] * 5


@side_by_side
def test_an_upload_in_doubt_is_found_without_its_file(testbed, paths):
    """Killed before an upload is recorded, and the file gone: the next attempt finds it."""
    path = testbed.folder / "elsewhere.geojson"
    path.write_bytes(Path(paths[0]).read_bytes())
    with rerun_trial(testbed, "rerun-direct", [path]) as trial:
        killed = ended(trial.first(kill=("sent", "upload-file")))
        assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
        path.unlink()
        trial.finished(trial.rerun())
        assert trial.counts == (1, 1)


SHAPES = [
    pytest.param("rerun-async", 1, marks=pytest.mark.slow),
    pytest.param("rerun-subflow", 1, marks=pytest.mark.slow),
    pytest.param("rerun-submit", 5, marks=pytest.mark.slow),
    pytest.param("rerun-map", 5),
]


@pytest.mark.parametrize(("flow", "number"), SHAPES)
@side_by_side
def test_each_way_to_publish_goes_on_where_it_was(testbed, paths, flow, number):
    """Async, in a subflow, submitted or mapped: what was killed starts nothing twice."""
    with rerun_trial(testbed, flow, paths[:number]) as trial:
        trial.killed_while_waiting()
        assert trial.counts == (number, number)
        layers = trial.finished(trial.rerun(), once=REATTACHED, times=number)
        assert trial.counts == (number, number)
        assert len(set(layers)) == number
        assert set(trial.decisions()) == {"re-attached"}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sent", "intent"])
@side_by_side
def test_mapped_publishings_are_kept_apart_after_a_kill_in_between(testbed, paths, place):
    """Killed at the first of five mapped starts: in the end each was started once."""
    with rerun_trial(testbed, "rerun-map", paths) as trial:
        killed = ended(trial.first(kill=(place, "publish-file")))
        assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
        process = trial.rerun()
        layers = trial.finished(process)
        assert trial.counts == (5, 5)
        assert len(set(layers)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("persist", ["true", "false"])
@side_by_side
def test_it_does_not_matter_whether_results_are_persisted(testbed, paths, persist):
    """With Prefect's results persisted by default, and with no result persisted."""
    extra = {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": persist}
    name = f"serve-persist-{persist}"
    with (
        testbed.serving(name, ["rerun-map"], **extra) as log,
        rerun_trial(testbed, "rerun-map", paths[:2]) as trial,
    ):
        run = trial.run_deployment(log.stem)
        begun = testbed.note(trial.name, "begun")
        assert begun is not None, log.read_text()
        assert until(trial.is_waiting), log.read_text()
        os.kill(begun["pid"], signal.SIGKILL)
        testbed.final_state(run)
        testbed.schedule_rerun(run)
        layers = trial.completed(run, log)
        assert trial.counts == (2, 2)
        assert len(set(layers)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["rerun-direct", "rerun-async", "rerun-submit"])
@side_by_side
def test_an_eviction_that_reschedules_the_run_starts_nothing_twice(testbed, paths, flow):
    """SIGTERM to `prefect flow-run execute` that reschedules: the run goes on where it was."""
    extra = {"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}
    with rerun_trial(testbed, flow, paths[:1]) as trial:
        testbed.deploy_without_worker(f"nobody-{flow}", flow)
        run = trial.run_deployment("pooled")
        arguments = ("flow-run", "execute", run)
        first = testbed.start_prefect(f"first-{flow}", *arguments, **extra)
        assert until(trial.is_waiting), testbed.log_of(f"first-{flow}")
        first.send_signal(signal.SIGTERM)
        first.wait(HANGING)
        assert testbed.state_name(run) == "AwaitingRetry", testbed.log_of(f"first-{flow}")
        assert trial.geobox.aborts() == []
        second = testbed.start_prefect(f"second-{flow}", *arguments, **extra)
        trial.let_succeed(lambda: second.poll() is not None)
        assert testbed.state_name(run) == "Completed", testbed.log_of(f"second-{flow}")
        assert trial.counts == (1, 1)
        assert trial.decisions()[-1] in ("re-attached", "already finished")


@pytest.mark.slow
@side_by_side
def test_starts_in_doubt_side_by_side_are_not_mixed_up(testbed, paths):
    """Killed with two starts carried out and not answered: each finds its own layer."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-map", paths[:2]) as trial:
            trial.geobox.faults = on(always(hang().after()), method="POST", path="files/*/publish")
            process = trial.first()
            assert until(lambda: len(trial.geobox.states()) == 2), process.log.read_text()
            process.send(signal.SIGKILL)
            ended(process)
            trial.geobox.faults = None
            trial.geobox.finish_all()
            layers = trial.finished(trial.rerun())
            return trial.counts, trial.geobox.states(), len(set(layers)), trial.decisions()

    expected = (2, 2), ["SUCCESS", "SUCCESS"], 2, ["found after a crash"] * 2
    assert _side_by_side(one_trial, 4) == [expected] * 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@side_by_side
def test_a_crowd_killed_while_it_starts_starts_nothing_twice(testbed, paths, seed):
    """Fifty files side by side, killed while some are sent: each is uploaded and started once."""
    folder = testbed.folder / f"crowd-{seed}"
    folder.mkdir()
    crowd = [folder / f"file-{place}.geojson" for place in range(50)]
    for path in crowd:
        path.write_bytes(Path(paths[0]).read_bytes())
    with rerun_trial(testbed, "rerun-map", [str(path) for path in crowd]) as trial:
        process = trial.first()
        enough = random.Random(seed).randrange(5, 45)
        assert until(lambda: trial.geobox.posts("publish") >= enough), process.log.read_text()
        process.send(signal.SIGKILL)
        ended(process)
        # What is in doubt is told apart by its output, which is there in the end.
        trial.geobox.finish_all()
        layers = trial.finished(trial.rerun())
        assert len(set(layers)) == 50
        assert trial.counts == (50, 50)
        assert trial.geobox.states() == ["SUCCESS"] * 50


@pytest.mark.slow
@side_by_side
def test_what_two_processes_have_left_is_not_told_apart(testbed, paths):
    """Another process died of another start of the run: that is an error, and nothing is sent."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        ended(trial.first(kill=("sent", "publish-file")))
        mine = testbed.records(trial.run)[-1]
        assert mine.uuid is None
        theirs = replace(mine, id="theirs", slot="theirs-0")
        testbed.client.create_artifact(
            ArtifactCreate(
                type=RECORD_TYPE,
                data=segment_data("another process", [theirs]),
                flow_run_id=UUID(trial.run),
            )
        )
        process = ended(trial.rerun())
        assert trial.counts == (1, 1)
        assert process.exit_code == 1
        log = process.log.read_text()
        assert "AmbiguousSubmissionError" in log
        assert trial.geobox.uuids()[0] in log


@pytest.mark.slow
@pytest.mark.parametrize("number", [6])
@side_by_side
def test_two_processes_that_run_one_flow_run_start_once(testbed, paths, number):
    """Two workers that take up the same crashed flow run at once: one upload, one start."""

    def one_trial(place):
        with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
            killed = ended(trial.first(kill=("intent", "upload-file")))
            assert killed.exit_code == -signal.SIGKILL, killed.log.read_text()
            testbed.schedule_rerun(trial.run)
            both = [
                testbed.launcher.launch(do="rerun", flow=trial.flow, parameters={}, run=trial.run)
                for _ in range(2)
            ]
            trial.let_succeed(lambda: all(process.ended.is_set() for process in both))
            logs = [process.log.read_text() for process in both]
            return trial.counts, [process.exit_code for process in both], logs

    for counts, exit_codes, logs in _side_by_side(one_trial, number):
        assert counts == (1, 1), logs
        assert 0 in exit_codes, logs
