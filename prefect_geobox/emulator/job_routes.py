"""What starts a remote task: publishing, exports and vector tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.models import AssetKind
from prefect_geobox.emulator import vector_tools
from prefect_geobox.emulator.answers import boolean, integer, invalid_parameter, required
from prefect_geobox.emulator.asset_routes import asset_of
from prefect_geobox.emulator.extras import JobFailed
from prefect_geobox.emulator.group_routes import export_group
from prefect_geobox.emulator.listing import ListQuery
from prefect_geobox.emulator.publishing import PUBLISH_AS, TASK_NAMES, PublishOrder, publish
from prefect_geobox.emulator.recording import body_of
from prefect_geobox.emulator.state import EmulatorState, state_of
from prefect_geobox.emulator.store import Kind, OtherKind
from prefect_geobox.emulator.table_routes import export_table
from prefect_geobox.emulator.vector_routes import export_layer
from prefect_geobox.emulator.vector_tools import TOOLS, VectorTool

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.remote_tasks import Outcome

_BASE_SRID = 3857
_QUERIES_LIMIT = 100
_QUERY_FIELDS = ("id", "uuid", "name", "display_name", "sql")


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


async def list_system_queries(request: Request) -> Response:
    """`GET queries/systemQueries/`."""
    query = ListQuery.read(request.query_params, _QUERY_FIELDS, _QUERIES_LIMIT)
    found = query.select([_described(n, tool) for n, tool in enumerate(TOOLS, 1)], dict)
    return JSONResponse(state_of(request).count(found) if isinstance(found, int) else found)


async def save_as_layer(request: Request) -> Response:
    """`POST queries/saveAsLayer/`."""
    state, body = state_of(request), body_of(request)
    sql, name = required(body, "sql"), required(body, "layer_name")
    params = body.get("params")
    values = {
        param.get("name"): param.get("value")
        for param in (params if isinstance(params, list) else [])
        if isinstance(param, dict)
    }
    work = partial(_run, state, sql, values, name, temporary=boolean(body.text("temporary")))
    layer = state.store.find(AssetKind.VECTOR, str(values.get("layer")))
    features = len(layer.rows) if layer is not None else 0
    return JSONResponse(state.start("query:save-as-vector-layer", work, features))


def _run(
    state: EmulatorState, sql: str, values: dict[Any, Any], name: str, *, temporary: bool
) -> Outcome:
    tool = next((tool for tool in TOOLS if tool.sql == sql), None)
    if tool is None:
        names = ", ".join(tool.name for tool in TOOLS)
        reason = f"the emulator runs no SQL but that of its system queries: {names}"
        raise JobFailed(reason, "geobox.UnsupportedQueryError")
    layer = state.store.find(AssetKind.VECTOR, str(values.get("layer")))
    if layer is None:
        reason = f"vector layer {values.get('layer')!r} not found"
        raise JobFailed(reason, "geobox.NotFoundError")
    return vector_tools.run(tool, layer, values, name, temporary=temporary)


def _described(number: int, tool: VectorTool) -> dict[str, Any]:
    return {
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "id": number,
        "name": tool.name,
        "display_name": tool.name.removeprefix("$"),
        "sql": tool.sql,
        "params": [dict(param) for param in tool.params],
    }


_EXPORTS: dict[Kind, Callable[[Request], Awaitable[Response]]] = {
    AssetKind.VECTOR: export_layer,
    OtherKind.VIEW: export_layer,
    AssetKind.TABLE: export_table,
    OtherKind.GROUP: export_group,
}

ROUTES = [
    Route("/v1/{collection}/{asset}/publish", publish_file, methods=["POST"]),
    Route("/v1/{collection}/{asset}/export", export_asset, methods=["POST"]),
    Route("/v1/queries/systemQueries", list_system_queries),
    Route("/v1/queries/saveAsLayer", save_as_layer, methods=["POST"]),
]
