"""The Geobox API for asyncio."""

from __future__ import annotations

import logging
from collections.abc import Callable

from typing_extensions import Unpack

from prefect_geobox.client.api.progress_bar import progress_listener
from prefect_geobox.client.api.runner import OperationMethods
from prefect_geobox.client.http.settings import CONNECTION_DEFAULTS, ConnectionOptions
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import UuidLike, checked_uuid
from prefect_geobox.client.operations._publishing import (
    PUBLISH_TASK_NAMES,
    PublishOptions,
    check_publishing,
    publish_form,
)
from prefect_geobox.client.polling.policy import Action, WaitPolicy
from prefect_geobox.client.polling.wait_call import Listener
from prefect_geobox.client.submission import Submission

logger = logging.getLogger(__name__)


@flat_signature(ConnectionOptions, CONNECTION_DEFAULTS)
class AsyncGeoboxClient(OperationMethods):
    """Talks to Geobox from asyncio code.

    Arguments that are left out fall back to `GEOBOX_HOST`, `GEOBOX_USERNAME`, `GEOBOX_PASSWORD`,
    `GEOBOX_ACCESS_TOKEN` and `GEOBOX_APIKEY`. A token wins over a key, a key over a password.
    Clients of one process with the same settings share their connections.

    Args:
        host: The server's URL, with a path prefix where it has one.
        version: The API version.
        **options: As in `ConnectionOptions`.
        settings: All of the above in resolved form, instead of them.
        retry: How long a read tolerates failures; 30 s by default.
        clock: Measures deadlines and budgets; for tests.

    Raises:
        ConfigurationError: The host is not a URL, or no credential was found.

    Example:
        ```python
        async with AsyncGeoboxClient(apikey=key) as client:
            task = await client.wait_for_task(uuid, timeout=600)
        ```
    """

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
            InvalidArgumentError: An argument is invalid; no request was sent.
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
        return self.sending(
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
        waiting = self.wait_call([task.uuid], policy, with_progress=progress_bar, began=began)
        with progress_listener(on_update, show=progress_bar) as listener:
            ended = (await waiting.arun(listener))[0]
        return await self.require_output(ended, name)
