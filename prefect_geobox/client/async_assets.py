"""The verbs on assets: layers, rasters, models, files, tilesets and tables."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from prefect_geobox.client.arguments import UuidLike, checked_uuid, quoted, readable_file
from prefect_geobox.client.async_connection import AsyncConnection
from prefect_geobox.client.errors import InvalidArgumentError
from prefect_geobox.client.io_thread import io_thread
from prefect_geobox.client.models import AssetKind, OutputAsset
from prefect_geobox.client.parsing import (
    parse_asset,
    parse_assets,
    parse_count,
    parse_feature_collection,
)
from prefect_geobox.client.policy import RetryPolicy
from prefect_geobox.client.submission import Submission
from prefect_geobox.client.uploading import OnBytes, upload_body

#: Where the API lists each kind of asset; a uuid below it names one.
COLLECTIONS: dict[AssetKind, str] = {
    AssetKind.VECTOR: "vectorLayers/",
    AssetKind.RASTER: "rasters/",
    AssetKind.MODEL: "3dmodels/",
    AssetKind.FILE: "files/",
    AssetKind.TILES3D: "3dtiles/",
    AssetKind.TABLE: "tables/",
}

logger = logging.getLogger(__name__)

_LARGEST_THUMBNAIL = 1_000_000


class AsyncAssetVerbs(AsyncConnection):
    """Reads, finds and uploads assets."""

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

        Calls the kind's list, such as `GET vectorLayers/?q=name = '…'`.

        Args:
            kind: The kind of asset.
            name: The name.

        Raises:
            GeoboxError: The read failed.
        """
        return await self._find(checked_kind(kind), name, self._retry)

    async def _find(self, kind: AssetKind, name: str, retry: RetryPolicy) -> list[OutputAsset]:
        found = await self._read(
            COLLECTIONS[kind],
            lambda payload: parse_assets(payload, kind, self._url_of),
            [("f", "json"), ("q", f"name = {quoted(name)}"), ("limit", "100")],
            retry,
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
        """Counts features: `GET vectorLayers/{uuid}/features/?return_count=True`.

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
            transport = self.joined().transport
            return await transport.get_bytes(path, limit=_LARGEST_THUMBNAIL)

        return await io_thread().arun(read())

    async def upload_file(
        self,
        path: str | os.PathLike[str],
        *,
        on_bytes: OnBytes | None = None,
        notify: Callable[[str], None] = logger.warning,
    ) -> OutputAsset:
        """Uploads a file, streamed from disk: `POST files/`.

        Where a failure leaves it open whether the file has arrived, it is looked up by its name and
        size: the one that is newly there is taken over; none means that it is sent again.

        Args:
            path: The file.
            on_bytes: Told of bytes sent and bytes in all, on the I/O thread.
            notify: Told in a sentence where one was taken over or sent again; logs by default.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It is a folder or cannot be read.
            InvalidArgumentError: It is empty.
            AmbiguousSubmissionError: It may have arrived, and the server cannot tell.
            GeoboxError: The server refused it, or could not be reached.
        """
        return await self.submit(self.uploading(path, on_bytes=on_bytes, notify=notify))

    def uploading(
        self,
        path: str | os.PathLike[str],
        *,
        on_bytes: OnBytes | None = None,
        notify: Callable[[str], None] = logger.warning,
    ) -> Submission[OutputAsset]:
        """The upload of a file, ready to be sent by `submit`. Arguments as in `upload_file`.

        Raises:
            OSError: There is no such file, or it cannot be read.
            InvalidArgumentError: It is empty.
        """
        file = readable_file(path)
        size = file.stat().st_size

        async def send() -> OutputAsset:
            return await self.joined().transport.upload(
                COLLECTIONS[AssetKind.FILE],
                lambda payload: parse_asset(payload, AssetKind.FILE, self._url_of),
                lambda: upload_body(file, on_bytes),
            )

        return Submission(
            kind="file",
            what=f"The upload of {file.name}",
            send=send,
            newest=lambda retry: self._find(AssetKind.FILE, file.name, retry),
            is_likely=lambda asset: asset.data.get("size", size) == size,
            notify=notify,
            alike=f"{file.name}, {size} bytes",
        )


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
