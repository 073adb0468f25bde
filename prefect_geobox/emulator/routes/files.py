"""What starts a remote task: publishing and exporting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import boolean, integer, invalid_parameter, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.publishing import PUBLISH_AS, TASK_NAMES, PublishOrder, publish
from prefect_geobox.emulator.routes.resources.assets import asset_of
from prefect_geobox.emulator.routes.resources.layer_groups import export_group
from prefect_geobox.emulator.routes.tables import export_table
from prefect_geobox.emulator.routes.vector_edit import export_layer
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.store import Kind, OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

_BASE_SRID = 3857


async def publish_file(request: Request) -> Response:
    """`POST files/{uuid}/publish/`."""
    state, file, body = state_of(request), asset_of(request, AssetKind.FILE), body_of(request)
    kind = PUBLISH_AS.get(required(body, "publish_as"))
    if kind is None:
        message = f"is none of {', '.join(PUBLISH_AS)}"
        raise invalid_parameter("body", "publish_as", message, "type_error.enum")
    order = PublishOrder(
        kind=kind,
        name=required(body, "layer_name"),
        dataset=body.text("input_dataset"),
        layer=body.text("input_layer"),
        geometry_type=body.text("input_geom_type"),
        srid=integer(body.text("input_srid"), "body", "input_srid", _BASE_SRID),
        encoding=body.text("file_encoding") or "UTF-8",
        report_errors=boolean(body.text("report_errors"), default=True),
    )
    features = int(file.details["feature_count"])
    return JSONResponse(state.start(TASK_NAMES[kind], partial(publish, file, order), features))


async def export_asset(request: Request) -> Response:
    """`POST {collection}/{uuid}/export/` of a layer, view, table or group of layers."""
    asset = asset_of(request, *_EXPORTS)
    return await _EXPORTS[asset.kind](request)


_EXPORTS: dict[Kind, Callable[[Request], Awaitable[Response]]] = {
    AssetKind.VECTOR: export_layer,
    OtherKind.VIEW: export_layer,
    AssetKind.TABLE: export_table,
    OtherKind.GROUP: export_group,
}

ROUTES = [
    Route("/v1/{collection}/{asset}/publish", publish_file, methods=["POST"]),
    Route("/v1/{collection}/{asset}/export", export_asset, methods=["POST"]),
]
