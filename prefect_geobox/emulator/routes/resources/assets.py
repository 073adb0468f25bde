"""Assets: lists, details, features, fields, rows, downloads, deletion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.thumbnails import thumbnail
from prefect_geobox.emulator.http.downloads import download_response
from prefect_geobox.emulator.http.errors import not_found
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.parameters import boolean
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.features import feature_collection
from prefect_geobox.emulator.state.layers import (
    column_names,
    fields_of,
    rows_by_id_and_box,
    rows_of,
    selected_fields,
)
from prefect_geobox.emulator.state.lookup import (
    COLLECTIONS,
    LAYER_KINDS,
    collection_of,
    requested_asset,
)
from prefect_geobox.emulator.state.store import Asset, Kind

if TYPE_CHECKING:
    from starlette.requests import Request

# Layers, files and tables have no thumbnail.
_KINDS_WITH_THUMBNAIL = {AssetKind.RASTER, AssetKind.MODEL, AssetKind.TILES3D}
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


async def list_assets(request: Request) -> Response:
    """`GET {collection}/`."""
    kind = COLLECTIONS.get(collection_of(request))
    if kind is None:
        raise not_found("resource", collection_of(request))
    state, params = state_of(request), request.query_params
    query = ListQuery.read(params, _FIELDS, _LIST_LIMITS.get(kind, _DEFAULT_LIMIT))
    # The emulator has one user: nothing is shared with it. What `temporary=False` leaves out is not
    # known; a guess: nothing, so that only `True` filters.
    assets = [] if boolean(params.get("shared")) else list(state.store.all(kind))
    if boolean(params.get("temporary")):
        assets = [asset for asset in assets if asset.details.get("temporary")]
    return state.list_response(query.select(assets, Asset.view), Asset.view)


async def get_asset(request: Request) -> Response:
    """`GET {collection}/{uuid}/`, and `…/info/` for files."""
    return JSONResponse(requested_asset(request).view())


async def delete_asset(request: Request) -> Response:
    """`DELETE {collection}/{uuid}/`."""
    state_of(request).store.remove(requested_asset(request))
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
    layer = requested_asset(request, *LAYER_KINDS)
    found = await asyncio.to_thread(feature_collection, layer, request.query_params)
    return JSONResponse(state_of(request).count(found) if isinstance(found, int) else found)


async def get_feature(request: Request) -> Response:
    """`GET vectorLayers/{uuid}/features/{id}`."""
    key = request.path_params["feature"]
    for feature in rows_of(requested_asset(request, *LAYER_KINDS)):
        if str(feature["id"]) == key:
            return JSONResponse(feature)
    raise not_found("feature", key)


async def list_fields(request: Request) -> Response:
    """`GET {collection}/{uuid}/fields/`."""
    asset = requested_asset(request, *LAYER_KINDS, AssetKind.TABLE)
    fields = [
        {"id": number, "name": f.name, "display_name": f.name, "datatype": f.datatype}
        for number, f in enumerate(fields_of(asset), start=1)
    ]
    return JSONResponse(fields)


async def list_rows(request: Request) -> Response:
    """`GET tables/{uuid}/rows/`."""
    table, params = requested_asset(request, AssetKind.TABLE), request.query_params
    query = ListQuery.read(params, column_names(table), _ROWS_LIMIT)
    found = query.select(rows_by_id_and_box(table, params), dict)
    columns = {"id", *(field.name for field in selected_fields(table, params, "fields", "exclude"))}
    return state_of(request).list_response(
        found, lambda row: {k: v for k, v in row.items() if k in columns}
    )


async def get_row(request: Request) -> Response:
    """`GET tables/{uuid}/rows/{id}/`."""
    key = request.path_params["row"]
    for row in requested_asset(request, AssetKind.TABLE).rows:
        if str(row["id"]) == key:
            return JSONResponse(row)
    raise not_found("row", key)


async def download(request: Request) -> Response:
    """`GET {collection}/{uuid}/download/` and `content/`."""
    asset = requested_asset(request, AssetKind.FILE, AssetKind.RASTER, AssetKind.MODEL)
    suffixes: dict[Kind, str] = {AssetKind.RASTER: ".tif", AssetKind.MODEL: ".glb"}
    name = f"{asset.name}{suffixes.get(asset.kind, '')}"
    return download_response(request.headers, name, asset.content)


async def get_thumbnail(request: Request) -> Response:
    """`GET {collection}/{uuid}/thumbnail.png`."""
    asset = requested_asset(request, *_KINDS_WITH_THUMBNAIL)
    return Response(thumbnail(asset.uuid), media_type="image/png")


def _set_temporary(request: Request, *, temporary: bool) -> Response:
    asset = requested_asset(request)
    asset.details["temporary"] = temporary
    return JSONResponse(asset.view())


_ASSET = "/v1/{collection}/{asset}"

ROUTES = [
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
