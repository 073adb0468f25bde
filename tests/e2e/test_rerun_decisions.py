"""What a retry decides about a submission that it finds, and where it says so."""

from __future__ import annotations

import pytest

from prefect_geobox import GeoboxClient
from prefect_geobox.emulator.faults import always, on, status
from tests.kit.until import until

from .rerun_trial import ended, rerun_trial
from .testbed import side_by_side

SLOW_ASYNC = pytest.param("rerun-async", marks=pytest.mark.slow)


def _says(trial, process, decision):
    """The log, the artifact and the event of the last attempt all tell its decision."""
    assert f"): {decision}" in process.log.read_text()
    assert trial.decisions()[-1] == decision
    assert trial.event_decisions(decision)[-1] == decision
    return True


@side_by_side
def test_a_first_attempt_says_started(testbed, paths):
    """Nothing is recorded yet: fresh. The record then names step, remote task and account."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        process = trial.first()
        trial.finished(process)
        assert _says(trial, process, "started")
        records = {record.data["step"]: record for record in testbed.records(trial.run)}
        assert set(records) == {"upload-file", "publish-file"}
        assert records["publish-file"].uuid == trial.geobox.uuids()[0]
        assert trial.geobox.apikey not in str(records)


@pytest.mark.slow
@side_by_side
def test_a_retry_says_re_attached(testbed, paths):
    """The remote task runs on: re-attached."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        trial.killed_while_waiting()
        process = trial.rerun()
        trial.finished(process, once="): re-attached")
        assert _says(trial, process, "re-attached")
        assert trial.counts == (1, 1)


@side_by_side
def test_a_retry_says_already_finished(testbed, paths):
    """The remote task has succeeded in the meantime: its layer is returned at once."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        trial.killed_while_waiting()
        trial.geobox.finish_all()
        assert until(lambda: trial.geobox.states() == ["SUCCESS"])
        process = trial.rerun()
        trial.finished(process)
        assert _says(trial, process, "already finished")
        assert trial.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_says_found_after_a_crash(testbed, paths):
    """Only the intent was recorded, and the remote task is there: it is adopted."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        ended(trial.first(kill=("sent", "publish-file")))
        process = trial.rerun()
        trial.finished(process)
        assert _says(trial, process, "found after a crash")
        assert trial.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_fails_where_its_remote_task_is_gone(testbed, paths):
    """A remote task that is gone is an error by default, and nothing is started."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        trial.killed_while_waiting()
        trial.geobox.remove(trial.geobox.uuids()[0])
        process = ended(trial.rerun())
        assert process.exit_code == 1
        assert testbed.final_state(trial.run) == "Failed"
        log = process.log.read_text()
        assert "NotFoundError" in log
        assert "resubmit" in log, "the message does not say what to do next"
        assert trial.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_starts_again_what_is_gone_where_that_is_allowed(testbed, paths):
    """With `on_gone="resubmit"` it is started a second time."""
    publish = {"on_gone": "resubmit"}
    with rerun_trial(testbed, "rerun-direct", paths[:1], publish=publish) as trial:
        trial.killed_while_waiting()
        trial.geobox.remove(trial.geobox.uuids()[0])
        process = trial.rerun()
        trial.finished(process)
        assert _says(trial, process, "gone, started again")
        assert trial.counts == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["FAILURE", "ABORTED"])
@side_by_side
def test_a_retry_starts_again_what_has_failed(testbed, paths, how):
    """A remote task that failed or was aborted in the meantime is not waited for again."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        trial.killed_while_waiting()
        uuid = trial.geobox.uuids()[0]
        if how == "FAILURE":
            trial.geobox.fail(uuid)
        else:
            with GeoboxClient(trial.geobox.url, apikey=trial.geobox.apikey) as client:
                client.abort_task(uuid)
        process = trial.rerun()
        trial.finished(process)
        assert _says(trial, process, "failed before, started again")
        assert trial.counts == (1, 2)
        assert trial.geobox.states() == [how, "SUCCESS"]


