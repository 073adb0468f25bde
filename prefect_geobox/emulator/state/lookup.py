"""Finds the assets and compositions that the path or the body of a request names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import invalid_parameter, not_found
from prefect_geobox.emulator.http.parameters import required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.map_compositions import Composition, CompositionKind
from prefect_geobox.emulator.state.store import Asset, Kind, OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

#: The kinds of asset by the name of their collection in a path.
COLLECTIONS: dict[str, Kind] = {
    "vectorLayers": AssetKind.VECTOR,
    "vectorLayerViews": OtherKind.VIEW,
    "groupLayers": OtherKind.GROUP,
    "queries": OtherKind.QUERY,
    "rasters": AssetKind.RASTER,
    "3dmodels": AssetKind.MODEL,
    "files": AssetKind.FILE,
    "3dtiles": AssetKind.TILES3D,
    "tables": AssetKind.TABLE,
}
LAYER_KINDS = (AssetKind.VECTOR, OtherKind.VIEW)


def collection_of(request: Request) -> str:
    """The collection in the path of a request, such as `files` in `/v1/files/{uuid}/`."""
    return request.url.path.split("/")[2]


def requested_asset(request: Request, *kinds: Kind) -> Asset:
    """The asset in the path of a request.

    Args:
        request: The request.
        *kinds: The kinds that the endpoint is for; any if none is given.

    Raises:
        ApiError: There is no such asset.
    """
    collection, uuid = collection_of(request), request.path_params["asset"]
    kind = COLLECTIONS.get(collection)
    asset = state_of(request).store.find(kind, uuid) if kind is not None else None
    if asset is None or (kinds and asset.kind not in kinds):
        raise not_found(f"{collection} resource", uuid)
    return asset


def requested_composition(request: Request) -> Composition:
    """The map, tileset or mosaic in the path of a request.

    Raises:
        ApiError: There is no such composition.
    """
    kind, uuid = CompositionKind(collection_of(request)), request.path_params["asset"]
    found = state_of(request).compositions.find(kind, uuid)
    if found is None:
        raise not_found(f"{kind.value} resource", uuid)
    return found


def requested_layer(request: Request, parameter: str) -> Asset:
    """The layer or view whose uuid is in the body of a request.

    Raises:
        ApiError: The parameter is missing, or there is no such layer.
    """
    uuid, store = required(body_of(request), parameter), state_of(request).store
    found = store.find(AssetKind.VECTOR, uuid) or store.find(OtherKind.VIEW, uuid)
    if found is None:
        raise invalid_parameter("body", parameter, f"there is no layer {uuid!r}")
    return found


def requested_file(request: Request) -> Asset:
    """The file that the body of a request names in `file_uuid`.

    Raises:
        ApiError: The parameter is missing, or there is no such file.
    """
    uuid = required(body_of(request), "file_uuid")
    file = state_of(request).store.find(AssetKind.FILE, uuid)
    if file is None:
        raise invalid_parameter("body", "file_uuid", f"there is no file {uuid!r}")
    return file
