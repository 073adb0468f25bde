"""What the steps of a flow run have left to write when it ends."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from prefect_geobox.ownership.prefect_api import _clients, account_key, prefect_client
from prefect_geobox.reporting.steps_table import StepRow, table_markdown
from prefect_geobox.reporting.summary_queue import SummaryQueue
from prefect_geobox.tasks._run_end import show_geobox_steps, write_at_run_end
from tests.kit.child_processes import run_python

LEFT_BEHIND = """
from uuid import uuid4
from prefect.client.schemas.actions import ArtifactCreate
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.ownership import submission_log
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_ledger import RunLedger
from prefect_geobox.ownership.submission_records import Record
from prefect_geobox.reporting.summary_queue import summary_queue

async def leave():
    for _ in range(3):
        run_id = uuid4()
        ledger = submission_log._ledgers[run_id] = RunLedger(run_id)
        ledger._prefect = await prefect_api()
        ledger.change(Record(uuid4().hex, "slot", "uuid", None, {}))
    await summary_queue().put(ArtifactCreate(key="a", type="markdown", data="a"))

io_thread().run(leave())
"""

pytestmark = pytest.mark.usefixtures("prefect_server")


def _kinds(a_flow):
    return [
        a_flow.on_completion_hooks,
        a_flow.on_failure_hooks,
        a_flow.on_cancellation_hooks,
        a_flow.on_crashed_hooks,
    ]


def test_a_copy_of_a_flow_with_hooks_of_its_own_waits_for_its_steps_too():
    """Each kind of hook has that of the steps first and once, whatever a copy has replaced."""
    ended = []

    @flow
    def original():
        write_at_run_end()
        write_at_run_end()

    def users(a_flow, run, state):
        ended.append(state.name)

    original()
    copy = original.with_options(on_failure=[users], on_crashed=[users])
    copy()

    assert [hooks.count(show_geobox_steps) for hooks in _kinds(original)] == [1, 1, 1, 1]
    assert [hooks.count(show_geobox_steps) for hooks in _kinds(copy)] == [1, 1, 1, 1]
    assert copy.on_failure_hooks == [show_geobox_steps, users]
    assert copy.on_crashed_hooks == [show_geobox_steps, users]


def _with_a_run(work):
    """Runs work with a client and a flow run; returns the artifacts of the run."""

    @flow
    def steps():
        """Does nothing."""

    async def main():
        async with get_client() as reader:
            run = await reader.create_flow_run(steps)
            queue = SummaryQueue()
            client = await prefect_client()
            try:
                await work(queue, client, run.id)
            finally:
                _clients.pop(account_key())
                await client.__aexit__(None, None, None)
            return await reader.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
            )

    return asyncio.run(main())


def _row(name):
    return StepRow("publish-file", name, "SUCCESS", output=str(uuid4()))


@pytest.mark.parametrize("is_table", [True, False])
def test_a_summary_whose_write_is_cancelled_is_written_at_the_end(is_table):
    """A flush that is cancelled in the middle of a request leaves what it wrote to the next."""

    async def work(queue, client, run_id):
        reached = asyncio.Event()

        async def hold(request):
            if request.url.path.endswith("/artifacts/"):
                reached.set()
                await asyncio.Event().wait()

        client._client.event_hooks["request"] = [hold]
        if is_table:
            await queue.put_row(run_id, _row("a"))
        else:
            artifact = ArtifactCreate(key="geobox-a", type="markdown", data="a", flow_run_id=run_id)
            await queue.put(artifact)
        flushing = asyncio.create_task(queue.flush())
        await asyncio.wait_for(reached.wait(), 60)
        for task in {flushing, queue._writer}:
            task.cancel()
        await asyncio.wait([flushing, queue._writer])
        client._client.event_hooks["request"] = []
        await queue.flush()

    assert len(_with_a_run(work)) == 1


def test_a_table_that_was_deleted_is_created_again():
    """The rows of all steps are on the page after someone has deleted their table."""

    async def work(queue, client, run_id):
        await queue.put_row(run_id, _row("first"))
        await queue.flush()
        await client.delete_artifact(queue._tables[run_id].artifact_id)
        await queue.put_row(run_id, _row("second"))
        await queue.flush()

    (table,) = _with_a_run(work)
    assert "first" in table.data
    assert "second" in table.data


def test_a_table_that_could_not_be_written_is_tried_again_at_the_end():
    """A refused write is repeated by the flush at the end of the run, which ends."""

    async def work(queue, client, run_id):
        await queue.put_row(run_id, _row("first"))

        async def spoil(request):
            if request.url.path.endswith("/artifacts/"):
                request.url = request.url.copy_with(path="/api/nowhere/")

        client._client.event_hooks["request"] = [spoil]
        await queue.flush()
        client._client.event_hooks["request"] = []
        await queue.flush()

    (table,) = _with_a_run(work)
    assert "first" in table.data


@pytest.mark.processes
def test_a_process_ends_without_a_traceback_while_the_server_is_away(monkeypatch):
    """Records and summaries that cannot be written any more keep no process from its end."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    done = run_python(LEFT_BEHIND)

    assert done.returncode == 0
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert "was destroyed" not in done.stderr


def test_a_base_url_breaks_neither_a_link_nor_a_row():
    """Signs of markdown in a URL are encoded; the row keeps its seven cells."""
    row = StepRow("publish-file", "a", "SUCCESS", output="u1", url="https://gis.ir/(a|b)/v1/u1/")

    line = table_markdown([row]).splitlines()[-1]

    assert line.count("|") == 8
    assert "[u1](https://gis.ir/%28a%7Cb%29/v1/u1/)" in line