@pytest.mark.parametrize(
    "flow", ["rerun-direct", pytest.param("rerun-async", marks=pytest.mark.slow)]
)
@side_by_side
def test_a_task_retry_starts_again_what_has_failed(testbed, paths, flow):
    """With `retries=1` a publishing that fails remotely is started a second time."""
    with rerun_trial(testbed, flow, paths[:1], retries=1) as trial:
        process = trial.first()
        assert until(trial.is_waiting), process.log.read_text()
        trial.geobox.fail(trial.geobox.uuids()[0])
        trial.finished(process)
        assert _says(trial, process, "failed before, started again")
        assert trial.counts == (1, 2)


@pytest.mark.parametrize(
    "flow", ["rerun-async", pytest.param("rerun-direct", marks=pytest.mark.slow)]
)
@side_by_side
def test_a_task_retry_re_attaches_where_contact_was_lost(testbed, paths, flow):
    """With `retries=1` a publishing whose wait loses contact is waited for again."""
    with rerun_trial(testbed, flow, paths[:1], retries=1, publish={"retry": 2}) as trial:
        process = trial.first()
        assert until(trial.is_waiting), process.log.read_text()
        trial.geobox.faults = on(always(status(503)), path="tasks/*")
        assert until(lambda: "LostContactError" in process.log.read_text())
        trial.geobox.faults = None
        trial.finished(process)
        assert trial.decisions()[0] == "started"
        assert _says(trial, process, trial.decisions()[-1])
        assert trial.decisions()[-1] in ("re-attached", "already finished")
        assert trial.counts == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["rerun-direct", "rerun-async", "rerun-submit", "rerun-subflow"])
@side_by_side
def test_a_flow_retry_in_one_process_starts_nothing_twice(testbed, paths, flow):
    """With `retries=1` of the flow, what was published before something else failed stays."""
    with rerun_trial(testbed, flow, paths[:2], fails_once=True) as trial:
        process = trial.first(retries=1)
        trial.finished(process)
        assert trial.counts == (2, 2)
        log = process.log.read_text()
        assert log.count("): started\n") == 2, log
        assert log.count("): already finished\n") == 2, log


@pytest.mark.slow
@side_by_side
def test_a_flow_retry_in_one_process_starts_again_what_has_failed(testbed, paths):
    """With `retries=1` of the flow, a publishing that fails remotely is started again."""
    with rerun_trial(testbed, "rerun-direct", paths[:1]) as trial:
        process = trial.first(retries=1)
        assert until(trial.is_waiting), process.log.read_text()
        trial.geobox.fail(trial.geobox.uuids()[0])
        trial.finished(process)
        assert trial.counts == (1, 2)


@side_by_side
def test_equal_inputs_are_two_submissions_and_stay_apart(testbed, paths):
    """Two uploads of one file in one run are two files, in the retry too: the same two."""
    with rerun_trial(testbed, "rerun-uploads", [paths[0], paths[0]]) as trial:
        trial.killed_while_waiting()
        assert trial.counts == (2, 1)
        before = {r.slot: r.uuid for r in testbed.records(trial.run)}
        trial.finished(trial.rerun())
        assert trial.counts == (2, 1)
        assert {r.slot: r.uuid for r in testbed.records(trial.run)} == before
        told = testbed.note(trial.name, "files")
        assert told is not None
        first, second = told["files"]
        assert first != second
        uploads = [r for r in testbed.records(trial.run) if r.data["step"] == "upload-file"]
        assert [record.uuid for record in uploads] == [first, second]
        slots = [record.slot.rpartition("-") for record in uploads]
        assert slots[0][0] == slots[1][0]
        assert [number for _, _, number in slots] == ["0", "1"]


@pytest.mark.slow
@side_by_side
def test_changed_inputs_are_another_submission(testbed, paths):
    """A retry that publishes under another name starts that, and uploads nothing again."""
    names = testbed.folder / "name.txt"
    names.write_text("before")
    with rerun_trial(testbed, "rerun-direct", paths[:1], names_from=str(names)) as trial:
        trial.killed_while_waiting()
        names.write_text("after")
        process = trial.rerun()
        trial.finished(process)
        assert trial.counts == (1, 2)
        assert trial.decisions()[-1] == "started"
        assert not trial.geobox.aborts()
