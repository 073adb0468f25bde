"""The Geobox API for blocking code: the same methods, with the same implementation."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast, overload

from typing_extensions import Self, Unpack

from prefect_geobox.client.api.downloads import file_input
from prefect_geobox.client.api.progress_bar import progress_listener, transfer_listener
from prefect_geobox.client.api.task_filters import COUNT_DEFAULTS, LIST_DEFAULTS, TaskFilters
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.http.clock import SYSTEM_CLOCK, Clock
from prefect_geobox.client.http.encoding import Form, Params
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.multipart_upload import OnBytes
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.http.settings import (
    CONNECTION_DEFAULTS,
    ConnectionOptions,
    ConnectionSettings,
)
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.model.validation import UuidLike, checked_uuid, checked_uuids
from prefect_geobox.client.operations._inputs import AssetLike, FileLike
from prefect_geobox.client.operations._operation import (
    BoundOperation,
    Operation,
    to_operation,
    with_parameters_of,
)
from prefect_geobox.client.operations.files import (
    PublishFileOptions,
    PublishOptions,
    publish_file,
    publishing_of_output,
)
from prefect_geobox.client.polling.policy import WAIT_DEFAULTS, WaitOptions, WaitPolicy
from prefect_geobox.client.polling.subscription import WaitUpdate

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

OnUpdate = Callable[[WaitUpdate], None]


@flat_signature(ConnectionOptions, CONNECTION_DEFAULTS)
class GeoboxClient:
    """Talks to Geobox from blocking code. Errors as of `AsyncGeoboxClient`.

    Safe to use from several threads.

    Args:
        host: The server's URL, with a path prefix where it has one.
        version: The API version.
        **options: As in `ConnectionOptions`.
        settings: All of the above in resolved form, instead of them.
        retry: How long a read tolerates failures; 30 s by default.
        clock: Measures deadlines and budgets; for tests.

    Example:
        ```python
        with GeoboxClient(apikey=key) as client:
            file = client.upload_file("parcels.geojson")
            layer = client.publish_file(file, "parcels")
        ```
    """

    def __init__(
        self,
        host: str | None = None,
        version: str | None = None,
        *,
        settings: ConnectionSettings | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        #: The asyncio client that does the work.
        self.aio = AsyncGeoboxClient(
            host, version, settings=settings, retry=retry, clock=clock, **options
        )

    @property
    def settings(self) -> ConnectionSettings:
        """The server and the credential of this client."""
        return self.aio.settings

    def __repr__(self) -> str:
        return repr(self.aio).replace("Async", "", 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the shared connection. The client can still be used; it then joins again."""
        self.aio.close()

    def get_task(self, task: UuidLike) -> RemoteTask:
        """Reads a remote task, as `AsyncGeoboxClient.get_task`."""
        return _block(self.aio.get_task(task))

    @flat_signature(TaskFilters, LIST_DEFAULTS)
    def list_tasks(self, **filters: Unpack[TaskFilters]) -> list[RemoteTask]:
        """Lists remote tasks, as `AsyncGeoboxClient.list_tasks`.

        Args:
            **filters: As in `TaskFilters`.
        """
        return _block(self.aio.list_tasks(**filters))

    @flat_signature(TaskFilters, COUNT_DEFAULTS)
    def count_tasks(self, **filters: Unpack[TaskFilters]) -> int:
        """Counts remote tasks, as `AsyncGeoboxClient.count_tasks`.

        Args:
            **filters: As in `TaskFilters`.
        """
        return _block(self.aio.count_tasks(**filters))

    def get_progress(self, task: UuidLike) -> TaskProgress:
        """Reads the progress of a remote task, as `AsyncGeoboxClient.get_progress`."""
        return _block(self.aio.get_progress(task))

    @flat_signature(WaitOptions, WAIT_DEFAULTS)
    def wait_for_task(
        self,
        task: UuidLike,
        *,
        raise_on_failure: bool = True,
        on_update: OnUpdate | None = None,
        **options: Unpack[WaitOptions],
    ) -> RemoteTask:
        """Waits until a remote task has ended, as `AsyncGeoboxClient.wait_for_task`.

        Ctrl-C counts as a cancel; a second Ctrl-C returns without waiting for the abort.

        Args:
            task: Its uuid, or an object with one.
            raise_on_failure: Whether a remote task that did not succeed raises.
            on_update: Called with a `WaitUpdate` after each poll.
            **options: As in `WaitOptions`.
        """
        uuid = checked_uuid("task", task)
        return self.wait_for_tasks(
            [uuid], raise_on_failure=raise_on_failure, on_update=on_update, **options
        )[0]

    @flat_signature(WaitOptions, WAIT_DEFAULTS)
    def wait_for_tasks(
        self,
        tasks: Sequence[UuidLike],
        *,
        raise_on_failure: bool = True,
        on_update: OnUpdate | None = None,
        **options: Unpack[WaitOptions],
    ) -> list[RemoteTask]:
        """Waits until several remote tasks have ended, as `AsyncGeoboxClient.wait_for_tasks`.

        Args:
            tasks: Their uuids, or objects with one.
            raise_on_failure: Whether remote tasks that did not succeed raise.
            on_update: Called with a `WaitUpdate` after each poll.
            **options: As in `WaitOptions`.
        """
        shows = options.get("progress_bar", True)
        call = self.aio.wait_call(
            checked_uuids("tasks", tasks),
            WaitPolicy.of(**options),
            with_progress=shows,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=shows) as listener:
            return call.run(listener)

    def abort_task(self, task: UuidLike, *, confirm: float = 30.0) -> RemoteTask:
        """Aborts a remote task and confirms it, as `AsyncGeoboxClient.abort_task`."""
        return _block(self.aio.abort_task(task, confirm=confirm))

    def start_task(
        self,
        method: str,
        path: str,
        *,
        form: Form | None = None,
        json: Any = None,
        params: Params = (),
        names: Collection[str] = (),
        notify: Callable[[str], None] = logger.warning,
    ) -> RemoteTask:
        """Starts a remote task, as `AsyncGeoboxClient.start_task`."""
        return _block(
            self.aio.start_task(
                method, path, form=form, json=json, params=params, names=names, notify=notify
            )
        )

    def get_output_asset(self, task: UuidLike) -> OutputAsset | None:
        """Reads the asset that a remote task made, as `AsyncGeoboxClient.get_output_asset`."""
        return _block(self.aio.get_output_asset(task))

    def get_asset(self, kind: AssetKind | str, uuid: UuidLike) -> OutputAsset:
        """Reads an asset, as `AsyncGeoboxClient.get_asset`."""
        return _block(self.aio.get_asset(kind, uuid))

    def find_assets(self, kind: AssetKind | str, name: str) -> list[OutputAsset]:
        """Finds assets by their exact name, as `AsyncGeoboxClient.find_assets`."""
        return _block(self.aio.find_assets(kind, name))

    def find_asset(self, kind: AssetKind | str, name: str) -> OutputAsset:
        """Finds one asset by its exact name, as `AsyncGeoboxClient.find_asset`."""
        return _block(self.aio.find_asset(kind, name))

    def delete_asset(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Deletes an asset, as `AsyncGeoboxClient.delete_asset`."""
        _block(self.aio.delete_asset(asset, kind))

    def make_temporary(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Makes a layer or raster temporary, as `AsyncGeoboxClient.make_temporary`."""
        _block(self.aio.make_temporary(asset, kind))

    def make_permanent(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Makes a layer or raster permanent, as `AsyncGeoboxClient.make_permanent`."""
        _block(self.aio.make_permanent(asset, kind))

    def download_file(
        self,
        file: AssetLike,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        timeout: float | None = None,
        progress_bar: bool = True,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Downloads a file, as `AsyncGeoboxClient.download_file`."""
        title = f"Download of {file_input(file).label}"
        with transfer_listener(on_bytes, title, show=progress_bar) as listener:
            return self.aio.downloading(
                file, path, overwrite=overwrite, timeout=timeout, on_bytes=listener
            ).run()

    @overload
    def start(
        self, operation: Operation[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> RemoteTask: ...

    @overload
    def start(
        self,
        operation: Operation[..., Any],
        *args: Any,
        notify: Callable[[str], None],
        **kwargs: Any,
    ) -> RemoteTask: ...

    @overload
    def start(self, operation: str, *args: Any, **kwargs: Any) -> RemoteTask: ...

    # No operation has a parameter `notify`.
    def start(  # type: ignore[misc]
        self,
        operation: Operation[..., Any] | str,
        *args: Any,
        notify: Callable[[str], None] = logger.warning,
        **kwargs: Any,
    ) -> RemoteTask:
        """Starts an operation and does not wait, as `AsyncGeoboxClient.start`."""
        return _block(self.aio.start(operation, *args, notify=notify, **kwargs))

    @overload
    def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def run(
        self, operation: Operation[..., R], *args: Any, on_update: OnUpdate | None, **kwargs: Any
    ) -> R: ...

    @overload
    def run(self, operation: str, *args: Any, **kwargs: Any) -> Any: ...

    # No operation has a parameter `on_update`.
    def run(  # type: ignore[misc]
        self,
        operation: Operation[..., R] | str,
        *args: Any,
        on_update: OnUpdate | None = None,
        **kwargs: Any,
    ) -> R:
        """Starts an operation and returns its output, as `AsyncGeoboxClient.run`."""
        bound: BoundOperation[Any] | None = to_operation(operation).bind(args, kwargs)
        outcome: Any = None
        while bound is not None:
            request, waiting = _block(self.aio.begun(bound))
            with progress_listener(on_update, show=bound.progress_bar) as listener:
                tasks = waiting.run(listener)
            outcome = _block(self.aio.outcome(bound, request, tasks))
            bound = publishing_of_output(bound, request, outcome)
        return cast("R", outcome)

    def get_features(
        self, layer: UuidLike, *, skip: int = 0, limit: int | None = None, srid: int = 3857
    ) -> dict[str, Any]:
        """Reads all features as GeoJSON, as `AsyncGeoboxClient.get_features`."""
        return _block(self.aio.get_features(layer, skip=skip, limit=limit, srid=srid))

    def count_features(self, layer: UuidLike) -> int:
        """Counts the features of a layer, as `AsyncGeoboxClient.count_features`."""
        return _block(self.aio.count_features(layer))

    def get_thumbnail(self, asset: OutputAsset) -> bytes:
        """Reads a PNG preview, as `AsyncGeoboxClient.get_thumbnail`."""
        return _block(self.aio.get_thumbnail(asset))

    def upload_file(
        self,
        path: str | os.PathLike[str],
        *,
        progress_bar: bool = True,
        on_bytes: OnBytes | None = None,
        notify: Callable[[str], None] = logger.warning,
    ) -> OutputAsset:
        """Uploads a file, streamed from disk, as `AsyncGeoboxClient.upload_file`."""
        return _block(
            self.aio.upload_file(path, progress_bar=progress_bar, on_bytes=on_bytes, notify=notify)
        )

    def start_publish(
        self,
        file: FileLike,
        name: str,
        *,
        notify: Callable[[str], None] = logger.warning,
        **options: Unpack[PublishOptions],
    ) -> RemoteTask:
        """Starts to publish a file, as `AsyncGeoboxClient.start_publish`."""
        return _block(self.aio.start_publish(file, name, notify=notify, **options))

    @with_parameters_of(publish_file)
    def publish_file(
        self,
        file: FileLike,
        name: str,
        *,
        on_update: OnUpdate | None = None,
        **options: Unpack[PublishFileOptions],
    ) -> OutputAsset:
        """Publishes a file and waits for the layer, as `AsyncGeoboxClient.publish_file`."""
        return self.run(publish_file, file, name, on_update=on_update, **options)


def _block(work: Coroutine[Any, Any, T]) -> T:
    return io_thread().run(work)
