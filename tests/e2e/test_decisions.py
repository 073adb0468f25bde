"""What a retry decides about a submission that it finds, and where it says so."""

from __future__ import annotations

import pytest

from prefect_geobox import GeoboxClient
from prefect_geobox.emulator.faults import always, on, status

from .attempts import attempts, ended
from .lab import side_by_side, until

SLOW_ASYNC = pytest.param("again-async", marks=pytest.mark.slow)


def _says(tried, process, decision):
    """The log, the artifact and the event of the last attempt all tell its decision."""
    assert f"): {decision}" in process.log.read_text()
    assert tried.decisions()[-1] == decision
    assert tried.event_decisions(decision)[-1] == decision
    return True


@side_by_side
def test_a_first_attempt_says_started(lab, paths):
    """Nothing is recorded yet: fresh. The record then names step, remote task and account."""
    with attempts(lab, "again-direct", paths[:1], seconds=0.5) as tried:
        process = tried.first()
        tried.finished(process)
        assert _says(tried, process, "started")
        records = {record.data["step"]: record.data for record in lab.records(tried.run)}
        assert set(records) == {"upload-file", "publish-file"}
        assert records["publish-file"]["uuid"] == tried.geobox.uuids()[0]
        assert tried.geobox.apikey not in str(records)


@pytest.mark.slow
@side_by_side
def test_a_retry_says_re_attached(lab, paths):
    """The remote task runs on: re-attached."""
    with attempts(lab, "again-direct", paths[:1], seconds=8) as tried:
        tried.killed_while_waiting()
        process = tried.again()
        tried.finished(process)
        assert _says(tried, process, "re-attached")
        assert tried.counts == (1, 1)


@side_by_side
def test_a_retry_says_already_finished(lab, paths):
    """The remote task has succeeded in the meantime: its layer is returned at once."""
    with attempts(lab, "again-direct", paths[:1], seconds=2) as tried:
        tried.killed_while_waiting()
        assert until(lambda: tried.geobox.states() == ["SUCCESS"], 10)
        process = tried.again()
        tried.finished(process)
        assert _says(tried, process, "already finished")
        assert tried.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_says_found_after_a_crash(lab, paths):
    """Only the intent was recorded, and the remote task is there: it is adopted."""
    with attempts(lab, "again-direct", paths[:1]) as tried:
        ended(tried.first(kill=("sent", "publish-file")))
        process = tried.again()
        tried.finished(process)
        assert _says(tried, process, "found after a crash")
        assert tried.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_fails_where_its_remote_task_is_gone(lab, paths):
    """The remote task is no longer there: by default that is an error, and nothing is started."""
    with attempts(lab, "again-direct", paths[:1]) as tried:
        tried.killed_while_waiting()
        tried.geobox.remove(tried.geobox.uuids()[0])
        process = ended(tried.again())
        assert process.exit_code == 1
        assert lab.final_state(tried.run) == "Failed"
        log = process.log.read_text()
        assert "NotFoundError" in log
        assert "resubmit" in log, "the message does not say what to do next"
        assert tried.counts == (1, 1)


@pytest.mark.slow
@side_by_side
def test_a_retry_starts_again_what_is_gone_where_that_is_allowed(lab, paths):
    """With `on_gone="resubmit"` it is started a second time."""
    publish = {"on_gone": "resubmit"}
    with attempts(lab, "again-direct", paths[:1], publish=publish) as tried:
        tried.killed_while_waiting()
        tried.geobox.remove(tried.geobox.uuids()[0])
        process = tried.again()
        tried.finished(process)
        assert _says(tried, process, "gone, started again")
        assert tried.counts == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["FAILURE", "ABORTED"])
@side_by_side
def test_a_retry_starts_again_what_has_failed(lab, paths, how):
    """A remote task that failed or was aborted in the meantime is not waited for again."""
    with attempts(lab, "again-direct", paths[:1]) as tried:
        tried.killed_while_waiting()
        uuid = tried.geobox.uuids()[0]
        if how == "FAILURE":
            tried.geobox.fail(uuid)
        else:
            with GeoboxClient(tried.geobox.url, apikey=tried.geobox.apikey) as client:
                client.abort_task(uuid)
        process = tried.again()
        tried.finished(process)
        assert _says(tried, process, "failed before, started again")
        assert tried.counts == (1, 2)
        assert tried.geobox.states() == [how, "SUCCESS"]


