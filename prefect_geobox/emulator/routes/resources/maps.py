"""Maps, tilesets and mosaics: made, listed, changed, deleted, and maps exported as pictures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.thumbnails import thumbnail
from prefect_geobox.emulator.http.errors import boolean, invalid_parameter, not_found
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.map_images import Frame, export_map, layers_of
from prefect_geobox.emulator.state.emulator_state import EmulatorState, state_of
from prefect_geobox.emulator.state.map_compositions import Composition, CompositionKind
from prefect_geobox.emulator.state.store import Asset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

_FIELDS = ("id", "uuid", "name", "display_name", "description", "created_at", "last_edit_at")
_LIST_LIMITS = {CompositionKind.MOSAIC: 100}
_DEFAULT_LIMIT = 10
# What a request may set, by kind.
_DETAILS: dict[CompositionKind, tuple[str, ...]] = {
    CompositionKind.MAP: ("display_name", "description", "extent", "thumbnail"),
    CompositionKind.MOSAIC: ("display_name", "description", "pixel_selection", "min_zoom"),
    CompositionKind.TILESET: ("display_name", "description", "min_zoom", "max_zoom"),
}
_SIDES = range(10, 10_001)
# Web Mercator, in which maps are drawn, ends a little further.
_LAST_LATITUDE = 85.0


def composition_of(request: Request) -> Composition:
    """The map, tileset or mosaic that a request names.

    Raises:
        ApiError: There is no such one.
    """
    kind, key = _kind(request), request.path_params["asset"]
    found = state_of(request).compositions.find(kind, key)
    if found is None:
        raise not_found(f"{kind.value} resource", key)
    return found


async def create(request: Request) -> Response:
    """`POST maps/`, `POST mosaics/` and `POST tilesets/`."""
    state, kind, body = state_of(request), _kind(request), body_of(request)
    name = body.text("name")
    if name is None:
        raise invalid_parameter("body", "name", "field required", "value_error.missing")
    details = {field: body.get(field) for field in _DETAILS[kind]}
    details["display_name"] = details["display_name"] or name
    made = Composition(kind, name, details)
    if kind is CompositionKind.MAP:
        made.style = _style(body.get("style"))
    if kind is CompositionKind.TILESET:
        layers = body.get("layers")
        for layer in layers if isinstance(layers, list) else []:
            key = layer.get("layer_uuid") if isinstance(layer, dict) else None
            made.members.append(_layer(state, key).uuid)
    state.compositions.add(made)
    return JSONResponse(made.view())


async def list_all(request: Request) -> Response:
    """`GET maps/`, `GET mosaics/` and `GET tilesets/`."""
    state, kind, params = state_of(request), _kind(request), request.query_params
    query = ListQuery.read(params, _FIELDS, _LIST_LIMITS.get(kind, _DEFAULT_LIMIT))
    # The emulator has one user: nothing is shared with it.
    made = [] if boolean(params.get("shared")) else state.compositions.all(kind)
    found = query.select(made, Composition.view)
    if isinstance(found, int):
        return JSONResponse(state.count(found))
    return JSONResponse([one.view() for one in found])


async def get_one(request: Request) -> Response:
    """`GET {collection}/{uuid}/`."""
    return JSONResponse(composition_of(request).view())


async def change(request: Request) -> Response:
    """`PUT {collection}/{uuid}/`."""
    made, body = composition_of(request), body_of(request)
    made.name = body.text("name") or made.name
    for field in _DETAILS[made.kind]:
        if body.get(field) is not None:
            made.details[field] = body.get(field)
    if made.kind is CompositionKind.MAP and body.get("style") is not None:
        made.style = _style(body.get("style"))
    return JSONResponse(made.view())


async def delete(request: Request) -> Response:
    """`DELETE {collection}/{uuid}/`."""
    made, state = composition_of(request), state_of(request)
    state.compositions.remove(made)
    state.caches.pop(made.uuid, None)
    return Response(status_code=204)


async def get_style(request: Request) -> Response:
    """`GET maps/{uuid}/style/`."""
    return JSONResponse(composition_of(request).style)


async def get_thumbnail(request: Request) -> Response:
    """`GET maps/{uuid}/thumbnail.png` and `GET mosaics/{uuid}/thumbnail.png`."""
    return Response(thumbnail(composition_of(request).uuid), media_type="image/png")


async def list_layers(request: Request) -> Response:
    """`GET tilesets/{uuid}/layers/`."""
    state = state_of(request)
    layers = list(_members(state, composition_of(request), AssetKind.VECTOR))
    # The SDK looks at `is_view` of each; the emulator composes no views.
    found = ListQuery.read(request.query_params, _FIELDS, _DEFAULT_LIMIT).select(layers, Asset.view)
    if isinstance(found, int):
        return JSONResponse(state.count(found))
    return JSONResponse([{**layer.view(), "is_view": False} for layer in found])


async def add_layer(request: Request) -> Response:
    """`POST tilesets/{uuid}/layers/`."""
    tileset = composition_of(request)
    layer = _layer(state_of(request), body_of(request).text("layer_uuid"))
    if layer.uuid not in tileset.members:
        tileset.members.append(layer.uuid)
    return JSONResponse(tileset.view())


async def remove_layer(request: Request) -> Response:
    """`DELETE tilesets/{uuid}/layers/`."""
    tileset, key = composition_of(request), body_of(request).text("layer_uuid")
    if key not in tileset.members:
        raise not_found("layer of the tileset", str(key))
    tileset.members.remove(key)
    return Response(status_code=204)


async def list_rasters(request: Request) -> Response:
    """`GET mosaics/{uuid}/rasters`."""
    rasters = _members(state_of(request), composition_of(request), AssetKind.RASTER)
    return JSONResponse([raster.view() for raster in rasters])


async def add_rasters(request: Request) -> Response:
    """`POST mosaics/{uuid}/rasters/`; rasters are named by their numbers here."""
    mosaic, body = composition_of(request), body_of(request)
    asked = [value for key, value in body.pairs if key == "raster_ids"]
    for raster in _rasters(request, "body", asked):
        if raster.uuid not in mosaic.members:
            mosaic.members.append(raster.uuid)
    return JSONResponse(mosaic.view())


async def remove_rasters(request: Request) -> Response:
    """`DELETE mosaics/{uuid}/rasters/?raster_ids=`."""
    mosaic = composition_of(request)
    gone = {raster.uuid for raster in _rasters(request, "query", _listed(request, "raster_ids"))}
    mosaic.members = [key for key in mosaic.members if key not in gone]
    return Response(status_code=204)


async def export(request: Request) -> Response:
    """`POST maps/{uuid}/export/`: a task that draws the map into a PNG."""
    state, made = state_of(request), composition_of(request)
    width, height = _side(request, "width"), _side(request, "height")
    frame = Frame(_bbox(request), width, height)
    layers = layers_of(made.style, state.store)
    features = sum(len(layer.rows) for layer in layers)
    work = partial(export_map, made.name, layers, frame)
    # The name of the task is a guess.
    return JSONResponse(state.start("export:map-to-image", work, features))


def _kind(request: Request) -> CompositionKind:
    return CompositionKind(request.url.path.split("/")[2])


def _style(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_parameter("body", "style", "value is not an object", "type_error.dict")
    return value


def _layer(state: EmulatorState, key: Any) -> Asset:
    if not isinstance(key, str):
        message = "field required"
        raise invalid_parameter("body", "layer_uuid", message, "value_error.missing")
    layer = state.store.find(AssetKind.VECTOR, key)
    if layer is None:
        raise not_found("vector layer", key)
    return layer


def _members(state: EmulatorState, made: Composition, kind: AssetKind) -> Iterable[Asset]:
    # A guess: what was deleted is no longer a member.
    found = (state.store.find(kind, key) for key in made.members)
    return (asset for asset in found if asset is not None)


def _rasters(request: Request, where: str, asked: list[str]) -> list[Asset]:
    if not asked:
        raise invalid_parameter(where, "raster_ids", "field required", "value_error.missing")
    rasters = {str(raster.id): raster for raster in state_of(request).store.all(AssetKind.RASTER)}
    for key in asked:
        if key not in rasters:
            raise not_found("raster", key)
    return [rasters[key] for key in asked]


def _listed(request: Request, name: str) -> list[str]:
    """A list in a query, which the SDK writes as Python would print it."""
    text = ",".join(request.query_params.getlist(name)).strip("[] ")
    return [part.strip() for part in text.split(",") if part.strip()]


def _side(request: Request, name: str) -> int:
    text = request.query_params.get(name)
    if text is None:
        raise invalid_parameter("query", name, "field required", "value_error.missing")
    if not (text.isascii() and text.isdigit() and int(text) in _SIDES):
        message = f"value is not an integer from {_SIDES[0]} to {_SIDES[-1]}"
        raise invalid_parameter("query", name, message, "type_error.integer")
    return int(text)


def _bbox(request: Request) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in _listed(request, "bbox"))
    except ValueError:
        message = "value is not a list of four numbers"
        raise invalid_parameter("query", "bbox", message, "type_error.list") from None
    # A guess after the SDK's example, which can only be degrees.
    is_box = -180 <= west < east <= 180 and -90 <= south < north <= 90
    if not is_box or north <= -_LAST_LATITUDE or south >= _LAST_LATITUDE:
        message = "value is not west, south, east and north in degrees"
        raise invalid_parameter("query", "bbox", message)
    return west, south, east, north


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
    Route("/v1/maps/{asset}/export", export, methods=["POST"]),
    Route("/v1/maps/{asset}/thumbnail.png", get_thumbnail),
    Route("/v1/mosaics/{asset}/thumbnail.png", get_thumbnail),
    Route("/v1/mosaics/{asset}/rasters", list_rasters),
    Route("/v1/mosaics/{asset}/rasters", add_rasters, methods=["POST"]),
    Route("/v1/mosaics/{asset}/rasters", remove_rasters, methods=["DELETE"]),
    Route("/v1/tilesets/{asset}/layers", list_layers),
    Route("/v1/tilesets/{asset}/layers", add_layer, methods=["POST"]),
    Route("/v1/tilesets/{asset}/layers", remove_layer, methods=["DELETE"]),
]
