"""Prefect tasks for remote tasks that exist already: get, list, count, progress, output.

Each is a pair, `x` and `ax`. None is cached: the state of a remote task changes, and Prefect's
cache key would be the same for two accounts, since it masks their secrets.
"""

from __future__ import annotations

from typing_extensions import Unpack

from prefect_geobox.client.api.run_mode import RunMode, run_to_completion
from prefect_geobox.client.api.task_filters import COUNT_DEFAULTS, LIST_DEFAULTS, TaskFilters
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.model.validation import UuidLike
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.run_context import named_after_task, rename_task_run, run_logger
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.reporting.summary import StepSummary
from prefect_geobox.tasks._lifecycle import open_client, show_output
from prefect_geobox.tasks._signatures import checked_credentials
from prefect_geobox.tasks._step_task import step_task


def _get_name() -> str:
    return named_after_task("get")


def _progress_name() -> str:
    return named_after_task("progress-of")


def _output_name() -> str:
    return named_after_task("output-of")


@step_task(task_run_name=_get_name)
def get_task(credentials: GeoboxCredentials, task: UuidLike) -> RemoteTask:
    """Reads a remote task: `GET tasks/{uuid}/`.

    Args:
        credentials: The account.
        task: Its uuid, or an object with one.

    Raises:
        InvalidArgumentError: It is not a uuid; no request was sent.
        NotFoundError: There is no such remote task for this account.
        GeoboxError: The read failed.

    Example:
        ```python
        task = get_task(credentials, "12345678-1234-5678-1234-567812345678")
        print(task.state, task.seconds)
        ```
    """
    with checked_credentials(credentials).get_client() as client:
        found = client.get_task(task)
    rename_task_run(f"get-{found.label}")
    return found


@step_task(task_run_name=_get_name)
async def aget_task(credentials: GeoboxCredentials, task: UuidLike) -> RemoteTask:
    """Reads a remote task. Async twin of `get_task`."""
    async with checked_credentials(credentials).get_async_client() as client:
        found = await client.get_task(task)
    rename_task_run(f"get-{found.label}")
    return found


@step_task()
@flat_signature(TaskFilters, LIST_DEFAULTS)
def list_tasks(credentials: GeoboxCredentials, **filters: Unpack[TaskFilters]) -> list[RemoteTask]:
    """Lists remote tasks: `GET tasks/`.

    Args:
        credentials: The account.
        **filters: As in `TaskFilters`.

    Raises:
        InvalidArgumentError: A filter is invalid; no request was sent.
        GeoboxError: The read failed.

    Example:
        ```python
        newest = list_tasks(credentials, state="PROGRESS", order_by="accepted_at D", limit=5)
        ```
    """
    with checked_credentials(credentials).get_client() as client:
        return client.list_tasks(**filters)


@step_task()
@flat_signature(TaskFilters, LIST_DEFAULTS)
async def alist_tasks(
    credentials: GeoboxCredentials, **filters: Unpack[TaskFilters]
) -> list[RemoteTask]:
    """Lists remote tasks. Async twin of `list_tasks`."""
    async with checked_credentials(credentials).get_async_client() as client:
        return await client.list_tasks(**filters)


@step_task()
@flat_signature(TaskFilters, COUNT_DEFAULTS)
def count_tasks(credentials: GeoboxCredentials, **filters: Unpack[TaskFilters]) -> int:
    """Counts remote tasks: `GET tasks/?return_count=True`.

    Args:
        credentials: The account.
        **filters: As in `TaskFilters`.

    Raises:
        InvalidArgumentError: A filter is invalid; no request was sent.
        GeoboxError: The read failed.

    Example:
        ```python
        running = count_tasks(credentials, state="PROGRESS")
        ```
    """
    with checked_credentials(credentials).get_client() as client:
        return client.count_tasks(**filters)


@step_task()
@flat_signature(TaskFilters, COUNT_DEFAULTS)
async def acount_tasks(credentials: GeoboxCredentials, **filters: Unpack[TaskFilters]) -> int:
    """Counts remote tasks. Async twin of `count_tasks`."""
    async with checked_credentials(credentials).get_async_client() as client:
        return await client.count_tasks(**filters)


@step_task(task_run_name=_progress_name)
def get_progress(credentials: GeoboxCredentials, task: UuidLike) -> TaskProgress:
    """Reads the progress of a remote task: `GET tasks/{uuid}/status/`.

    Args:
        credentials: The account.
        task: Its uuid, or an object with one.

    Raises:
        InvalidArgumentError: It is not a uuid; no request was sent.
        GeoboxError: The read failed.

    Example:
        ```python
        print(get_progress(credentials, task).percent)
        ```
    """
    with checked_credentials(credentials).get_client() as client:
        return client.get_progress(task)


@step_task(task_run_name=_progress_name)
async def aget_progress(credentials: GeoboxCredentials, task: UuidLike) -> TaskProgress:
    """Reads the progress of a remote task. Async twin of `get_progress`."""
    async with checked_credentials(credentials).get_async_client() as client:
        return await client.get_progress(task)


@step_task(task_run_name=_output_name)
def get_output_asset(credentials: GeoboxCredentials, task: UuidLike) -> OutputAsset | None:
    """Reads the asset that a remote task made, and shows it as a Prefect asset and an artifact.

    Calls the asset's own endpoint, such as `GET vectorLayers/{uuid}/`, and reads the features of a
    vector layer for its map.

    Args:
        credentials: The account.
        task: Its uuid, or an object with one; a final `RemoteTask` is not read again.

    Returns:
        The asset, or None where the remote task's result names none.

    Raises:
        InvalidArgumentError: It is not a uuid; no request was sent.
        GeoboxError: The remote task or the asset could not be read.

    Example:
        ```python
        task = wait_for_task(credentials, uuid)
        layer = get_output_asset(credentials, task)
        ```
    """
    return run_to_completion(_get_output_asset(SYNC_MODE, credentials, task))


@step_task(task_run_name=_output_name)
async def aget_output_asset(credentials: GeoboxCredentials, task: UuidLike) -> OutputAsset | None:
    """Reads the asset that a remote task made. Async twin of `get_output_asset`."""
    return await _get_output_asset(ASYNC_MODE, credentials, task)


async def _get_output_asset(
    mode: RunMode, credentials: GeoboxCredentials, task: UuidLike
) -> OutputAsset | None:
    with open_client(credentials) as client:
        if isinstance(task, RemoteTask) and task.is_final:
            found = task
        else:
            found = await mode.call(client.get_task(task))
        rename_task_run(f"output-of-{found.label}")
        asset = await mode.call(client.get_output_asset(found))
        if asset is None:
            run_logger().info("Remote task %s (%s) names no output.", found.label, found.uuid)
            return None
        summary = StepSummary("get-output-asset", f"Output of {found.label}", [found])
        await show_output(mode, client, asset, summary)
    return asset
