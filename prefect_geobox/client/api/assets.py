"""The methods for assets: layers, rasters, models, files, tilesets and tables."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from uuid import UUID

from prefect_geobox.client.api.connection import page_params, read_all
from prefect_geobox.client.api.input_lookup import InputLookup
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError, NameLookupError
from prefect_geobox.client.model.names import is_same_name, name_filter
from prefect_geobox.client.model.payloads import (
    parse_asset,
    parse_assets,
)
from prefect_geobox.client.model.validation import UuidLike, checked_uuid, refuse_coroutine
from prefect_geobox.client.operations._inputs import (
    AssetLike,
    ByName,
    Input,
    resources_of,
    to_input,
)
from prefect_geobox.client.operations._validation import near_names, text

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

#: Seconds for all attempts of a small change that is safe to repeat.
_SMALL_WRITE_TIME = 30.0


class AssetMethods(InputLookup):
    """Reads, finds and uploads assets."""

    async def get_asset(self, kind: AssetKind | str, uuid: UuidLike) -> OutputAsset:
        """Reads an asset, such as `GET vectorLayers/{uuid}/`.

        Args:
            kind: The kind of asset.
            uuid: Its uuid, or an object with one.

        Raises:
            InvalidArgumentError: There is no such kind, or it is not a uuid; no request was sent.
            NotFoundError: There is no such asset for this account.
            GeoboxError: The read failed.
        """
        return await self._get_asset(checked_kind(kind), checked_uuid("uuid", uuid))

    async def _get_asset(self, kind: AssetKind, uuid: str, *, is_new: bool = False) -> OutputAsset:
        path = f"{COLLECTIONS[kind]}{uuid}/"
        return await self._read(
            f"{path}info/" if kind is AssetKind.FILE else path,
            lambda payload: parse_asset(payload, kind, self._url_of),
            [("f", "json")],
            new=uuid if is_new else None,
        )

    async def find_assets(self, kind: AssetKind | str, name: str) -> list[OutputAsset]:
        """Finds the assets of a kind with exactly this name.

        Calls the kind's list, such as `GET vectorLayers/?q=name = '…'`.

        Args:
            kind: The kind of asset.
            name: The name.

        Raises:
            GeoboxError: The read failed.
        """
        refuse_coroutine("name", name)
        text("name", name)
        return await self._find(checked_kind(kind), name, self._retry)

    async def _find(self, kind: AssetKind, name: str, retry: RetryPolicy) -> list[OutputAsset]:
        def page(skip: int) -> Awaitable[list[OutputAsset]]:
            return self._read(
                COLLECTIONS[kind],
                lambda payload: parse_assets(payload, kind, self._url_of),
                [("f", "json"), ("q", name_filter(name)), *page_params(skip)],
                retry,
            )

        found = await read_all(page, lambda asset: asset.uuid)
        # A server that does not know the filter would list everything.
        return [asset for asset in found if is_same_name(asset.name, name)]

    async def find_asset(self, kind: AssetKind | str, name: str) -> OutputAsset:
        """Finds the only asset of a kind with exactly this name, as `find_assets`.

        Raises:
            NameLookupError: There is none, or there are several; the message has their uuids.
            GeoboxError: The read failed.
        """
        found = await self.find_assets(kind, name)
        if len(found) == 1:
            return found[0]
        if not found:
            kinds = resources_of(checked_kind(kind))[:1]
            raise NameLookupError(
                f"There is no {kind} named {name!r} for this account. "
                f"{await self.similar_names(kinds, name)}"
            )
        uuids = [asset.uuid for asset in found]
        raise NameLookupError(
            f"{len(found)} assets of the kind {kind} are named {name!r}: "
            f"{', '.join(uuids[:10])}. Use the uuid of the one that you mean.",
            uuids,
        )

    async def delete_asset(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Deletes an asset, such as `DELETE vectorLayers/{uuid}/`. Safe to repeat.

        Args:
            asset: The asset; with `kind`, its uuid or `by_name("…")` too.
            kind: The kind of asset; needed with a bare uuid or name.

        Raises:
            InvalidArgumentError: The kind is missing or unknown; no request was sent.
            NameLookupError: Nothing has the name, or several things have.
            NotFoundError: There is no such asset for this account.
            GeoboxError: It was not deleted, or it is not known whether it was.
        """
        ref = await self.look_up(asset_input(asset, kind))

        async def delete() -> None:
            transport = self.shared_session().transport
            await transport.repeat(ref.path, seconds=_SMALL_WRITE_TIME, method="DELETE")

        await io_thread().arun(delete())

    async def make_temporary(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Makes Geobox delete a layer or raster after a day: `POST …/{uuid}/makeTemporary/`.

        Args:
            asset: The asset; with `kind`, its uuid or `by_name("…")` too.
            kind: The kind of asset: vector or raster; needed with a bare uuid or name.

        Raises:
            InvalidArgumentError: The kind is missing, or neither vector nor raster; no request was
                sent.
            NameLookupError: Nothing has the name, or several things have.
            GeoboxError: The request failed.
        """
        await self._make("Temporary", asset, kind)

    async def make_permanent(self, asset: AssetLike, kind: AssetKind | str | None = None) -> None:
        """Makes Geobox keep a temporary layer or raster: `POST …/{uuid}/makePermanent/`.

        Args:
            asset: The asset; with `kind`, its uuid or `by_name("…")` too.
            kind: The kind of asset: vector or raster; needed with a bare uuid or name.

        Raises:
            InvalidArgumentError: The kind is missing, or neither vector nor raster; no request was
                sent.
            NameLookupError: Nothing has the name, or several things have.
            GeoboxError: The request failed.
        """
        await self._make("Permanent", asset, kind)

    async def _make(self, what: str, asset: AssetLike, kind: AssetKind | str | None) -> None:
        ref = asset_input(asset, kind)
        if ref.resource.asset_kind not in (AssetKind.VECTOR, AssetKind.RASTER):
            raise InvalidArgumentError(
                f"asset must be a vector layer or a raster: Geobox has no temporary {ref.resource}"
            )
        ref = await self.look_up(ref)

        async def make() -> None:
            transport = self.shared_session().transport
            await transport.repeat(f"{ref.path}make{what}/", seconds=_SMALL_WRITE_TIME)

        await io_thread().arun(make())

    def _url_of(self, kind: AssetKind, uuid: str) -> str:
        return f"{self.settings.base_url}{COLLECTIONS[kind]}{uuid}/"

    async def get_thumbnail(self, asset: OutputAsset) -> bytes:
        """Reads the PNG preview of a raster, model or tileset: `GET rasters/{uuid}/thumbnail.png`.

        Raises:
            GeoboxError: There is none, or it is larger than 1 MB.
        """
        path = f"{COLLECTIONS[asset.kind]}{checked_uuid('asset', asset)}/thumbnail.png"

        async def read() -> bytes:
            transport = self.shared_session().transport
            return await transport.get_bytes(path, limit=_LARGEST_THUMBNAIL)

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
        near = near_names(kind, [member.value for member in AssetKind])
        hint = f". Did you mean {' or '.join(near)}?" if near else ""
        raise InvalidArgumentError(f"kind must be one of {known}; got {kind!r}{hint}") from None


def asset_input(asset: AssetLike, kind: AssetKind | str | None) -> Input:
    """An asset of any kind, as an input.

    Args:
        asset: The asset, its uuid or its name.
        kind: The kind of asset; needed with a bare uuid or name.

    Raises:
        InvalidArgumentError: The kind is missing or unknown.
    """
    if kind is not None:
        return to_input("asset", asset, *resources_of(checked_kind(kind)))
    if isinstance(asset, (str, UUID, ByName)):
        raise InvalidArgumentError(
            "kind must be given with a bare uuid or name; it is one of "
            f"{', '.join(member.value for member in AssetKind)}"
        )
    return to_input("asset", asset, *(r for kind in AssetKind for r in resources_of(kind)))
