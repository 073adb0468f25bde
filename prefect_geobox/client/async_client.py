"""The Geobox API for asyncio: a method per verb."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from typing_extensions import Unpack

from prefect_geobox.client.arguments import UuidLike, checked_uuid, task_filters
from prefect_geobox.client.async_assets import AsyncAssetVerbs
from prefect_geobox.client.async_tasks import AsyncTaskVerbs
from prefect_geobox.client.errors import (
    AmbiguousSubmissionError,
    GeoboxError,
    InvalidResponseError,
    LostContactError,
)
from prefect_geobox.client.models import (
    AssetKind,
    OutputAsset,
    RemoteTask,
)
from prefect_geobox.client.parsing import parse_start, parse_tasks
from prefect_geobox.client.policy import (
    Action,
    RetryPolicy,
    WaitPolicy,
)
from prefect_geobox.client.progress_bar import progress_listener
from prefect_geobox.client.publishing import (
    PUBLISH_TASK_NAMES,
    PublishOptions,
    check_publishing,
    publish_form,
)
from prefect_geobox.client.submission import Submission
from prefect_geobox.client.transport import Form, Params, Transport
from prefect_geobox.client.waiting import Listener

logger = logging.getLogger(__name__)

#: How many of the newest remote tasks are read to find one that was just started.
_NEWEST = 50

#: Seconds of unbroken failure that are borne to read a remote task that was just started: giving
#: up on it would leave it running unwatched.
_STARTED_OUTAGE = 300.0


class AsyncGeoboxClient(AsyncTaskVerbs, AsyncAssetVerbs):
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
        requests_per_second: How often the waits of this process may ask the host, all together;
            above 0. The lowest number that a client of the host names counts.
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

    async def start_task(
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
        """Starts a remote task through any endpoint that answers with a `task_id`.

        Where a failure leaves it open whether something was started, the newest remote tasks are
        looked up: the one that is newly there is taken over; none means that nothing was started,
        and it is sent again.

        Args:
            method: Mostly `POST`.
            path: Below the base URL, such as `files/{uuid}/publish/`.
            form: A form body.
            json: A JSON body.
            params: The query.
            names: What such remote tasks are called, as far as that is known.
            notify: Told in a sentence where one was taken over or sent again; logs by default.

        Raises:
            AmbiguousSubmissionError: It may have been started, and the server cannot tell.
            LostContactError: It was started, but could not be read.
            GeoboxError: The server refused; nothing was started.
        """
        return await self.submit(
            self._start(
                f"{method} {path}", method, path, form, json, params, names=names, notify=notify
            )
        )

    def _start(
        self,
        what: str,
        method: str,
        path: str,
        form: Form | None = None,
        json: Any = None,
        params: Params = (),
        *,
        names: Collection[str],
        notify: Callable[[str], None],
    ) -> Submission[RemoteTask]:
        async def send() -> RemoteTask:
            transport = self.joined().transport
            task_id = await transport.write(
                method, path, parse_start, params=params, form=form, json_body=json
            )
            return await self._read_started(transport, task_id)

        async def newest(retry: RetryPolicy) -> list[RemoteTask]:
            filters = task_filters(order_by="accepted_at D", limit=_NEWEST)
            return await self._read("tasks/", parse_tasks, filters, retry)

        return Submission(
            kind="task",
            what=what,
            send=send,
            newest=newest,
            is_likely=lambda task: not names or task.name in ("", *names),
            notify=notify,
        )

    async def _read_started(self, transport: Transport, task_id: str) -> RemoteTask:
        policy = RetryPolicy(budget=_STARTED_OUTAGE)
        try:
            return await transport.read(f"tasks/{task_id}/", RemoteTask.from_payload, retry=policy)
        except GeoboxError as error:
            raise LostContactError(
                f"A remote task was started ({task_id}) but could not be read. It may well go on: "
                f"wait for it, or abort it, once the server can be read. The failure: {error}",
                RemoteTask.unseen(task_id),
                policy.budget,
            ) from None

    async def get_output_asset(self, task: UuidLike) -> OutputAsset | None:
        """Reads the asset that a remote task made, or None where its result names none.

        Calls the asset's own endpoint, such as `GET vectorLayers/{uuid}/`.

        Args:
            task: Its uuid, or an object with one; a final `RemoteTask` is not read again.

        Raises:
            GeoboxError: The remote task or the asset could not be read.
        """
        if not isinstance(task, RemoteTask) or not task.is_final:
            task = await self.get_task(task)
        output = task.output
        return None if output is None else await self.get_asset(output.kind, output.uuid)

    async def start_publish(
        self,
        file: UuidLike,
        name: str,
        *,
        notify: Callable[[str], None] = logger.warning,
        **options: Unpack[PublishOptions],
    ) -> RemoteTask:
        """Starts to publish an uploaded file: `POST files/{uuid}/publish/`. Does not wait.

        Args:
            file: What `upload_file` returned, or the uuid of a file.
            name: The name of the new layer.
            notify: As in `start_task`.
            **options: How to publish it, as in `PublishOptions`: `publish_as` ("vector", "raster",
                "model3d", "tiles3d" or "table"; by default what the file's format suggests),
                `input_srid` and others.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            GeoboxError: The server refused, or it is not known whether it started anything.
        """
        uuid = checked_uuid("file", file)
        check_publishing(name, options)
        if not isinstance(file, OutputAsset) or "file_type" not in file.data:
            file = await self.get_asset(AssetKind.FILE, uuid)
        return await self.submit(self.publishing(file, name, notify=notify, **options))

    def publishing(
        self,
        file: OutputAsset,
        name: str,
        *,
        notify: Callable[[str], None] = logger.warning,
        **options: Unpack[PublishOptions],
    ) -> Submission[RemoteTask]:
        """The publishing of a file, ready to be sent by `submit`. Arguments as in `start_publish`.

        Raises:
            InvalidArgumentError: An argument makes no sense.
        """
        form = publish_form(file, name, options)
        return self._start(
            f"The publishing of {file.name or file.uuid} as {name}",
            "POST",
            f"files/{file.uuid}/publish/",
            form,
            names=PUBLISH_TASK_NAMES.get(form["publish_as"], ()),
            notify=notify,
        )

    async def publish_file(
        self,
        file: UuidLike,
        name: str,
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "abort",
        on_update: Listener | None = None,
        **options: Unpack[PublishOptions],
    ) -> OutputAsset:
        """Publishes an uploaded file, waits for it and returns the new layer.

        Calls `POST files/{uuid}/publish/`, then what `wait_for_task` calls.

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
        task = await self.start_publish(file, name, **options)
        waiting = self.waiting([task.uuid], policy, with_progress=progress_bar, began=began)
        with progress_listener(on_update, show=progress_bar) as listener:
            ended = (await waiting.arun(listener))[0]
        return await self.require_output(ended, name)

    async def require_output(self, task: RemoteTask, name: str) -> OutputAsset:
        """The output of a remote task that must have one.

        Args:
            task: A remote task that succeeded.
            name: What the output should be called. Where the remote task was taken over after an
                unclear failure, another name shows that it was somebody else's.

        Raises:
            InvalidResponseError: Its result names no asset.
            AmbiguousSubmissionError: It made something else.
        """
        asset = await self.get_output_asset(task)
        if asset is None:
            raise InvalidResponseError(
                f"Remote task {task.label} ({task.uuid}) succeeded, but its result names no "
                "output. Look for it in Geobox by its name."
            )
        is_guess = self._session is not None and self._session.submissions.is_taken_over(task.uuid)
        if is_guess and asset.name != name:
            raise AmbiguousSubmissionError(
                f"Remote task {task.label} ({task.uuid}) was taken over after an unclear failure, "
                f"but it made {asset.name!r}, not {name!r}: it was somebody else's. Nothing shows "
                "that this one was started; start it again.",
                [task],
            )
        return asset
