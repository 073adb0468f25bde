"""The Geobox API for asyncio: a method per verb."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from typing_extensions import Self

from prefect_geobox.client import session as sessions
from prefect_geobox.client.arguments import (
    UuidLike,
    checked_uuid,
    quoted,
    readable_file,
    task_filters,
)
from prefect_geobox.client.clock import SYSTEM_CLOCK, Clock
from prefect_geobox.client.errors import (
    ConflictError,
    InvalidArgumentError,
    InvalidResponseError,
    ValidationError,
)
from prefect_geobox.client.io_thread import io_thread
from prefect_geobox.client.models import (
    AssetKind,
    OutputAsset,
    RemoteTask,
    TaskProgress,
    TaskState,
)
from prefect_geobox.client.parsing import (
    parse_asset,
    parse_assets,
    parse_count,
    parse_feature_collection,
    parse_start,
    parse_tasks,
)
from prefect_geobox.client.policy import (
    Action,
    PollPolicy,
    RetryPolicy,
    WaitPolicy,
    positive_seconds,
)
from prefect_geobox.client.progress_bar import progress_listener
from prefect_geobox.client.publishing import PublishAs, publish_form
from prefect_geobox.client.settings import DEFAULT_TIMEOUT, ConnectionSettings
from prefect_geobox.client.transport import Form, Params
from prefect_geobox.client.uploading import OnBytes, upload_body
from prefect_geobox.client.waiting import Listener, Waiting

T = TypeVar("T")

#: Where the API lists each kind of asset; a uuid below it names one.
COLLECTIONS: dict[AssetKind, str] = {
    AssetKind.VECTOR: "vectorLayers/",
    AssetKind.RASTER: "rasters/",
    AssetKind.MODEL: "3dmodels/",
    AssetKind.FILE: "files/",
    AssetKind.TILES3D: "3dtiles/",
    AssetKind.TABLE: "tables/",
}

_LARGEST_THUMBNAIL = 1_000_000


class AsyncGeoboxClient:
    """Talks to Geobox from asyncio code.

    Arguments that are left out fall back to `GEOBOX_HOST`, `GEOBOX_USERNAME`, `GEOBOX_PASSWORD`,
    `GEOBOX_ACCESS_TOKEN` and `GEOBOX_APIKEY`. A token wins over a key, a key over a password.
    Clients of one process with the same settings share their connections.

    Args:
        host: The server's URL, with a path prefix where it has one.
        version: The API version.
        username: With `password`.
        password: With `username`; exchanged for a token when one is first needed.
        access_token: A bearer token.
        apikey: An API key.
        verify: False to accept any TLS certificate, or the path of a CA file.
        timeout: Seconds for one request; above 0.
        settings: All of the above, already resolved.
        retry: How long a read bears failures; 30 s by default.
        clock: Measures deadlines and budgets; for tests.

    Raises:
        ConfigurationError: The host is no URL, or no credential was found.

    Example:
        ```python
        async with AsyncGeoboxClient(apikey=key) as client:
            task = await client.wait_for_task(uuid, timeout=600)
        ```
    """

    def __init__(
        self,
        host: str | None = None,
        version: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        access_token: str | None = None,
        apikey: str | None = None,
        verify: bool | str = True,
        timeout: float = DEFAULT_TIMEOUT,
        settings: ConnectionSettings | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings or ConnectionSettings.resolve(
            host,
            version,
            username,
            password,
            access_token,
            apikey,
            verify=verify,
            timeout=timeout,
        )
        self.clock = clock
        self._retry = retry or RetryPolicy()
        self._session: sessions.Session | None = None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.settings.base_url!r}, "
            f"{self.settings.credential.principal!r})"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Gives the shared connections back. The client can still be used; it then rejoins."""
        session, self._session = self._session, None
        if session is not None:
            await io_thread().arun(sessions.release(session))

    async def session(self) -> sessions.Session:
        """The shared connection. Only for code that runs on the I/O thread."""
        if self._session is None:
            self._session = await sessions.acquire(self.settings, self.clock)
        return self._session

    # Remote tasks

    async def get_task(self, task: UuidLike) -> RemoteTask:
        """Reads a remote task: `GET tasks/{uuid}/`.

        Args:
            task: Its uuid, or an object with one.

        Raises:
            InvalidArgumentError: It is no uuid; nothing was sent.
            NotFoundError: There is no such remote task for this account.
            GeoboxError: The read failed.
        """
        return await self._read(f"tasks/{checked_uuid('task', task)}/", RemoteTask.from_payload)

    async def list_tasks(
        self,
        *,
        state: TaskState | str | None = None,
        q: str | None = None,
        search: str | None = None,
        search_fields: str | Iterable[str] | None = None,
        order_by: str | None = None,
        skip: int = 0,
        limit: int = 10,
        user_id: int | None = None,
        shared: bool = False,
    ) -> list[RemoteTask]:
        """Lists remote tasks: `GET tasks/`.

        Args:
            state: Only those in this state.
            q: A filter in OGC CQL, such as `name = 'import'`.
            search: Words to look for; ignored by the server where `q` is given.
            search_fields: Where to look for them, as names or one comma-separated text.
            order_by: Such as `accepted_at D, name A` (D descends, A ascends).
            skip: How many to pass over; 0 or more.
            limit: How many to return at most; 1 or more.
            user_id: Those of another user; needs privileges.
            shared: Those that others share.

        Raises:
            InvalidArgumentError: A filter makes no sense; nothing was sent.
            GeoboxError: The read failed.
        """
        filters = task_filters(
            state=state,
            q=q,
            search=search,
            search_fields=search_fields,
            order_by=order_by,
            skip=skip,
            limit=limit,
            user_id=user_id,
            shared=shared,
        )
        return await self._read("tasks/", parse_tasks, filters)

    async def count_tasks(
        self,
        *,
        state: TaskState | str | None = None,
        q: str | None = None,
        search: str | None = None,
        search_fields: str | Iterable[str] | None = None,
        order_by: str | None = None,
        skip: int | None = None,
        limit: int | None = None,
        user_id: int | None = None,
        shared: bool = False,
    ) -> int:
        """Counts remote tasks: `GET tasks/?return_count=True`. Arguments as in `list_tasks`."""
        filters = task_filters(
            state=state,
            q=q,
            search=search,
            search_fields=search_fields,
            order_by=order_by,
            skip=skip,
            limit=limit,
            user_id=user_id,
            shared=shared,
            return_count=True,
        )
        return await self._read("tasks/", parse_count, filters)

    async def get_progress(self, task: UuidLike) -> TaskProgress:
        """Reads how far a remote task has come: `GET tasks/{uuid}/status/`.

        Raises:
            InvalidArgumentError: It is no uuid; nothing was sent.
            GeoboxError: The read failed.
        """
        path = f"tasks/{checked_uuid('task', task)}/status/"
        return await self._read(path, TaskProgress.from_payload)

    async def wait_for_task(
        self,
        task: UuidLike,
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "leave",
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
    ) -> RemoteTask:
        """Waits until a remote task has ended.

        Looks at once, then after `max(interval, 10 % of the time waited)` seconds, at most
        `max_interval`, and a last time when the timeout ends.

        Args:
            task: Its uuid, or an object with one.
            timeout: Seconds from now until the wait gives up; None for no limit, 0 for one look.
            interval: The shortest pause between looks, in seconds; above 0.
            max_interval: The longest pause, in seconds; above 0.
            outage: Seconds of unbroken failure that are borne.
            retry: Instead of `outage`: the number of attempts that may fail in a row.
            progress_bar: Whether to read the progress too, and draw it where there is a terminal.
            on_cancel: "abort" or "leave" the remote task when this coroutine is cancelled.
            on_timeout: "abort" or "leave" it when the time is up.
            raise_on_failure: Whether a remote task that did not succeed raises.
            on_update: Told of each look; may be a coroutine function.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            TaskFailedError: It ended in FAILURE.
            TaskAbortedError: It was aborted.
            TaskTimeoutError: The time was up.
            LostContactError: The server could not be read for longer than `outage`.
            GeoboxError: A read failed for good.
        """
        waiting = self.waiting(
            [checked_uuid("task", task)],
            WaitPolicy.of(
                timeout=timeout,
                interval=interval,
                max_interval=max_interval,
                outage=outage,
                retry=retry,
                on_cancel=on_cancel,
                on_timeout=on_timeout,
            ),
            with_progress=progress_bar,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=progress_bar) as listener:
            return (await waiting.arun(listener))[0]

    async def wait_for_tasks(
        self,
        tasks: Sequence[UuidLike],
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "leave",
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
    ) -> list[RemoteTask]:
        """Waits until several remote tasks have all ended. Arguments as in `wait_for_task`.

        Returns:
            The remote tasks in the order in which they were given.

        Raises:
            TaskFailedError: After all have ended: those that did not succeed, in `.tasks`.
            GeoboxError: As `wait_for_task`.
        """
        waiting = self.waiting(
            [checked_uuid("tasks", task) for task in tasks],
            WaitPolicy.of(
                timeout=timeout,
                interval=interval,
                max_interval=max_interval,
                outage=outage,
                retry=retry,
                on_cancel=on_cancel,
                on_timeout=on_timeout,
            ),
            with_progress=progress_bar,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=progress_bar) as listener:
            return await waiting.arun(listener)

    def waiting(
        self,
        uuids: Sequence[str],
        policy: WaitPolicy,
        *,
        with_progress: bool = False,
        raise_on_failure: bool = True,
        began: float | None = None,
    ) -> Waiting:
        """Prepares a wait; its timeout counts from now, or from the moment `began` of the clock."""
        return Waiting(
            self,
            uuids,
            policy,
            with_progress=with_progress,
            raise_on_failure=raise_on_failure,
            began=self.clock.monotonic() if began is None else began,
        )

    async def abort_task(self, task: UuidLike, *, confirm: float = 30.0) -> RemoteTask:
        """Aborts a remote task and reads it until it has ended: `POST tasks/{uuid}/abort/`.

        It may have ended in another way by then; that state is returned. Safe to repeat.

        Args:
            task: Its uuid, or an object with one.
            confirm: Seconds to wait for the end; above 0.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            TaskTimeoutError: It had not ended after `confirm` seconds.
            GeoboxError: The abort or the read failed.
        """
        uuid = checked_uuid("task", task)
        positive_seconds("confirm", confirm)
        if isinstance(task, RemoteTask) and task.is_final:
            return task
        return await io_thread().arun(self._abort(uuid, confirm))

    async def _abort(self, uuid: str, confirm: float) -> RemoteTask:
        began = self.clock.monotonic()
        session = await self.session()
        # So the server may answer where the remote task has ended already; the look will tell.
        with contextlib.suppress(ConflictError, ValidationError):
            await session.transport.repeat(
                f"tasks/{uuid}/abort/", retry=RetryPolicy(budget=confirm)
            )
        policy = WaitPolicy(
            timeout=confirm,
            poll=PollPolicy(interval=0.25, max_interval=2.0),
            retry=RetryPolicy(budget=confirm),
        )
        return await session.watcher.wait(uuid, policy, began=began)

    async def start_task(
        self,
        method: str,
        path: str,
        *,
        form: Form | None = None,
        json: Any = None,
        params: Params = (),
    ) -> RemoteTask:
        """Starts a remote task through any endpoint that answers with a `task_id`.

        Args:
            method: Mostly `POST`.
            path: Below the base URL, such as `files/{uuid}/publish/`.
            form: A form body.
            json: A JSON body.
            params: The query.

        Raises:
            GeoboxError: The server refused, or it is not known whether it started anything.
        """
        return await io_thread().arun(self._start(method, path, form, json, params))

    async def _start(
        self, method: str, path: str, form: Form | None, json: Any, params: Params
    ) -> RemoteTask:
        transport = (await self.session()).transport
        task_id = await transport.write(
            method, path, parse_start, params=params, form=form, json_body=json
        )
        return await transport.read(f"tasks/{task_id}/", RemoteTask.from_payload, retry=self._retry)

    # Assets

    async def get_output_asset(self, task: UuidLike) -> OutputAsset | None:
        """Reads the asset that a remote task made, or None where its result names none.

        Args:
            task: Its uuid, or an object with one; a final `RemoteTask` is not read again.

        Raises:
            GeoboxError: The remote task or the asset could not be read.
        """
        if not isinstance(task, RemoteTask) or not task.is_final:
            task = await self.get_task(task)
        output = task.output
        return None if output is None else await self.get_asset(output.kind, output.uuid)

    async def get_asset(self, kind: AssetKind | str, uuid: UuidLike) -> OutputAsset:
        """Reads an asset, such as `GET vectorLayers/{uuid}/`.

        Args:
            kind: The kind of asset.
            uuid: Its uuid, or an object with one.

        Raises:
            InvalidArgumentError: There is no such kind, or it is no uuid; nothing was sent.
            NotFoundError: There is no such asset for this account.
            GeoboxError: The read failed.
        """
        known = checked_kind(kind)
        path = f"{COLLECTIONS[known]}{checked_uuid('uuid', uuid)}/"
        detail = f"{path}info/" if known is AssetKind.FILE else path
        return await self._read(
            detail, lambda payload: parse_asset(payload, known, self._url_of), [("f", "json")]
        )

    async def find_assets(self, kind: AssetKind | str, name: str) -> list[OutputAsset]:
        """Finds the assets of a kind that have exactly this name, 100 at most.

        Args:
            kind: The kind of asset.
            name: The name.

        Raises:
            GeoboxError: The read failed.
        """
        known = checked_kind(kind)
        params = [("f", "json"), ("q", f"name = {quoted(name)}"), ("limit", "100")]
        found = await self._read(
            COLLECTIONS[known],
            lambda payload: parse_assets(payload, known, self._url_of),
            params,
        )
        # A server that does not know the filter would list everything.
        return [asset for asset in found if asset.name == name]

    def _url_of(self, kind: AssetKind, uuid: str) -> str:
        return f"{self.settings.base_url}{COLLECTIONS[kind]}{uuid}/"

    async def get_features(
        self, layer: UuidLike, *, skip: int = 0, limit: int = 100, srid: int = 3857
    ) -> dict[str, Any]:
        """Reads features of a vector layer as GeoJSON: `GET vectorLayers/{uuid}/features/`.

        Args:
            layer: Its uuid, or an object with one.
            skip: How many to pass over.
            limit: How many to return at most.
            srid: The EPSG code of the coordinates.

        Raises:
            GeoboxError: The read failed.
        """
        params = [
            ("f", "json"),
            ("skip", str(skip)),
            ("limit", str(limit)),
            ("out_srid", str(srid)),
        ]
        path = f"vectorLayers/{checked_uuid('layer', layer)}/features/"
        return await self._read(path, parse_feature_collection, params)

    async def count_features(self, layer: UuidLike) -> int:
        """Counts the features of a vector layer.

        Raises:
            GeoboxError: The read failed.
        """
        path = f"vectorLayers/{checked_uuid('layer', layer)}/features/"
        return await self._read(path, parse_count, [("f", "json"), ("return_count", "True")])

    async def get_thumbnail(self, asset: OutputAsset) -> bytes:
        """Reads the PNG preview of a raster, model or tileset: `GET rasters/{uuid}/thumbnail.png`.

        Raises:
            GeoboxError: There is none, or it is larger than 1 MB.
        """
        path = f"{COLLECTIONS[asset.kind]}{checked_uuid('asset', asset)}/thumbnail.png"

        async def read() -> bytes:
            transport = (await self.session()).transport
            return await transport.get_bytes(path, limit=_LARGEST_THUMBNAIL)

        return await io_thread().arun(read())

    async def upload_file(
        self, path: str | os.PathLike[str], *, on_bytes: OnBytes | None = None
    ) -> OutputAsset:
        """Uploads a file, streamed from disk: `POST files/`.

        Args:
            path: The file.
            on_bytes: Told of bytes sent and bytes in all, on the I/O thread.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It is a folder or cannot be read.
            InvalidArgumentError: It is empty.
            GeoboxError: The server refused it, or the connection broke.
        """
        file = readable_file(path)

        async def send() -> OutputAsset:
            transport = (await self.session()).transport
            return await transport.upload(
                COLLECTIONS[AssetKind.FILE],
                lambda payload: parse_asset(payload, AssetKind.FILE, self._url_of),
                lambda: upload_body(file, on_bytes),
            )

        return await io_thread().arun(send())

    async def start_publish(
        self,
        file: UuidLike,
        name: str,
        *,
        publish_as: PublishAs | None = None,
        **options: Any,
    ) -> RemoteTask:
        """Starts to publish an uploaded file: `POST files/{uuid}/publish/`. Does not wait.

        Args:
            file: What `upload_file` returned, or the uuid of a file.
            name: The name of the new layer.
            publish_as: "vector", "raster", "model3d", "tiles3d" or "table"; by default what the
                file's format suggests.
            **options: The options of the endpoint, as in `publish_form`: `input_srid`,
                `input_layer`, `input_dataset`, `input_geom_type`, `file_encoding`,
                `replace_domain_codes_by_values`, `report_errors`, `as_terrain`, `user_id`.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            GeoboxError: The server refused, or it is not known whether it started anything.
        """
        uuid = checked_uuid("file", file)
        if not isinstance(file, OutputAsset) or "file_type" not in file.data:
            file = await self.get_asset(AssetKind.FILE, uuid)
        form = publish_form(file, name, publish_as=publish_as, **options)
        return await self.start_task("POST", f"files/{uuid}/publish/", form=form)

    async def publish_file(
        self,
        file: UuidLike,
        name: str,
        *,
        publish_as: PublishAs | None = None,
        input_srid: int = 3857,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "abort",
        on_update: Listener | None = None,
        **options: Any,
    ) -> OutputAsset:
        """Publishes an uploaded file, waits for it and returns the new layer.

        Arguments are those of `start_publish` and `wait_for_task`.

        Raises:
            InvalidResponseError: It succeeded, but its result names no asset.
            GeoboxError: As `start_publish` and `wait_for_task`.
        """
        policy = WaitPolicy.of(
            timeout=timeout,
            interval=interval,
            max_interval=max_interval,
            outage=outage,
            retry=retry,
            on_cancel=on_cancel,
            on_timeout=on_timeout,
        )
        began = self.clock.monotonic()
        task = await self.start_publish(
            file, name, publish_as=publish_as, input_srid=input_srid, **options
        )
        waiting = self.waiting([task.uuid], policy, with_progress=progress_bar, began=began)
        with progress_listener(on_update, show=progress_bar) as listener:
            ended = (await waiting.arun(listener))[0]
        return await self.require_output(ended)

    async def require_output(self, task: RemoteTask) -> OutputAsset:
        """The output of a remote task that must have one.

        Raises:
            InvalidResponseError: Its result names no asset.
        """
        asset = await self.get_output_asset(task)
        if asset is None:
            raise InvalidResponseError(
                f"Remote task {task.label} ({task.uuid}) succeeded, but its result names no "
                "output. Look for it in Geobox by its name."
            )
        return asset

    async def _read(self, path: str, parse: Callable[[Any], T], params: Params = ()) -> T:
        async def read() -> T:
            transport = (await self.session()).transport
            return await transport.read(path, parse, params=params, retry=self._retry)

        return await io_thread().arun(read())


def checked_kind(kind: AssetKind | str) -> AssetKind:
    """The kind of asset that a text names.

    Raises:
        InvalidArgumentError: There is no such kind.
    """
    try:
        return AssetKind(kind)
    except ValueError:
        known = ", ".join(member.value for member in AssetKind)
        raise InvalidArgumentError(f"kind must be one of {known}; got {kind!r}") from None
