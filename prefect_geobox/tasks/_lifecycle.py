"""The lifecycle of every step and wait: submit, wait, report, return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from prefect.assets import Asset

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import GeoboxError
from prefect_geobox.client.model.task_errors import (
    LostContactError,
    RemoteTaskError,
    TaskTimeoutError,
)
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.operations import BoundOperation, Operation
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations.files import publishing_of_output
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.results import raise_for_failures
from prefect_geobox.client.polling.wait_call import InterruptionCause, abort_all
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.interruption import INTERRUPTIONS
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submit_once import (
    Decision,
    OwnedSubmission,
    OwnershipOptions,
    submit_once,
)
from prefect_geobox.reporting.assets import materialize, referenced_assets
from prefect_geobox.reporting.crowd import crowd_of_run
from prefect_geobox.reporting.events import emit_ends, emit_task_event
from prefect_geobox.reporting.left_out import left_out
from prefect_geobox.reporting.output_preview import OutputFacts, gather_facts
from prefect_geobox.reporting.summary import StepSummary, write_interrupted_summary, write_summary
from prefect_geobox.reporting.wait_report import WaitReport, log_ended_before_abort
from prefect_geobox.tasks._run_end import write_at_run_end
from prefect_geobox.tasks._signatures import checked_credentials

R = TypeVar("R")
T = TypeVar("T")


@contextmanager
def open_client(credentials: GeoboxCredentials) -> Iterator[AsyncGeoboxClient]:
    """Opens a client for one Prefect task; sync and async ones use the same."""
    client = checked_credentials(credentials).get_async_client()
    try:
        yield client
    finally:
        client.close()


@contextmanager
def open_step(credentials: GeoboxCredentials) -> Iterator[AsyncGeoboxClient]:
    """Opens a client for a step or a wait, which leaves a summary on the page of its run."""
    with open_client(credentials) as client:
        write_at_run_end()
        with crowd_of_run().step():
            yield client


async def submit_step(
    mode: RunMode, client: AsyncGeoboxClient, step: OwnedSubmission[Any]
) -> tuple[Any, Decision]:
    """Starts a remote task for the flow run, or finds the one that an earlier attempt started.

    Reports the decision in the log and as an event. If a user's cancel or a time limit interrupts
    the start, the remote task is aborted, subject to `on_cancel` and `on_timeout`. A function with
    the official SDK may have created an asset without a remote task: that is returned as it is.

    Args:
        mode: Blocking or awaiting.
        client: Sends and reads.
        step: What to submit.

    Returns:
        The remote task or asset, and what was decided.
    """

    async def abandon(started: tuple[Any, Decision], cause: InterruptionCause) -> None:
        actions = {"cancel": step.on_cancel, "timeout": step.on_timeout}
        if actions.get(cause) == "abort" and isinstance(started[0], RemoteTask):
            uuids = [started[0].uuid, *started[0].companions]
            for task in (await abort_all(client, uuids)).values():
                if task.state is not TaskState.ABORTED:
                    log_ended_before_abort(task)

    task, decision = await mode.start(
        submit_once(client, step, threading.current_thread()), abandon
    )
    if not isinstance(task, RemoteTask):
        return task, decision
    level = logging.INFO if decision.is_reattached else crowd_of_run().detail_level
    run_logger().log(level, "Remote task %s (%s): %s", task.label, task.uuid, decision)
    payload = {"decision": str(decision)}
    if decision.is_reattached:
        emit_task_event("reattached", task, client.settings.host, payload)
    else:
        emit_task_event("submitted", task, client.settings.host, payload)
    return task, decision


async def wait_until_final(
    mode: RunMode,
    client: AsyncGeoboxClient,
    uuids: Sequence[str],
    policy: WaitPolicy,
    report: WaitReport,
    *,
    show_progress: bool,
    began: float | None = None,
) -> list[RemoteTask]:
    """Waits, logs one summary line and emits an event for each end; writes no summary artifact.

    Args:
        mode: Blocking or awaiting.
        client: Reads.
        uuids: The remote tasks.
        policy: How to wait.
        report: Reports the updates.
        show_progress: Whether to read the progress.
        began: The moment of the client's clock from which the timeout counts; now by default.

    Returns:
        The remote tasks in their final states, whether they succeeded or not.

    Raises:
        GeoboxError: The wait itself failed.
    """
    wait_call = client.wait_call(
        uuids, policy, with_progress=show_progress, raise_on_failure=False, began=began
    )
    host = client.settings.host
    ended: Sequence[RemoteTask] = ()
    has_returned = False
    try:
        ended = tasks = await mode.wait(wait_call, report)
        has_returned = True
    except RemoteTaskError as error:
        await report.record_final(
            error.tasks if isinstance(error, TaskTimeoutError) else [error.task]
        )
        ended = [task for task in report.tasks if task.is_final]
        if isinstance(error, TaskTimeoutError):
            for task in error.tasks:
                emit_task_event("timed-out", task, host)
        elif isinstance(error, LostContactError):
            emit_task_event("contact-lost", error.task, host, {"seconds": error.seconds})
        raise
    except INTERRUPTIONS:
        report.record_aborted(wait_call.aborted)
        ended = [task for task in report.tasks if task.is_final]
        raise
    finally:
        report.log_summary()
        emit_ends(ended, host, is_behind=has_returned)
    return tasks


async def wait_for_remote_tasks(
    mode: RunMode,
    client: AsyncGeoboxClient,
    uuids: Sequence[str],
    policy: WaitPolicy,
    *,
    step: str,
    show_progress: bool,
    raise_on_failure: bool,
) -> list[RemoteTask]:
    """Waits for remote tasks in a task run of their own.

    Logs changes, updates a progress artifact, writes a summary, emits events.

    Args:
        mode: Blocking or awaiting.
        client: Reads.
        uuids: The remote tasks.
        policy: How to wait.
        step: The step's name with hyphens.
        show_progress: Whether to read and show the progress.
        raise_on_failure: Whether a remote task that did not succeed raises.
    """
    name = "wait-for" if step == "wait-for-task" else None
    report = WaitReport(mode, uuids, show_progress=show_progress, name=name)
    summary = StepSummary(step, f"Waited for {_how_many(uuids)}")
    try:
        tasks = await wait_until_final(
            mode, client, uuids, policy, report, show_progress=show_progress
        )
        if raise_on_failure:
            raise_for_failures(tasks)
    except (GeoboxError, *INTERRUPTIONS) as error:
        await _write_failed_summary(mode, summary, report, error)
        raise
    await write_summary(mode, replace(summary, tasks=tasks, stats=report.stats))
    return tasks


@dataclass(frozen=True)
class StepResult(Generic[T]):
    """The result of a step whose remote tasks have succeeded.

    Attributes:
        tasks: Its remote tasks, in their final states.
        outcome: What the step returns.
        summary: The content of its artifact, without the output.
    """

    tasks: list[RemoteTask]
    outcome: T
    summary: StepSummary


async def wait_for_step(
    mode: RunMode,
    client: AsyncGeoboxClient,
    started: RemoteTask,
    summary: StepSummary,
    policy: WaitPolicy,
    *,
    asked: str,
    show_progress: bool,
    began: float,
    outcome_of: Callable[[list[RemoteTask]], Coroutine[Any, Any, T]],
) -> StepResult[T]:
    """Waits for the remote tasks of a step; writes a summary artifact if they do not succeed.

    Args:
        mode: Blocking or awaiting.
        client: Reads.
        started: The remote task, with its companions.
        summary: The content of the artifact that is known before the wait.
        policy: How to wait.
        asked: The request, for the message of a failure.
        show_progress: Whether to read and show the progress.
        began: The moment of the client's clock from which the timeout counts.
        outcome_of: Reads the outcome of the remote tasks.
    """
    uuids = [started.uuid, *started.companions]
    report = WaitReport(mode, uuids, show_progress=show_progress)
    title = summary.title
    try:
        tasks = await wait_until_final(
            mode, client, uuids, policy, report, show_progress=show_progress, began=began
        )
        raise_for_failures(tasks, asked)
        outcome = await mode.call(outcome_of(tasks))
    except (GeoboxError, *INTERRUPTIONS) as error:
        failed = replace(
            summary, title=f"Could not {title[:1].lower()}{title[1:]}", tasks=[started]
        )
        await _write_failed_summary(mode, failed, report, error)
        raise
    return StepResult(tasks, outcome, replace(summary, tasks=tasks, stats=report.stats))


async def _write_failed_summary(
    mode: RunMode, summary: StepSummary, report: WaitReport, error: BaseException
) -> None:
    failed = replace(summary, tasks=report.tasks or summary.tasks, stats=report.stats, error=error)
    write = write_summary if isinstance(error, GeoboxError) else write_interrupted_summary
    await write(mode, failed)


async def show_output(
    mode: RunMode,
    client: AsyncGeoboxClient,
    asset: OutputAsset,
    summary: StepSummary,
    sources: Iterable[Asset] = (),
) -> OutputFacts:
    """Shows an output on the run page, and tracks it as an asset.

    Args:
        mode: Blocking or awaiting.
        client: Reads the facts about the output.
        asset: The output.
        summary: The other content of the artifact.
        sources: The inputs that the output was made from.
    """
    facts = await mode.call(gather_facts(client, asset, with_preview=not crowd_of_run().is_large))
    await write_summary(mode, replace(summary, facts=facts))
    made_by = summary.tasks[0] if summary.tasks else None
    metadata = facts.metadata
    if made_by is not None:
        metadata |= {"remote_task": made_by.uuid, "remote_task_name": made_by.name}
        if made_by.seconds is not None:
            metadata["seconds"] = made_by.seconds
    materialize(asset, metadata, sources)
    # An upload has a line of its own.
    is_detail = asset.kind is AssetKind.FILE
    level = crowd_of_run().detail_level if is_detail else logging.INFO
    run_logger().log(level, "Output: %s", asset)
    return facts


def _how_many(uuids: Sequence[str]) -> str:
    return f"{len(uuids)} remote tasks" if len(uuids) != 1 else f"remote task {uuids[0]}"


async def run_operation(
    mode: RunMode,
    credentials: GeoboxCredentials,
    bound: BoundOperation[R],
    ownership: OwnershipOptions,
    done: str,
) -> R:
    """Starts an operation for the flow run, waits for it, shows and returns its outcome.

    Args:
        mode: Blocking or awaiting.
        credentials: The account.
        bound: The operation.
        ownership: How the step owns the remote task.
        done: What was done to the output, as a participle.
    """
    request = bound.request()
    with open_step(credentials) as client:
        outcome, request = await _owned(mode, client, bound, request, ownership, done)
    # A second remote task, started once and owned like the first.
    publishing = publishing_of_output(bound, request, outcome)
    if publishing is not None:
        outcome = await run_operation(mode, credentials, publishing, ownership, "published")
    return cast("R", outcome)


async def _owned(
    mode: RunMode,
    client: AsyncGeoboxClient,
    bound: BoundOperation[Any],
    request: Request,
    ownership: OwnershipOptions,
    done: str,
) -> tuple[Any, Request]:
    operation, policy = bound.operation, bound.wait
    began = client.clock.monotonic()
    request = await mode.call(client.prepare(request))
    step: OwnedSubmission[RemoteTask] = OwnedSubmission(
        operation.slug,
        client.starting(request, notify=run_logger().warning),
        client.get_task,
        request.identity,
        on_cancel=policy.on_cancel,
        on_timeout=policy.on_timeout,
        creates_asset=operation.output == "asset",
        **ownership,
    )
    started, decision = await submit_step(mode, client, step)
    ended = await wait_for_step(
        mode,
        client,
        started,
        StepSummary(operation.slug, request.title, notes={"Remote task was": str(decision)}),
        policy,
        asked=request.description,
        show_progress=bound.progress_bar,
        began=began,
        outcome_of=lambda tasks: client.outcome(bound, request, tasks),
    )
    facts = await _show(mode, client, operation, request, ended.outcome, ended.summary)
    what = request.title
    if isinstance(ended.outcome, OutputAsset):
        what = f"{ended.outcome.name or ended.outcome.uuid} was {done}"
    for ended_task in ended.tasks:
        if reported := left_out(ended_task, facts.features if facts else None):
            run_logger().warning("%s, but not all of it: %s", what, reported)
    return ended.outcome, request


async def _show(
    mode: RunMode,
    client: AsyncGeoboxClient,
    operation: Operation[..., Any],
    request: Request,
    outcome: OutputAsset | RemoteTask | list[RemoteTask],
    summary: StepSummary,
) -> OutputFacts | None:
    sources = referenced_assets(client.settings, request.inputs.values())
    if isinstance(outcome, OutputAsset):
        return await show_output(mode, client, outcome, summary, sources)
    inputs = {ref.uuid for ref in request.inputs.values()}
    if isinstance(outcome, RemoteTask) and outcome.output and outcome.output.uuid not in inputs:
        made = await mode.call(client.get_output_asset(outcome))
        if made is not None:
            return await show_output(mode, client, made, summary, sources)
    await write_summary(mode, summary)
    if operation.output == "task" and sources:
        # What the step works on first is what it has changed.
        materialize(sources[0], {"remote_task": summary.tasks[0].uuid}, sources[1:])
    return None
