"""The results of waits: remote tasks, or errors that say what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_geobox.client.model.errors import ApiRequestError, GeoboxError, InvalidResponseError
from prefect_geobox.client.model.task_errors import (
    LostContactError,
    TaskAbortedError,
    TaskFailedError,
    TaskTimeoutError,
)
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.polling.policy import WaitPolicy


def final_tasks(outcomes: Sequence[RemoteTask | Exception], policy: WaitPolicy) -> list[RemoteTask]:
    """The tasks, unless a wait ended in an error: then that error, timeouts last and together.

    Args:
        outcomes: The result of each wait.
        policy: How they waited.

    Raises:
        GeoboxError: The first that is not a timeout.
        TaskTimeoutError: Some were not final in time.
    """
    tasks = [outcome for outcome in outcomes if isinstance(outcome, RemoteTask)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    late = [error for error in errors if isinstance(error, TaskTimeoutError)]
    for error in errors:
        if not isinstance(error, TaskTimeoutError):
            raise error
    if len(late) == 1:
        raise late[0]
    if late:
        lines = "".join(f"\n  {error.task}" for error in late)
        raise TaskTimeoutError(
            f"{len(late)} of {len(outcomes)} remote tasks were not final when the timeout of "
            f"{policy.timeout:g} s ended:{lines}",
            late[0].task,
            [error.task for error in late],
        )
    return tasks


def raise_for_failures(tasks: Sequence[RemoteTask], request: str = "") -> None:
    """Raises where remote tasks did not succeed.

    Args:
        tasks: In their final states.
        request: The request that started them, for the message; empty where it is not known.

    Raises:
        TaskAbortedError: There is one remote task, and it was aborted.
        TaskFailedError: One or several failed.
    """
    unique = {task.uuid: task for task in tasks}
    total = len(unique)
    failed = [task for task in unique.values() if not task.succeeded]
    if not failed:
        return
    first = failed[0]
    request_text = f" Request: {request}." if request else ""
    if total > 1:
        lines = "".join(f"\n  {_failure_text(task)}" for task in failed)
        raise TaskFailedError(
            f"{len(failed)} of {total} remote tasks did not succeed:{lines}{request_text}",
            first,
            failed,
        )
    if first.state is TaskState.ABORTED:
        raise TaskAbortedError(
            f"Remote task {first.label} ({first.uuid}) was aborted. Start it again if that was "
            f"not intended.{request_text}",
            first,
        )
    raise TaskFailedError(
        f"Remote task {_failure_text(first)}. Fix the input and start it again.{request_text}",
        first,
    )


def _failure_text(task: RemoteTask) -> str:
    if task.state is TaskState.ABORTED:
        return f"{task.label} ({task.uuid}) was aborted"
    return f"{task.label} ({task.uuid}) failed: {task.reason or 'the server gave no reason'}"


def timeout_error(
    task: RemoteTask, timeout: float, last_failure: str | None, *, is_seen: bool
) -> TaskTimeoutError:
    """The error for a remote task that was not final when the timeout ended.

    Args:
        task: The remote task as last seen.
        timeout: Seconds from the call until the wait ended.
        last_failure: Why it could not be read at the end, if it could not.
        is_seen: Whether it could be read at all.
    """
    seen = f"was {task.state_text}" if is_seen else "could not be read"
    reason = f" The last failure: {last_failure}" if last_failure else ""
    return TaskTimeoutError(
        f"Remote task {task.label} ({task.uuid}) {seen} when the timeout of {timeout:g} s ended. "
        f"Wait for it again by its uuid, or with a longer timeout.{reason}",
        task,
    )


def lost_contact_error(
    task: RemoteTask, error: GeoboxError, seconds: float, host: str, *, is_seen: bool
) -> LostContactError:
    """The error for a remote task that could not be read for longer than the outage budget.

    Args:
        task: The remote task as last seen.
        error: The last failure.
        seconds: How long there was no contact.
        host: The host.
        is_seen: Whether it could be read at all.
    """
    has_answered = isinstance(error, (ApiRequestError, InvalidResponseError))
    trouble = "No usable answer from" if has_answered else "No contact with"
    last = f"last seen in state {task.state_text}" if is_seen else "not seen at all"
    return LostContactError(
        f"{trouble} {host} for {seconds:.0f} s while waiting for remote task "
        f"{task.label} ({task.uuid}), {last}. It was left alone and may still run: wait for "
        f"it again by its uuid. The last failure: {error}",
        task,
        seconds,
    )


def result_after_abort(error: TaskTimeoutError, ended: RemoteTask | None) -> RemoteTask | Exception:
    """The result of a wait that aborts its remote task when the timeout ends.

    Args:
        error: What it would have raised without the abort.
        ended: The remote task in its final state; None where the abort failed.
    """
    if ended is None:
        return TaskTimeoutError(f"{error} It could not be aborted and may still run.", error.task)
    if ended.state is TaskState.ABORTED:
        return TaskTimeoutError(
            f"Remote task {ended.label} ({ended.uuid}) was not final when the timeout ended, and "
            "was aborted. Start it again with a longer timeout.",
            ended,
        )
    # It had ended before the abort arrived: its own result counts.
    return ended
