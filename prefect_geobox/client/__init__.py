"""The Geobox API, usable without Prefect.

Example:
    ```python
    from prefect_geobox.client import GeoboxClient

    with GeoboxClient(apikey="…") as client:
        for task in client.list_tasks(state="PROGRESS"):
            print(task)
    ```
"""

from prefect_geobox.client.async_client import (
    AsyncGeoboxClient as AsyncGeoboxClient,
)
from prefect_geobox.client.http.retry import (
    RetryPolicy as RetryPolicy,
)
from prefect_geobox.client.model.assets import (
    AssetKind as AssetKind,
    OutputAsset as OutputAsset,
    TaskOutput as TaskOutput,
)
from prefect_geobox.client.model.errors import (
    ApiRequestError as ApiRequestError,
    AuthenticationError as AuthenticationError,
    AuthorizationError as AuthorizationError,
    ConfigurationError as ConfigurationError,
    ConflictError as ConflictError,
    GeoboxConnectionError as GeoboxConnectionError,
    GeoboxError as GeoboxError,
    InvalidArgumentError as InvalidArgumentError,
    InvalidResponseError as InvalidResponseError,
    LocalFileError as LocalFileError,
    NameLookupError as NameLookupError,
    NotFoundError as NotFoundError,
    RateLimitError as RateLimitError,
    ServerError as ServerError,
    TransferTimeoutError as TransferTimeoutError,
    ValidationError as ValidationError,
)
from prefect_geobox.client.model.task_errors import (
    AmbiguousSubmissionError as AmbiguousSubmissionError,
    LostContactError as LostContactError,
    TaskAbortedError as TaskAbortedError,
    TaskFailedError as TaskFailedError,
    TaskTimeoutError as TaskTimeoutError,
)
from prefect_geobox.client.model.tasks import (
    RemoteTask as RemoteTask,
    TaskProgress as TaskProgress,
    TaskState as TaskState,
)
from prefect_geobox.client.operations._inputs import (
    ByName as ByName,
    by_name as by_name,
)
from prefect_geobox.client.polling.subscription import (
    WaitStats as WaitStats,
    WaitUpdate as WaitUpdate,
)
from prefect_geobox.client.sync_client import (
    GeoboxClient as GeoboxClient,
)
