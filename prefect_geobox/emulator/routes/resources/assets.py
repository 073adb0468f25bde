"""Assets: lists, details, features, fields, rows, downloads, deletion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.optional_libraries import JobFailed, library
from prefect_geobox.emulator.geodata.thumbnails import thumbnail
from prefect_geobox.emulator.http.downloads import download_of
from prefect_geobox.emulator.http.errors import ApiError, boolean, invalid_parameter, not_found
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.features import feature_collection
from prefect_geobox.emulator.state.layers import (
    column_names,
    fields_of,
    narrowed,
    rows_of,
    selected,
)
from prefect_geobox.emulator.state.store import Asset, Kind, OtherKind
from prefect_geobox.emulator.state.uploaded_files import is_accepted, make_file

if TYPE_CHECKING:
    from starlette.requests import Request

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
# Layers, files and tables have none.
_WITH_THUMBNAIL = {AssetKind.RASTER, AssetKind.MODEL, AssetKind.TILES3D}
_LIST_LIMITS: dict[Kind, int] = {AssetKind.RASTER: 100}
_DEFAULT_LIMIT = 10
_ROWS_LIMIT = 100
_FIELDS = (
    "id",
    "uuid",
    "name",
    "display_name",
    "description",
    "created_at",
    "last_edit_at",
    "layer_type",
    "file_type",
    "size",
    "temporary",
)


def asset_of(request: Request, *kinds: Kind) -> Asset:
    """The asset that a request names.

    Args:
        request: The request.
        *kinds: The kinds that the endpoint is for; any where none is given.

    Raises:
        ApiError: There is no such asset.
    """
    collection, key = request.path_params["collection"], request.path_params["asset"]
    kind = COLLECTIONS.get(collection)
    asset = state_of(request).store.find(kind, key) if kind is not None else None
    if asset is None or (kinds and asset.kind not in kinds):
        raise not_found(f"{collection} resource", key)
    return asset


async def upload(request: Request) -> Response:
    """`POST files/`."""
    try:
        library("python_multipart", "Uploading a file")
    except JobFailed as error:
        raise ApiError(422, {"msg": str(error), "type": error.kind}) from None
    body = body_of(request)
    file = body.uploads.get("file")
    if file is None:
        raise invalid_parameter("body", "file", "field required", "value_error.missing")
    if not is_accepted(file.filename):
        message = f"files such as {file.filename!r} are not accepted"
        raise invalid_parameter("body", "file", message)
    scan = boolean(body.text("scan_archive"), default=True)
    state = state_of(request)
    asset = await asyncio.to_thread(make_file, file.filename, file.content, scan_archive=scan)
    state.store.add(asset)
    return JSONResponse(asset.view())


async def list_assets(request: Request) -> Response:
    """`GET {collection}/`."""
    kind = COLLECTIONS.get(request.path_params["collection"])
    if kind is None:
        raise not_found("resource", request.path_params["collection"])
    state, params = state_of(request), request.query_params
    query = ListQuery.read(params, _FIELDS, _LIST_LIMITS.get(kind, _DEFAULT_LIMIT))
    # The emulator has one user: nothing is shared with it. What `temporary=False` leaves out is not
    # known; a guess: nothing, so that only `True` filters.
    assets = [] if boolean(params.get("shared")) else list(state.store.all(kind))
    if boolean(params.get("temporary")):
        assets = [asset for asset in assets if asset.details.get("temporary")]
    found = query.select(assets, Asset.view)
    if isinstance(found, int):
        return JSONResponse(state.count(found))
    return JSONResponse([asset.view() for asset in found])


async def get_asset(request: Request) -> Response:
    """`GET {collection}/{uuid}/`, and `…/info/` for files."""
    return JSONResponse(asset_of(request).view())


async def delete_asset(request: Request) -> Response:
    """`DELETE {collection}/{uuid}/`."""
    state_of(request).store.remove(asset_of(request))
    # Whether the API sends a body is not known; clients read none.
    return Response(status_code=204)


async def make_temporary(request: Request) -> Response:
    """`POST {collection}/{uuid}/makeTemporary/`."""
    return _set_temporary(request, temporary=True)


async def make_permanent(request: Request) -> Response:
    """`POST {collection}/{uuid}/makePermanent/`."""
    return _set_temporary(request, temporary=False)


async def list_features(request: Request) -> Response:
    """`GET vectorLayers/{uuid}/features/`."""
    layer = asset_of(request, AssetKind.VECTOR, OtherKind.VIEW)
    found = await asyncio.to_thread(feature_collection, layer, request.query_params)
    return JSONResponse(state_of(request).count(found) if isinstance(found, int) else found)


async def get_feature(request: Request) -> Response:
    """`GET vectorLayers/{uuid}/features/{id}`."""
    key = request.path_params["feature"]
    for feature in rows_of(asset_of(request, AssetKind.VECTOR, OtherKind.VIEW)):
        if str(feature["id"]) == key:
            return JSONResponse(feature)
    raise not_found("feature", key)


async def list_fields(request: Request) -> Response:
    """`GET {collection}/{uuid}/fields/`."""
    asset = asset_of(request, AssetKind.VECTOR, OtherKind.VIEW, AssetKind.TABLE)
    fields = [
        {"id": number, "name": f.name, "display_name": f.name, "datatype": f.datatype}
        for number, f in enumerate(fields_of(asset), start=1)
    ]
    return JSONResponse(fields)


async def list_rows(request: Request) -> Response:
    """`GET tables/{uuid}/rows/`."""
    table, params = asset_of(request, AssetKind.TABLE), request.query_params
    query = ListQuery.read(params, column_names(table), _ROWS_LIMIT)
    found: list[dict[str, Any]] | int = query.select(narrowed(table, params), dict)
    if isinstance(found, int):
        return JSONResponse(state_of(request).count(found))
    columns = {"id", *(field.name for field in selected(table, params, "fields", "exclude"))}
    return JSONResponse([{k: v for k, v in row.items() if k in columns} for row in found])


async def get_row(request: Request) -> Response:
    """`GET tables/{uuid}/rows/{id}/`."""
    key = request.path_params["row"]
    for row in asset_of(request, AssetKind.TABLE).rows:
        if str(row["id"]) == key:
            return JSONResponse(row)
    raise not_found("row", key)


async def download(request: Request) -> Response:
    """`GET {collection}/{uuid}/download/` and `content/`."""
    asset = asset_of(request, AssetKind.FILE, AssetKind.RASTER, AssetKind.MODEL)
    suffixes: dict[Kind, str] = {AssetKind.RASTER: ".tif", AssetKind.MODEL: ".glb"}
    name = f"{asset.name}{suffixes.get(asset.kind, '')}"
    return download_of(request.headers, name, asset.content)


async def get_thumbnail(request: Request) -> Response:
    """`GET {collection}/{uuid}/thumbnail.png`."""
    asset = asset_of(request, *_WITH_THUMBNAIL)
    return Response(thumbnail(asset.uuid), media_type="image/png")


def _set_temporary(request: Request, *, temporary: bool) -> Response:
    asset = asset_of(request)
    asset.details["temporary"] = temporary
    return JSONResponse(asset.view())


_ASSET = "/v1/{collection}/{asset}"

ROUTES = [
    Route("/v1/files", upload, methods=["POST"]),
    Route("/v1/{collection}", list_assets),
    Route(_ASSET, get_asset),
    Route(_ASSET, delete_asset, methods=["DELETE"]),
    Route(f"{_ASSET}/info", get_asset),
    Route(f"{_ASSET}/makeTemporary", make_temporary, methods=["POST"]),
    Route(f"{_ASSET}/makePermanent", make_permanent, methods=["POST"]),
    Route(f"{_ASSET}/features", list_features),
    Route(_ASSET + "/features/{feature}", get_feature),
    Route(f"{_ASSET}/fields", list_fields),
    Route(f"{_ASSET}/rows", list_rows),
    Route(_ASSET + "/rows/{row}", get_row),
    Route(f"{_ASSET}/download", download),
    Route(f"{_ASSET}/content", download),
    Route(f"{_ASSET}/thumbnail.png", get_thumbnail),
]