@pytest.mark.parametrize(
    "flow", ["again-direct", pytest.param("again-async", marks=pytest.mark.slow)]
)
@side_by_side
def test_a_task_retry_starts_again_what_has_failed(lab, paths, flow):
    """With `retries=1` a publishing that fails remotely is started a second time."""
    with attempts(lab, flow, paths[:1], retries=1) as tried:
        process = tried.first()
        assert until(tried.is_waiting, 60), process.log.read_text()
        tried.geobox.fail(tried.geobox.uuids()[0])
        tried.finished(process)
        assert _says(tried, process, "failed before, started again")
        assert tried.counts == (1, 2)


@pytest.mark.parametrize(
    "flow", ["again-async", pytest.param("again-direct", marks=pytest.mark.slow)]
)
@side_by_side
def test_a_task_retry_re_attaches_where_contact_was_lost(lab, paths, flow):
    """With `retries=1` a publishing whose wait loses contact is waited for again."""
    with attempts(lab, flow, paths[:1], retries=1, publish={"retry": 2}) as tried:
        process = tried.first()
        assert until(tried.is_waiting, 60), process.log.read_text()
        tried.geobox.faults = on(always(status(503)), path="tasks/*")
        assert until(lambda: "LostContactError" in process.log.read_text(), 30)
        tried.geobox.faults = None
        tried.finished(process)
        assert tried.decisions()[0] == "started"
        assert _says(tried, process, tried.decisions()[-1])
        assert tried.decisions()[-1] in ("re-attached", "already finished")
        assert tried.counts == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["again-direct", "again-async", "again-submit", "again-subflow"])
@side_by_side
def test_a_flow_retry_in_one_process_starts_nothing_twice(lab, paths, flow):
    """With `retries=1` of the flow, what was published before something else failed stays."""
    with attempts(lab, flow, paths[:2], seconds=0.5, fails_once=True) as tried:
        process = tried.first(retries=1)
        tried.finished(process)
        assert tried.counts == (2, 2)
        log = process.log.read_text()
        assert log.count("): started\n") == 2, log
        assert log.count("): already finished\n") == 2, log


@pytest.mark.slow
@side_by_side
def test_a_flow_retry_in_one_process_starts_again_what_has_failed(lab, paths):
    """With `retries=1` of the flow, a publishing that fails remotely is started again."""
    with attempts(lab, "again-direct", paths[:1]) as tried:
        process = tried.first(retries=1)
        assert until(tried.is_waiting, 60), process.log.read_text()
        tried.geobox.fail(tried.geobox.uuids()[0])
        tried.finished(process)
        assert tried.counts == (1, 2)


@side_by_side
def test_equal_inputs_are_two_submissions_and_stay_apart(lab, paths):
    """Two uploads of one file in one run are two files, in the retry too: the same two."""
    with attempts(lab, "again-uploads", [paths[0], paths[0]]) as tried:
        tried.killed_while_waiting()
        assert tried.counts == (2, 1)
        before = {r.data["slot"]: r.data["uuid"] for r in lab.records(tried.run)}
        tried.finished(tried.again())
        assert tried.counts == (2, 1)
        assert {r.data["slot"]: r.data["uuid"] for r in lab.records(tried.run)} == before
        told = lab.note(tried.name, "files", 5)
        assert told is not None
        first, second = told["files"]
        assert first != second
        uploads = [r.data for r in lab.records(tried.run) if r.data["step"] == "upload-file"]
        assert [record["uuid"] for record in uploads] == [first, second]
        slots = [record["slot"].rpartition("-") for record in uploads]
        assert slots[0][0] == slots[1][0]
        assert [number for _, _, number in slots] == ["0", "1"]


@pytest.mark.slow
@side_by_side
def test_changed_inputs_are_another_submission(lab, paths):
    """A retry that publishes under another name starts that, and uploads nothing again."""
    names = lab.folder / "name.txt"
    names.write_text("before")
    with attempts(lab, "again-direct", paths[:1], names_from=str(names)) as tried:
        tried.killed_while_waiting()
        names.write_text("after")
        process = tried.again()
        tried.finished(process)
        assert tried.counts == (1, 2)
        assert tried.decisions()[-1] == "started"
        assert not tried.geobox.aborts()
