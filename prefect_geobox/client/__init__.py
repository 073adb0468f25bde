"""The Geobox API, usable without Prefect.

Example:
    ```python
    from prefect_geobox.client import GeoboxClient

    with GeoboxClient(apikey="…") as client:
        for task in client.list_tasks(state="PROGRESS"):
            print(task)
    ```
"""

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.errors import (
    AmbiguousSubmissionError,
    ApiRequestError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    GeoboxConnectionError,
    GeoboxError,
    InvalidArgumentError,
    InvalidResponseError,
    LostContactError,
    NameLookupError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TaskAbortedError,
    TaskFailedError,
    TaskTimeoutError,
    ValidationError,
)
from prefect_geobox.client.models import (
    AssetKind,
    OutputAsset,
    RemoteTask,
    TaskOutput,
    TaskProgress,
    TaskState,
)
from prefect_geobox.client.policy import RetryPolicy
from prefect_geobox.client.references import ByName, by_name
from prefect_geobox.client.sync_client import GeoboxClient
from prefect_geobox.client.watch import WaitStats, WaitUpdate

__all__ = [
    "AmbiguousSubmissionError",
    "ApiRequestError",
    "AssetKind",
    "AsyncGeoboxClient",
    "AuthenticationError",
    "AuthorizationError",
    "ByName",
    "ConfigurationError",
    "ConflictError",
    "GeoboxClient",
    "GeoboxConnectionError",
    "GeoboxError",
    "InvalidArgumentError",
    "InvalidResponseError",
    "LostContactError",
    "NameLookupError",
    "NotFoundError",
    "OutputAsset",
    "RateLimitError",
    "RemoteTask",
    "RetryPolicy",
    "ServerError",
    "TaskAbortedError",
    "TaskFailedError",
    "TaskOutput",
    "TaskProgress",
    "TaskState",
    "TaskTimeoutError",
    "ValidationError",
    "WaitStats",
    "WaitUpdate",
    "by_name",
]
