"""Maps exported as pictures, and groups of layers exported as files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.parameters import choice, integer, required_query
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.exports import FORMATS, ExportedLayer, export_layers
from prefect_geobox.emulator.jobs.map_images import Frame, export_map, layers_of
from prefect_geobox.emulator.jobs.start import start_job
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import BASE_SRID, fields_of, rows_of, split
from prefect_geobox.emulator.state.lookup import requested_asset, requested_composition
from prefect_geobox.emulator.state.store import OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

# The allowed width and height of a picture in pixels.
_SIDES = range(10, 10_001)
# Web Mercator, in which maps are drawn, ends a little beyond this.
_LAST_LATITUDE = 85.0


async def export_map_image(request: Request) -> Response:
    """`POST maps/{uuid}/export/`: a task that draws the map into a PNG."""
    state, composition = state_of(request), requested_composition(request)
    width, height = _side(request, "width"), _side(request, "height")
    frame = Frame(_bbox(request), width, height)
    layers = layers_of(composition.style, state.store)
    features = sum(len(layer.rows) for layer in layers)
    work = partial(export_map, composition.name, layers, frame)
    # The name of the task is a guess.
    return JSONResponse(state.start("export:map-to-image", work, features))


async def export_group_layer(request: Request) -> Response:
    """`POST groupLayers/{uuid}/export/`."""
    group, body = requested_asset(request, OtherKind.GROUP), body_of(request)
    if not group.members:
        raise invalid_parameter("path", "uuid", f"the group {group.name!r} has no layers")
    exported = [
        ExportedLayer(
            name=member.name,
            layer_type=member.details["layer_type"],
            has_z=member.details["has_z"],
            fields=fields_of(member),
            rows=rows_of(member),
        )
        for member in group.members
    ]
    work = partial(
        export_layers,
        exported,
        body.text("out_filename") or group.name,
        choice(body.text("out_format") or "GPKG", "body", "out_format", FORMATS),
        integer(body.text("out_srid"), "body", "out_srid", BASE_SRID),
        zipped=False,
    )
    count = sum(len(layer.rows) for layer in exported)
    return await start_job(request, "export:group-layer-to-file", work, count)


def _side(request: Request, name: str) -> int:
    text = required_query(request.query_params, name)
    if not (text.isascii() and text.isdigit() and int(text) in _SIDES):
        message = f"value is not an integer from {_SIDES[0]} to {_SIDES[-1]}"
        raise invalid_parameter("query", name, message, "type_error.integer")
    return int(text)


def _bbox(request: Request) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = map(float, split(request.query_params.getlist("bbox")))
    except ValueError:
        message = "value is not a list of four numbers"
        raise invalid_parameter("query", "bbox", message, "type_error.list") from None
    # A guess after the SDK's example, which can only be degrees.
    is_box = -180 <= west < east <= 180 and -90 <= south < north <= 90
    if not is_box or north <= -_LAST_LATITUDE or south >= _LAST_LATITUDE:
        message = "value is not west, south, east and north in degrees"
        raise invalid_parameter("query", "bbox", message)
    return west, south, east, north


ROUTES = [
    Route("/v1/maps/{asset}/export", export_map_image, methods=["POST"]),
    Route("/v1/groupLayers/{asset}/export", export_group_layer, methods=["POST"]),
]
