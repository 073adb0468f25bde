"""The Geobox API for asyncio: a method per verb."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import Unpack

from prefect_geobox.client.arguments import UuidLike, checked_uuid, task_filters
from prefect_geobox.client.async_assets import AsyncAssetVerbs
from prefect_geobox.client.errors import ConflictError, InvalidResponseError, ValidationError
from prefect_geobox.client.io_thread import io_thread
from prefect_geobox.client.models import (
    AssetKind,
    OutputAsset,
    RemoteTask,
    TaskProgress,
    TaskState,
)
from prefect_geobox.client.parsing import parse_count, parse_start, parse_tasks
from prefect_geobox.client.policy import (
    Action,
    PollPolicy,
    RetryPolicy,
    WaitPolicy,
    positive_seconds,
)
from prefect_geobox.client.progress_bar import progress_listener
from prefect_geobox.client.publishing import PublishOptions, publish_form
from prefect_geobox.client.transport import Form, Params
from prefect_geobox.client.waiting import Listener, Waiting


class AsyncGeoboxClient(AsyncAssetVerbs):
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

    async def start_publish(
        self,
        file: UuidLike,
        name: str,
        **options: Unpack[PublishOptions],
    ) -> RemoteTask:
        """Starts to publish an uploaded file: `POST files/{uuid}/publish/`. Does not wait.

        Args:
            file: What `upload_file` returned, or the uuid of a file.
            name: The name of the new layer.
            **options: How to publish it, as in `PublishOptions`: `publish_as` ("vector", "raster",
                "model3d", "tiles3d" or "table"; by default what the file's format suggests),
                `input_srid` and others.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            GeoboxError: The server refused, or it is not known whether it started anything.
        """
        uuid = checked_uuid("file", file)
        if not isinstance(file, OutputAsset) or "file_type" not in file.data:
            file = await self.get_asset(AssetKind.FILE, uuid)
        form = publish_form(file, name, options)
        return await self.start_task("POST", f"files/{uuid}/publish/", form=form)

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
