"""Maps, tilesets and mosaics: created, listed, changed, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.thumbnails import thumbnail
from prefect_geobox.emulator.http.errors import invalid_parameter, missing_parameter, not_found
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.parameters import boolean, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.state.emulator_state import EmulatorState, state_of
from prefect_geobox.emulator.state.layers import split
from prefect_geobox.emulator.state.lookup import collection_of, requested_composition
from prefect_geobox.emulator.state.map_compositions import Composition, CompositionKind
from prefect_geobox.emulator.state.store import Asset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

_FIELDS = ("id", "uuid", "name", "display_name", "description", "created_at", "last_edit_at")
_LIST_LIMITS = {CompositionKind.MOSAIC: 100}
_DEFAULT_LIMIT = 10
# The details that a request may set, by kind.
_DETAILS: dict[CompositionKind, tuple[str, ...]] = {
    CompositionKind.MAP: ("display_name", "description", "extent", "thumbnail"),
    CompositionKind.MOSAIC: ("display_name", "description", "pixel_selection", "min_zoom"),
    CompositionKind.TILESET: ("display_name", "description", "min_zoom", "max_zoom"),
}


async def create(request: Request) -> Response:
    """`POST maps/`, `POST mosaics/` and `POST tilesets/`."""
    state, body = state_of(request), body_of(request)
    kind = CompositionKind(collection_of(request))
    name = required(body, "name")
    details = {field: body.get(field) for field in _DETAILS[kind]}
    details["display_name"] = details["display_name"] or name
    composition = Composition(kind, name, details)
    if kind is CompositionKind.MAP:
        composition.style = _style(body.get("style"))
    if kind is CompositionKind.TILESET:
        layers = body.get("layers")
        for layer in layers if isinstance(layers, list) else []:
            key = layer.get("layer_uuid") if isinstance(layer, dict) else None
            composition.members.append(_layer(state, key).uuid)
    state.compositions.add(composition)
    return JSONResponse(composition.view())


async def list_all(request: Request) -> Response:
    """`GET maps/`, `GET mosaics/` and `GET tilesets/`."""
    state, params = state_of(request), request.query_params
    kind = CompositionKind(collection_of(request))
    query = ListQuery.read(params, _FIELDS, _LIST_LIMITS.get(kind, _DEFAULT_LIMIT))
    # The emulator has one user: nothing is shared with it.
    compositions = [] if boolean(params.get("shared")) else state.compositions.all(kind)
    return state.list_response(query.select(compositions, Composition.view), Composition.view)


async def get_one(request: Request) -> Response:
    """`GET {collection}/{uuid}/`."""
    return JSONResponse(requested_composition(request).view())


async def change(request: Request) -> Response:
    """`PUT {collection}/{uuid}/`."""
    composition, body = requested_composition(request), body_of(request)
    composition.name = body.text("name") or composition.name
    for field in _DETAILS[composition.kind]:
        if body.get(field) is not None:
            composition.details[field] = body.get(field)
    if composition.kind is CompositionKind.MAP and body.get("style") is not None:
        composition.style = _style(body.get("style"))
    return JSONResponse(composition.view())


async def delete(request: Request) -> Response:
    """`DELETE {collection}/{uuid}/`."""
    composition, state = requested_composition(request), state_of(request)
    state.compositions.remove(composition)
    state.caches.pop(composition.uuid, None)
    return Response(status_code=204)


async def get_style(request: Request) -> Response:
    """`GET maps/{uuid}/style/`."""
    return JSONResponse(requested_composition(request).style)


async def get_thumbnail(request: Request) -> Response:
    """`GET maps/{uuid}/thumbnail.png` and `GET mosaics/{uuid}/thumbnail.png`."""
    return Response(thumbnail(requested_composition(request).uuid), media_type="image/png")


async def list_layers(request: Request) -> Response:
    """`GET tilesets/{uuid}/layers/`."""
    state = state_of(request)
    layers = list(_members(state, requested_composition(request), AssetKind.VECTOR))
    found = ListQuery.read(request.query_params, _FIELDS, _DEFAULT_LIMIT).select(layers, Asset.view)
    # The SDK reads `is_view` of each; the emulator adds no views to tilesets.
    return state.list_response(found, lambda layer: {**layer.view(), "is_view": False})


async def add_layer(request: Request) -> Response:
    """`POST tilesets/{uuid}/layers/`."""
    tileset = requested_composition(request)
    layer = _layer(state_of(request), body_of(request).text("layer_uuid"))
    if layer.uuid not in tileset.members:
        tileset.members.append(layer.uuid)
    return JSONResponse(tileset.view())


async def remove_layer(request: Request) -> Response:
    """`DELETE tilesets/{uuid}/layers/`."""
    tileset, key = requested_composition(request), body_of(request).text("layer_uuid")
    if key not in tileset.members:
        raise not_found("layer of the tileset", str(key))
    tileset.members.remove(key)
    return Response(status_code=204)


async def list_rasters(request: Request) -> Response:
    """`GET mosaics/{uuid}/rasters`."""
    rasters = _members(state_of(request), requested_composition(request), AssetKind.RASTER)
    return JSONResponse([raster.view() for raster in rasters])


async def add_rasters(request: Request) -> Response:
    """`POST mosaics/{uuid}/rasters/`; it names rasters by their `id`."""
    mosaic, body = requested_composition(request), body_of(request)
    asked = [value for key, value in body.pairs if key == "raster_ids"]
    for raster in _rasters(request, "body", asked):
        if raster.uuid not in mosaic.members:
            mosaic.members.append(raster.uuid)
    return JSONResponse(mosaic.view())


async def remove_rasters(request: Request) -> Response:
    """`DELETE mosaics/{uuid}/rasters/?raster_ids=`."""
    mosaic = requested_composition(request)
    asked = split(request.query_params.getlist("raster_ids"))
    removed = {raster.uuid for raster in _rasters(request, "query", asked)}
    mosaic.members = [key for key in mosaic.members if key not in removed]
    return Response(status_code=204)


def _style(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_parameter("body", "style", "value is not an object", "type_error.dict")
    return value


def _layer(state: EmulatorState, key: Any) -> Asset:
    if not isinstance(key, str):
        raise missing_parameter("body", "layer_uuid")
    layer = state.store.find(AssetKind.VECTOR, key)
    if layer is None:
        raise not_found("vector layer", key)
    return layer


def _members(state: EmulatorState, composition: Composition, kind: AssetKind) -> Iterable[Asset]:
    # A guess: a deleted asset stops being a member.
    found = (state.store.find(kind, key) for key in composition.members)
    return (asset for asset in found if asset is not None)


def _rasters(request: Request, where: str, asked: list[str]) -> list[Asset]:
    if not asked:
        raise missing_parameter(where, "raster_ids")
    rasters = {str(raster.id): raster for raster in state_of(request).store.all(AssetKind.RASTER)}
    for key in asked:
        if key not in rasters:
            raise not_found("raster", key)
    return [rasters[key] for key in asked]


def _routes(kind: CompositionKind) -> list[Route]:
    collection = f"/v1/{kind.value}"
    one = collection + "/{asset}"
    return [
        Route(collection, create, methods=["POST"]),
        Route(collection, list_all),
        Route(one, get_one),
        Route(one, change, methods=["PUT"]),
        Route(one, delete, methods=["DELETE"]),
    ]


ROUTES = [
    *(route for kind in CompositionKind for route in _routes(kind)),
    Route("/v1/maps/{asset}/style", get_style),
    Route("/v1/maps/{asset}/thumbnail.png", get_thumbnail),
    Route("/v1/mosaics/{asset}/thumbnail.png", get_thumbnail),
    Route("/v1/mosaics/{asset}/rasters", list_rasters),
    Route("/v1/mosaics/{asset}/rasters", add_rasters, methods=["POST"]),
    Route("/v1/mosaics/{asset}/rasters", remove_rasters, methods=["DELETE"]),
    Route("/v1/tilesets/{asset}/layers", list_layers),
    Route("/v1/tilesets/{asset}/layers", add_layer, methods=["POST"]),
    Route("/v1/tilesets/{asset}/layers", remove_layer, methods=["DELETE"]),
]
