"""The summary artifact of a step or a wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.client.model.errors import GeoboxError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.polling.subscription import WaitStats
from prefect_geobox.client.work_behind import work_behind
from prefect_geobox.ownership.interruption import flow_run_id
from prefect_geobox.ownership.run_context import is_in_run, run_logger
from prefect_geobox.reporting.artifact_writer import (
    artifact_of_run,
    create_markdown,
    create_markdown_on_exit,
)
from prefect_geobox.reporting.crowd import crowd_of_run
from prefect_geobox.reporting.left_out import left_out
from prefect_geobox.reporting.markdown import escaped, markdown_table
from prefect_geobox.reporting.output_preview import OutputFacts
from prefect_geobox.reporting.steps_table import StepRow
from prefect_geobox.reporting.summary_queue import summary_queue

_INTERRUPTED: Final = (
    'A cancel aborts remote tasks that are not final, unless on_cancel is "leave". Otherwise they '
    "continue: a retry of this run re-attaches to those that it has started, and any of them can "
    "be waited for again by its uuid."
)

#: Rows of the table of remote tasks at most.
_MAX_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class StepSummary:
    """The content of the artifact of one step or wait.

    Attributes:
        step: The step's name with hyphens, such as `publish-file`.
        title: The heading: what was done, such as `Publish roads`.
        tasks: The remote tasks, as last seen.
        stats: The cost of the wait.
        facts: The output.
        error: Why it did not succeed.
        notes: Further rows.
    """

    step: str
    title: str
    tasks: Sequence[RemoteTask] = ()
    stats: WaitStats | None = None
    facts: OutputFacts | None = None
    error: BaseException | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


async def write_summary(mode: RunMode, summary: StepSummary) -> None:
    """Has the markdown artifact of a step written, with the stable key `geobox-<step>`.

    In a flow run it is written behind the step, and where more than 20 steps end close together it
    is a row of their table instead. An error is logged and never fails the step.
    """
    if not is_in_run():
        return
    run_id = flow_run_id()
    if run_id is not None:
        _hand_over(run_id, summary)
        return
    try:
        await create_markdown(mode, *_content(summary))
    except Exception as error:  # noqa: BLE001 - a step does not fail because it cannot be shown
        run_logger().warning("The summary could not be saved: %s: %s", type(error).__name__, error)


async def write_interrupted_summary(mode: RunMode, summary: StepSummary) -> None:
    """Writes the artifact of an interrupted step, with what happens to its remote tasks."""
    message = f"Interrupted by {type(summary.error).__name__}. " + _INTERRUPTED
    run_id = flow_run_id()
    if run_id is not None and crowd_of_run().is_large:
        _hand_over(run_id, replace(summary, error=GeoboxError(message)))
        return
    try:
        await create_markdown_on_exit(mode, *_content(replace(summary, error=GeoboxError(message))))
    except Exception as error:  # noqa: BLE001 - the interruption matters more
        run_logger().warning("The summary could not be saved: %s", type(error).__name__)


def _hand_over(run_id: UUID, summary: StepSummary) -> None:
    is_row = crowd_of_run().is_large

    async def queue() -> None:
        if is_row:
            await summary_queue().put_row(run_id, _row(summary))
        else:
            key, markdown, description = _content(summary)
            await summary_queue().put(artifact_of_run("markdown", markdown, description, key))

    work_behind.leave(queue)


def _row(summary: StepSummary) -> StepRow:
    facts, tasks = summary.facts, summary.tasks
    asset = facts.asset if facts is not None else None
    states = {task.state_text: None for task in tasks}
    reasons = [left_out(task, facts.features if facts else None) for task in tasks]
    reason = next((text for text in reasons if text), "")
    if summary.error is not None:
        reason = str(summary.error).partition("\n")[0]
    ran = [task.seconds for task in tasks if task.seconds is not None]
    return StepRow(
        summary.step,
        name=(asset.name if asset is not None else None) or summary.title,
        state=", ".join(states) or ("DONE" if summary.error is None else "FAILED"),
        features=facts.features if facts is not None else None,
        seconds=max(ran, default=None),
        output=asset.uuid if asset is not None else "",
        url=asset.api_url if asset is not None else "",
        reason=reason,
        is_failed=summary.error is not None or any(not task.succeeded for task in tasks),
    )


def _content(summary: StepSummary) -> tuple[str, str, str]:
    """Key, markdown and description of the artifact."""
    return f"geobox-{summary.step}", summary_markdown(summary), f"Geobox: {summary.step}"


def summary_markdown(summary: StepSummary) -> str:
    """Returns the markdown of a summary. Text of the server is escaped."""
    parts = [f"### {escaped(summary.title)}"]
    if summary.error is not None:
        # The table below lists the remote tasks, as the rest of the message does.
        message = str(summary.error)
        if len(summary.tasks) > 1:
            message = message.partition("\n")[0]
        parts.append(f"**{escaped(printable(message, 2000))}**")
    if summary.facts and summary.facts.preview:
        parts.append(summary.facts.preview)
    if rows := _rows(summary):
        parts.append(markdown_table(rows[0], rows[1:]))
    if len(summary.tasks) > 1:
        parts.append(_task_table(summary.tasks))
    return "\n\n".join(parts)


def _rows(summary: StepSummary) -> list[tuple[str, str]]:
    rows = _output_rows(summary.facts) if summary.facts else []
    if len(summary.tasks) == 1:
        made = summary.facts.features if summary.facts else None
        rows += _task_rows(summary.tasks[0], made)
    if summary.stats:
        stats = summary.stats
        rows.append(
            ("Waited", f"{stats.waited:.1f} s, {stats.polls} polls, {stats.requests} requests")
        )
        if stats.failures:
            outage = f"{stats.outage_seconds:.1f} s without contact"
            rows.append(("Trouble", f"{stats.failures} failures, {outage}"))
    return rows + [(label, escaped(text)) for label, text in summary.notes.items()]


def _task_rows(task: RemoteTask, made: int | None) -> list[tuple[str, str]]:
    rows = [
        ("Remote task", f"{escaped(task.label)}, `{task.uuid}`"),
        ("State", escaped(printable(task.state_text))),
    ]
    for label, moment in (
        ("Accepted", task.accepted_at),
        ("Started", task.started_at),
        ("Finished", task.finished_at),
    ):
        if moment is not None:
            rows.append((label, moment.isoformat(sep=" ", timespec="seconds")))
    if task.seconds is not None:
        rows.append(("Ran", f"{task.seconds:.1f} s"))
    if reported := left_out(task, made):
        rows.append(("Reported", escaped(reported)))
    return rows


def _output_rows(facts: OutputFacts) -> list[tuple[str, str]]:
    asset = facts.asset
    rows = [
        ("Output", f"{asset.kind.value} **{escaped(asset.name or asset.uuid)}**, `{asset.uuid}`"),
        ("Asset", f"`{asset.asset_key}`"),
        ("API", f"<{asset.api_url}>"),
    ]
    if facts.features is not None:
        rows.append(("Features", f"{facts.features:,}"))
    if facts.geometry_type:
        rows.append(("Geometry", escaped(printable(facts.geometry_type, 40))))
    if facts.srid is not None:
        rows.append(("SRID", f"EPSG:{facts.srid}"))
    if facts.extent is not None:
        rows.append(("Extent", ", ".join(f"{value:.2f}" for value in facts.extent)))
    return rows


def _task_table(tasks: Sequence[RemoteTask]) -> str:
    rows = [
        (
            escaped(task.label),
            f"`{task.uuid}`",
            escaped(printable(task.state_text)),
            escaped(task.reason or ""),
        )
        for task in tasks[:_MAX_ROWS]
    ]
    table = markdown_table(("Remote task", "uuid", "State", "Reason"), rows)
    left_out = len(tasks) - _MAX_ROWS
    return f"{table}\n\n… and {left_out} more." if left_out > 0 else table
