"""Prefect tasks that wait for remote tasks, or abort them."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Unpack

from prefect_geobox.client.api.run_mode import RunMode, run_to_completion
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import UuidLike, checked_uuid, checked_uuids
from prefect_geobox.client.polling.policy import WAIT_DEFAULTS, WaitOptions, WaitPolicy
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.run_context import (
    named_after_task,
    parameter,
    rename_task_run,
    run_logger,
)
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.reporting.events import emit_task_event
from prefect_geobox.tasks._lifecycle import open_client, open_step, wait_for_remote_tasks
from prefect_geobox.tasks._step_task import step_task


def _wait_name() -> str:
    return named_after_task("wait-for")


def _wait_all_name() -> str:
    given = parameter("tasks")
    return f"wait-for-{len(given) if isinstance(given, (list, tuple)) else 'several'}-tasks"


def _abort_name() -> str:
    return named_after_task("abort")


@step_task(task_run_name=_wait_name)
@flat_signature(WaitOptions, WAIT_DEFAULTS)
def wait_for_task(
    credentials: GeoboxCredentials,
    task: UuidLike,
    *,
    raise_on_failure: bool = True,
    **options: Unpack[WaitOptions],
) -> RemoteTask:
    """Waits until a remote task has ended.

    Calls `GET tasks/{uuid}/` and, for the progress, `GET tasks/{uuid}/status/`. Polls at once, then
    after `max(interval, 10 % of the time waited)` seconds, at most `max_interval`, and a last time
    when the timeout ends.

    Args:
        credentials: The account.
        task: Its uuid, or an object with one.
        raise_on_failure: Whether a remote task that did not succeed raises.
        **options: As in `WaitOptions`.

    Raises:
        InvalidArgumentError: An argument is invalid; no request was sent.
        TaskFailedError: It ended in FAILURE.
        TaskAbortedError: It was aborted.
        TaskTimeoutError: The timeout ended.
        LostContactError: The server could not be read for longer than `outage`.
        GeoboxError: A read failed for good.

    Example:
        ```python
        @flow
        def after_the_import(uuid: str):
            credentials = GeoboxCredentials.load("my-geobox")
            task = wait_for_task(credentials, uuid, timeout=3600)
            return get_output_asset(credentials, task)
        ```
    """
    uuids = [checked_uuid("task", task)]
    return run_to_completion(
        _wait(SYNC_MODE, credentials, uuids, raise_on_failure, options, "wait-for-task")
    )[0]


@step_task(task_run_name=_wait_name)
@flat_signature(WaitOptions, WAIT_DEFAULTS)
async def await_for_task(
    credentials: GeoboxCredentials,
    task: UuidLike,
    *,
    raise_on_failure: bool = True,
    **options: Unpack[WaitOptions],
) -> RemoteTask:
    """Waits until a remote task has ended. Async twin of `wait_for_task`."""
    uuids = [checked_uuid("task", task)]
    ended = await _wait(ASYNC_MODE, credentials, uuids, raise_on_failure, options, "wait-for-task")
    return ended[0]


@step_task(task_run_name=_wait_all_name)
@flat_signature(WaitOptions, WAIT_DEFAULTS)
def wait_for_tasks(
    credentials: GeoboxCredentials,
    tasks: Sequence[UuidLike],
    *,
    raise_on_failure: bool = True,
    **options: Unpack[WaitOptions],
) -> list[RemoteTask]:
    """Waits until several remote tasks have all ended.

    Args:
        credentials: The account.
        tasks: Their uuids, or objects with one.
        raise_on_failure: Whether remote tasks that did not succeed raise.
        **options: As in `WaitOptions`.

    Returns:
        The remote tasks in the order in which they were given.

    Raises:
        TaskFailedError: After all have ended: those that did not succeed, in `.tasks`.
        GeoboxError: As `wait_for_task`.

    Example:
        ```python
        tasks = wait_for_tasks(credentials, uuids, timeout=3600, raise_on_failure=False)
        ```
    """
    uuids = checked_uuids("tasks", tasks)
    return run_to_completion(
        _wait(SYNC_MODE, credentials, uuids, raise_on_failure, options, "wait-for-tasks")
    )


@step_task(task_run_name=_wait_all_name)
@flat_signature(WaitOptions, WAIT_DEFAULTS)
async def await_for_tasks(
    credentials: GeoboxCredentials,
    tasks: Sequence[UuidLike],
    *,
    raise_on_failure: bool = True,
    **options: Unpack[WaitOptions],
) -> list[RemoteTask]:
    """Waits until several remote tasks have all ended. Async twin of `wait_for_tasks`."""
    uuids = checked_uuids("tasks", tasks)
    return await _wait(ASYNC_MODE, credentials, uuids, raise_on_failure, options, "wait-for-tasks")


async def _wait(
    mode: RunMode,
    credentials: GeoboxCredentials,
    uuids: Sequence[str],
    raise_on_failure: bool,
    options: WaitOptions,
    step: str,
) -> list[RemoteTask]:
    policy = WaitPolicy.of(**options)
    with open_step(credentials) as client:
        return await wait_for_remote_tasks(
            mode,
            client,
            uuids,
            policy,
            step=step,
            show_progress=options.get("progress_bar", True),
            raise_on_failure=raise_on_failure,
        )


@step_task(task_run_name=_abort_name)
def abort_task(
    credentials: GeoboxCredentials, task: UuidLike, *, confirm: float = 30.0
) -> RemoteTask:
    """Aborts a remote task and reads it until it has ended: `POST tasks/{uuid}/abort/`.

    It may have ended in another way by then; that state is returned. Safe to repeat.

    Args:
        credentials: The account.
        task: Its uuid, or an object with one.
        confirm: Seconds to wait for the end; above 0.

    Raises:
        InvalidArgumentError: An argument is invalid; no request was sent.
        TaskTimeoutError: It had not ended after `confirm` seconds.
        GeoboxError: The abort or the read failed.

    Example:
        ```python
        for task in list_tasks(credentials, state="PENDING"):
            abort_task(credentials, task)
        ```
    """
    return run_to_completion(_abort(SYNC_MODE, credentials, task, confirm))


@step_task(task_run_name=_abort_name)
async def aabort_task(
    credentials: GeoboxCredentials, task: UuidLike, *, confirm: float = 30.0
) -> RemoteTask:
    """Aborts a remote task and confirms it. Async twin of `abort_task`."""
    return await _abort(ASYNC_MODE, credentials, task, confirm)


async def _abort(
    mode: RunMode, credentials: GeoboxCredentials, task: UuidLike, confirm: float
) -> RemoteTask:
    known = task if isinstance(task, RemoteTask) else RemoteTask.unseen(checked_uuid("task", task))
    with open_client(credentials) as client:
        emit_task_event("abort-requested", known, client.settings.host)
        ended = await mode.call(client.abort_task(task, confirm=confirm))
    rename_task_run(f"abort-{ended.label}")
    run_logger().info("Remote task %s (%s) ended: %s", ended.label, ended.uuid, ended.state_text)
    return ended
