"""What every step and wait does besides its work: report, summarise, track."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from prefect.assets import Asset

from prefect_geobox.artifacts import (
    OutputFacts,
    StepSummary,
    gather_facts,
    leave_last_summary,
    leave_summary,
)
from prefect_geobox.cancellation import INTERRUPTIONS
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.errors import (
    GeoboxError,
    InvalidArgumentError,
    LostContactError,
    RemoteTaskError,
    TaskTimeoutError,
)
from prefect_geobox.client.models import OutputAsset, RemoteTask, TaskState
from prefect_geobox.client.outcomes import raise_for_failures
from prefect_geobox.client.policy import WaitPolicy
from prefect_geobox.client.waiting import Verdict, abort_all
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.execution import Execution
from prefect_geobox.lineage import emit_task_event, materialize
from prefect_geobox.owning import Decision, Step, start_once
from prefect_geobox.reporting import WaitReport, tell_late_end
from prefect_geobox.runs import run_logger


@contextmanager
def lease(credentials: GeoboxCredentials) -> Iterator[AsyncGeoboxClient]:
    """A client for the time of one step, for sync and async steps alike."""
    if not hasattr(credentials, "get_async_client"):
        raise InvalidArgumentError(
            "credentials must be a GeoboxCredentials block, given first; got an object of type "
            f"{type(credentials).__name__}"
        )
    client = credentials.get_async_client()
    try:
        yield client
    finally:
        client.close()


async def wait_and_report(
    execution: Execution,
    client: AsyncGeoboxClient,
    uuids: Sequence[str],
    policy: WaitPolicy,
    *,
    step: str,
    show_progress: bool,
    raise_on_failure: bool,
) -> list[RemoteTask]:
    """Waits for remote tasks as a task run of its own.

    Logs changes, keeps a progress artifact, leaves a summary, emits events.

    Args:
        execution: Blocking or awaiting.
        client: Reads.
        uuids: The remote tasks.
        policy: How to wait.
        step: The step's name with hyphens.
        show_progress: Whether to read and show the progress.
        raise_on_failure: Whether a remote task that did not succeed raises.
    """
    name = "wait-for" if step == "wait-for-task" else None
    report = WaitReport(execution, uuids, show_progress=show_progress, name=name)
    summary = StepSummary(step, f"Waited for {_how_many(uuids)}")
    try:
        tasks = await watch(execution, client, uuids, policy, report, show_progress=show_progress)
        if raise_on_failure:
            raise_for_failures(tasks)
    except GeoboxError as error:
        await leave_summary(
            execution, replace(summary, tasks=report.tasks, stats=report.stats, error=error)
        )
        raise
    except INTERRUPTIONS as error:
        await leave_last_summary(
            execution, replace(summary, tasks=report.tasks, stats=report.stats, error=error)
        )
        raise
    await leave_summary(execution, replace(summary, tasks=tasks, stats=report.stats))
    return tasks


async def watch(
    execution: Execution,
    client: AsyncGeoboxClient,
    uuids: Sequence[str],
    policy: WaitPolicy,
    report: WaitReport,
    *,
    show_progress: bool,
    began: float | None = None,
) -> list[RemoteTask]:
    """Waits, logs the one summary line and emits how it ended; leaves no artifact.

    Returns:
        The remote tasks in their final states, whether they succeeded or not.

    Raises:
        GeoboxError: The wait itself failed.
    """
    waiting = client.waiting(
        uuids, policy, with_progress=show_progress, raise_on_failure=False, began=began
    )
    host = client.settings.host
    ended: Sequence[RemoteTask] = ()
    try:
        ended = tasks = await execution.wait(waiting, report)
    except RemoteTaskError as error:
        await report.settle(error.tasks if isinstance(error, TaskTimeoutError) else [error.task])
        ended = [task for task in report.tasks if task.is_final]
        if isinstance(error, TaskTimeoutError):
            for task in error.tasks:
                emit_task_event("timed-out", task, host)
        elif isinstance(error, LostContactError):
            emit_task_event("contact-lost", error.task, host, {"seconds": error.seconds})
        raise
    except INTERRUPTIONS:
        report.conclude(waiting.given_up)
        ended = [task for task in report.tasks if task.is_final]
        raise
    finally:
        report.log_summary()
        for task in {task.uuid: task for task in ended}.values():
            output = f"{task.output.kind.value}/{task.output.uuid}" if task.output else None
            emit_task_event("finished", task, host, {"seconds": task.seconds, "output": output})
    return tasks


async def start_owned(
    execution: Execution, client: AsyncGeoboxClient, step: Step[Any]
) -> tuple[Any, Decision]:
    """Starts a remote task for the flow run, or finds the one that an earlier attempt started.

    Says which, in the log and as an event. A user's cancel or the end of a time limit in the
    meantime aborts it, where its step says so. What a function of the user's has made without
    leaving a remote task is an asset, and only returned.

    Args:
        execution: Blocking or awaiting.
        client: Sends and reads.
        step: What to start.
    """

    async def give_up(started: tuple[Any, Decision], verdict: Verdict) -> None:
        wanted = {"cancel": step.on_cancel, "timeout": step.on_timeout}
        if wanted.get(verdict) == "abort" and isinstance(started[0], RemoteTask):
            uuids = [started[0].uuid, *started[0].companions]
            for task in (await abort_all(client, uuids)).values():
                if task.state is not TaskState.ABORTED:
                    tell_late_end(task)

    task, decision = await execution.start(
        start_once(client, step, threading.current_thread()), give_up
    )
    if not isinstance(task, RemoteTask):
        return task, decision
    run_logger().info("Remote task %s (%s): %s", task.label, task.uuid, decision)
    payload = {"decision": str(decision)}
    if decision.is_reattached:
        emit_task_event("reattached", task, client.settings.host, payload)
    else:
        emit_task_event("submitted", task, client.settings.host, payload)
    return task, decision


async def show_output(
    execution: Execution,
    client: AsyncGeoboxClient,
    asset: OutputAsset,
    summary: StepSummary,
    sources: Iterable[Asset] = (),
) -> OutputFacts:
    """Shows an output on the run page and tracks it as an asset.

    Args:
        execution: Blocking or awaiting.
        client: Reads what there is to show.
        asset: The output.
        summary: What else the artifact says.
        sources: What the output was made from.
    """
    facts = await execution.call(gather_facts(client, asset))
    await leave_summary(execution, replace(summary, facts=facts))
    made_by = summary.tasks[0] if summary.tasks else None
    metadata = facts.metadata
    if made_by is not None:
        metadata |= {"remote_task": made_by.uuid, "remote_task_name": made_by.name}
        if made_by.seconds is not None:
            metadata["seconds"] = made_by.seconds
    materialize(asset, metadata, sources)
    run_logger().info("Output: %s", asset)
    return facts


def _how_many(uuids: Sequence[str]) -> str:
    return f"{len(uuids)} remote tasks" if len(uuids) != 1 else f"remote task {uuids[0]}"
