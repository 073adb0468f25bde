"""Remote Geobox tasks as steps of Prefect flows.

Example:
    ```python
    from prefect import flow
    from prefect_geobox import GeoboxCredentials, publish_file, upload_file

    @flow
    def publish(path: str, name: str):
        credentials = GeoboxCredentials.load("my-geobox")
        file = upload_file(credentials, path)
        return publish_file(credentials, file, name)
    ```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_geobox.cleanup import abort_remote_tasks
    from prefect_geobox.client import (
        AmbiguousSubmissionError,
        ApiRequestError,
        AssetKind,
        AsyncGeoboxClient,
        AuthenticationError,
        AuthorizationError,
        ConfigurationError,
        ConflictError,
        GeoboxClient,
        GeoboxConnectionError,
        GeoboxError,
        InvalidArgumentError,
        InvalidResponseError,
        LostContactError,
        NotFoundError,
        OutputAsset,
        RateLimitError,
        RemoteTask,
        ServerError,
        TaskAbortedError,
        TaskFailedError,
        TaskProgress,
        TaskState,
        TaskTimeoutError,
        ValidationError,
    )
    from prefect_geobox.credentials import GeoboxCredentials
    from prefect_geobox.steps import apublish_file, aupload_file, publish_file, upload_file
    from prefect_geobox.tasks import (
        aabort_task,
        abort_task,
        acount_tasks,
        aget_output_asset,
        aget_progress,
        aget_task,
        alist_tasks,
        await_for_task,
        await_for_tasks,
        count_tasks,
        get_output_asset,
        get_progress,
        get_task,
        list_tasks,
        wait_for_task,
        wait_for_tasks,
    )

_ROOMS = {
    "client": (
        "AmbiguousSubmissionError ApiRequestError AssetKind AsyncGeoboxClient AuthenticationError "
        "AuthorizationError ConfigurationError ConflictError GeoboxClient GeoboxConnectionError "
        "GeoboxError InvalidArgumentError InvalidResponseError LostContactError NotFoundError "
        "OutputAsset RateLimitError RemoteTask ServerError TaskAbortedError TaskFailedError "
        "TaskProgress TaskState TaskTimeoutError ValidationError"
    ),
    "cleanup": "abort_remote_tasks",
    "credentials": "GeoboxCredentials",
    "steps": "apublish_file aupload_file publish_file upload_file",
    "tasks": (
        "aabort_task abort_task acount_tasks aget_output_asset aget_progress aget_task "
        "alist_tasks await_for_task await_for_tasks count_tasks get_output_asset get_progress "
        "get_task list_tasks wait_for_task wait_for_tasks"
    ),
}

_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "AmbiguousSubmissionError",
    "ApiRequestError",
    "AssetKind",
    "AsyncGeoboxClient",
    "AuthenticationError",
    "AuthorizationError",
    "ConfigurationError",
    "ConflictError",
    "GeoboxClient",
    "GeoboxConnectionError",
    "GeoboxCredentials",
    "GeoboxError",
    "InvalidArgumentError",
    "InvalidResponseError",
    "LostContactError",
    "NotFoundError",
    "OutputAsset",
    "RateLimitError",
    "RemoteTask",
    "ServerError",
    "TaskAbortedError",
    "TaskFailedError",
    "TaskProgress",
    "TaskState",
    "TaskTimeoutError",
    "ValidationError",
    "aabort_task",
    "abort_remote_tasks",
    "abort_task",
    "acount_tasks",
    "aget_output_asset",
    "aget_progress",
    "aget_task",
    "alist_tasks",
    "apublish_file",
    "aupload_file",
    "await_for_task",
    "await_for_tasks",
    "count_tasks",
    "get_output_asset",
    "get_progress",
    "get_task",
    "list_tasks",
    "publish_file",
    "upload_file",
    "wait_for_task",
    "wait_for_tasks",
]


def __getattr__(name: str) -> Any:
    # Importing Prefect takes most of a second; the client alone does not need it.
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
