"""The Geobox API for asyncio."""

from __future__ import annotations

import logging
from collections.abc import Callable

from typing_extensions import Unpack

from prefect_geobox.client.api.runner import OperationMethods
from prefect_geobox.client.http.settings import CONNECTION_DEFAULTS, ConnectionOptions
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.operations._inputs import FileLike
from prefect_geobox.client.operations._operation import with_parameters_of
from prefect_geobox.client.operations.files import (
    PublishFileOptions,
    PublishOptions,
    publish_file,
)
from prefect_geobox.client.polling.wait_call import Listener

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
        file: FileLike,
        name: str,
        *,
        notify: Callable[[str], None] = logger.warning,
        **options: Unpack[PublishOptions],
    ) -> RemoteTask:
        """Starts to publish an uploaded file: `POST files/{uuid}/publish/`. Does not wait.

        Args:
            file: What `upload_file` returned, the uuid of a file, or `by_name("…")`.
            name: The name of the new layer.
            notify: As in `start_task`.
            **options: How to publish it, as in `publish_file`: `publish_as` ("vector", "raster",
                "model3d", "tiles3d" or "table"; by default what the file's format suggests),
                `input_srid` and others.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            NameLookupError: No file or several files have the name.
            GeoboxError: The server refused, or it is not known whether it started anything.
        """
        return await self.start(publish_file, file, name, notify=notify, **options)

    @with_parameters_of(publish_file)
    async def publish_file(
        self,
        file: FileLike,
        name: str,
        *,
        on_update: Listener | None = None,
        **options: Unpack[PublishFileOptions],
    ) -> OutputAsset:
        """Publishes an uploaded file, waits for it and returns the new layer.

        Calls `POST files/{uuid}/publish/`, then what `wait_for_task` calls.

        Args:
            file: What `upload_file` returned, the uuid of a file, or `by_name("…")`.
            name: The name of the new layer.
            on_update: As in `wait_for_task`.
            **options: As of `start_publish` and `wait_for_task`; `temporary=True` makes the layer
                temporary.

        Raises:
            InvalidResponseError: It succeeded, but its result names no asset.
            GeoboxError: As `start_publish` and `wait_for_task`.
        """
        return await self.run(publish_file, file, name, on_update=on_update, **options)
