"""`queries/`: the system queries, users' own, and what can be done with their SQL."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.geodata.optional_libraries import JobFailed
from prefect_geobox.emulator.geodata.reprojection import from_web_mercator
from prefect_geobox.emulator.http.errors import (
    ApiError,
    boolean,
    integer,
    invalid_parameter,
    required,
)
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.request_body import Body, body_of
from prefect_geobox.emulator.jobs.queries import (
    Query,
    answered,
    resolved,
    save_as_layer,
    save_as_table,
)
from prefect_geobox.emulator.jobs.start import created, started
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.features import collection, moved
from prefect_geobox.emulator.state.layers import BASE_SRID
from prefect_geobox.emulator.state.store import Asset, OtherKind
from prefect_geobox.emulator.vector_tools.catalogue import TOOLS

if TYPE_CHECKING:
    from starlette.requests import Request

_QUERIES_LIMIT = 100
_QUERY_FIELDS = ("id", "uuid", "name", "display_name", "sql")
# As queries spell the types of layers.
_LAYER_TYPES = {
    "Point": "Point",
    "Multipoint": "MultiPoint",
    "Polyline": "Polyline",
    "Polygon": "Polygon",
}
_RESULT_TYPES = ("metadata", "data", "both")


async def list_system_queries(request: Request) -> Response:
    """`GET queries/systemQueries/`."""
    query = ListQuery.read(request.query_params, _QUERY_FIELDS, _QUERIES_LIMIT)
    described = [tool.described(number) for number, tool in enumerate(TOOLS, start=1)]
    found = query.select(described, dict)
    return JSONResponse(state_of(request).count(found) if isinstance(found, int) else found)


async def create_query(request: Request) -> Response:
    """`POST queries/`."""
    body = body_of(request)
    name = required(body, "name")
    details = {
        "display_name": body.text("display_name") or name,
        "description": body.text("description"),
        "sql": body.text("sql"),
        "params": _params(body),
    }
    return created(request, Asset(OtherKind.QUERY, name, details))


async def save_query_as_layer(request: Request) -> Response:
    """`POST queries/saveAsLayer/`."""
    body = body_of(request)
    name = required(body, "layer_name")
    layer_type = body.text("layer_type")
    if layer_type is not None and layer_type not in _LAYER_TYPES:
        message = f"{layer_type!r} is none of {', '.join(_LAYER_TYPES)}"
        raise invalid_parameter("body", "layer_type", message, "type_error.enum")
    query = _query(request)
    work = partial(
        save_as_layer,
        query,
        name,
        _LAYER_TYPES[layer_type] if layer_type else None,
        temporary=boolean(body.text("temporary")),
    )
    return await started(request, "query:save-as-vector-layer", work, query.features)


async def save_query_as_table(request: Request) -> Response:
    """`POST queries/saveAsTable/`."""
    name = required(body_of(request), "table_name")
    query = _query(request)
    work = partial(save_as_table, query, name)
    return await started(request, "query:save-as-table", work, query.features)


async def execute(request: Request) -> Response:
    """`POST queries/exec/`.

    What the API answers is not known; a guess: `data`, a GeoJSON object or a list of rows where
    nothing has a shape, and `metadata` about its columns.
    """
    body = body_of(request)
    if (body.text("f") or "json") != "json":
        raise ApiError(501, f"the emulator answers queries as json only, not as {body.text('f')}")
    wanted = body.text("result_type") or "both"
    if wanted not in _RESULT_TYPES:
        message = f"{wanted!r} is none of {', '.join(_RESULT_TYPES)}"
        raise invalid_parameter("body", "result_type", message, "type_error.enum")
    srid = integer(body.text("out_srid"), "body", "out_srid", BASE_SRID)
    skip = integer(body.text("skip"), "body", "skip", 0)
    limit = integer(body.text("limit"), "body", "limit", _QUERIES_LIMIT)
    geometries = not boolean(body.text("skip_geometry"))
    query = _query(request)
    try:
        fields, features = await asyncio.to_thread(answered, query, geometries=geometries)
        if boolean(body.text("return_count")):
            return JSONResponse(state_of(request).count(len(features)))
        move = from_web_mercator(srid)
        page = [
            moved(feature, move) if feature["geometry"] else feature
            for feature in features[skip : skip + limit]
        ]
    except JobFailed as error:
        raise ApiError(422, {"msg": str(error), "type": error.kind}) from None
    has_shapes = any(feature["geometry"] for feature in features)
    metadata = {
        "count": len(features),
        "srid": srid if has_shapes else None,
        "fields": [{"name": field.name, "datatype": field.datatype} for field in fields],
    }
    data = collection(page, srid) if has_shapes else [one["properties"] for one in page]
    answer = {"metadata": metadata, "data": data}
    return JSONResponse({k: v for k, v in answer.items() if wanted in {k, "both"}})


def _query(request: Request) -> Query:
    body = body_of(request)
    return resolved(state_of(request).store, required(body, "sql"), _params(body))


def _params(body: Body) -> list[dict[str, Any]]:
    params = body.get("params")
    listed = params if isinstance(params, list) else []
    return [param for param in listed if isinstance(param, dict)]


ROUTES = [
    Route("/v1/queries/systemQueries", list_system_queries),
    Route("/v1/queries/saveAsLayer", save_query_as_layer, methods=["POST"]),
    Route("/v1/queries/saveAsTable", save_query_as_table, methods=["POST"]),
    Route("/v1/queries/exec", execute, methods=["POST"]),
    Route("/v1/queries", create_query, methods=["POST"]),
]
