"""What the ends of waits come to: remote tasks, or errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_geobox.client.model.task_errors import (
    TaskAbortedError,
    TaskFailedError,
    TaskTimeoutError,
)
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.polling.policy import WaitPolicy


def all_final(outcomes: Sequence[RemoteTask | Exception], policy: WaitPolicy) -> list[RemoteTask]:
    """The tasks, unless a wait ended in an error: then that error, timeouts last and together.

    Args:
        outcomes: How each wait ended.
        policy: How they waited.

    Raises:
        GeoboxError: The first that is no timeout.
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


def raise_for_failures(tasks: Sequence[RemoteTask], asked: str = "") -> None:
    """Raises where remote tasks did not succeed.

    Args:
        tasks: In their final states.
        asked: What was asked for, for the message; empty where that is not known.

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
    told = f" Asked was: {asked}." if asked else ""
    if total > 1:
        lines = "".join(f"\n  {_failure_text(task)}" for task in failed)
        raise TaskFailedError(
            f"{len(failed)} of {total} remote tasks did not succeed:{lines}{told}",
            first,
            failed,
        )
    if first.state is TaskState.ABORTED:
        raise TaskAbortedError(
            f"Remote task {first.label} ({first.uuid}) was aborted. Start it anew if that was "
            f"not wanted.{told}",
            first,
        )
    raise TaskFailedError(
        f"Remote task {_failure_text(first)}. Change what the server names, and start it anew."
        f"{told}",
        first,
    )


def _failure_text(task: RemoteTask) -> str:
    if task.state is TaskState.ABORTED:
        return f"{task.label} ({task.uuid}) was aborted"
    return f"{task.label} ({task.uuid}) failed: {task.reason or 'the server gave no reason'}"


def after_abort(error: TaskTimeoutError, ended: RemoteTask | None) -> RemoteTask | Exception:
    """What a wait comes to whose remote task was to be aborted once its time was up.

    Args:
        error: What it would have raised.
        ended: How the remote task ended; None where the abort failed.
    """
    if ended is None:
        return TaskTimeoutError(f"{error} It could not be aborted and may run on.", error.task)
    if ended.state is TaskState.ABORTED:
        return TaskTimeoutError(
            f"Remote task {ended.label} ({ended.uuid}) was not final when the time was up, and was "
            "aborted. Start it anew with a longer timeout.",
            ended,
        )
    # It had ended before the abort arrived: what it has come to counts.
    return ended
