"""Queries: users' SQL and that of vector tools, saved as a layer or table, executed or kept."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import from_web_mercator
from prefect_geobox.emulator.http.errors import ApiError
from prefect_geobox.emulator.http.parameters import boolean, choice, integer, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.queries import (
    Query,
    resolve_query,
    run_query,
    save_as_layer,
    save_as_table,
)
from prefect_geobox.emulator.jobs.start import api_error_of, create_asset, start_job
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.features import collection, reproject_feature
from prefect_geobox.emulator.state.layers import BASE_SRID
from prefect_geobox.emulator.state.store import Asset, OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.http.request_body import Body

_DEFAULT_LIMIT = 100
# The types of layers as queries spell them.
_LAYER_TYPES = {
    "Point": "Point",
    "Multipoint": "MultiPoint",
    "Polyline": "Polyline",
    "Polygon": "Polygon",
}
_RESULT_TYPES = ("metadata", "data", "both")


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
    return create_asset(request, Asset(OtherKind.QUERY, name, details))


async def save_query_as_layer(request: Request) -> Response:
    """`POST queries/saveAsLayer/`."""
    body = body_of(request)
    name = required(body, "layer_name")
    layer_type = body.text("layer_type")
    if layer_type is not None:
        layer_type = _LAYER_TYPES[choice(layer_type, "body", "layer_type", _LAYER_TYPES)]
    query = _query(request)
    temporary = boolean(body.text("temporary"))
    work = partial(save_as_layer, query, name, layer_type, temporary=temporary)
    return await start_job(request, "query:save-as-vector-layer", work, query.feature_count)


async def save_query_as_table(request: Request) -> Response:
    """`POST queries/saveAsTable/`."""
    name = required(body_of(request), "table_name")
    query = _query(request)
    work = partial(save_as_table, query, name)
    return await start_job(request, "query:save-as-table", work, query.feature_count)


async def execute_query(request: Request) -> Response:
    """`POST queries/exec/`.

    What the API answers is not known; a guess: `data`, a GeoJSON object, or a list of rows where
    no row has a geometry, and `metadata` about its columns.
    """
    body = body_of(request)
    if (body.text("f") or "json") != "json":
        raise ApiError(501, f"the emulator answers queries as json only, not as {body.text('f')}")
    wanted = choice(body.text("result_type") or "both", "body", "result_type", _RESULT_TYPES)
    srid = integer(body.text("out_srid"), "body", "out_srid", BASE_SRID)
    skip = integer(body.text("skip"), "body", "skip", 0)
    limit = integer(body.text("limit"), "body", "limit", _DEFAULT_LIMIT)
    geometries = not boolean(body.text("skip_geometry"))
    query = _query(request)
    try:
        fields, features = await asyncio.to_thread(run_query, query, geometries=geometries)
        if boolean(body.text("return_count")):
            return JSONResponse(state_of(request).count(len(features)))
        transform = from_web_mercator(srid)
        page = [
            reproject_feature(feature, transform) if feature["geometry"] else feature
            for feature in features[skip : skip + limit]
        ]
    except JobError as error:
        raise api_error_of(error) from None
    has_geometries = any(feature["geometry"] for feature in features)
    metadata = {
        "count": len(features),
        "srid": srid if has_geometries else None,
        "fields": [{"name": field.name, "datatype": field.datatype} for field in fields],
    }
    data = collection(page, srid) if has_geometries else [row["properties"] for row in page]
    answer = {"metadata": metadata, "data": data}
    return JSONResponse({k: v for k, v in answer.items() if wanted in {k, "both"}})


def _query(request: Request) -> Query:
    body = body_of(request)
    return resolve_query(state_of(request).store, required(body, "sql"), _params(body))


def _params(body: Body) -> list[dict[str, Any]]:
    params = body.get("params")
    listed = params if isinstance(params, list) else []
    return [param for param in listed if isinstance(param, dict)]


ROUTES = [
    Route("/v1/queries/saveAsLayer", save_query_as_layer, methods=["POST"]),
    Route("/v1/queries/saveAsTable", save_query_as_table, methods=["POST"]),
    Route("/v1/queries/exec", execute_query, methods=["POST"]),
    Route("/v1/queries", create_query, methods=["POST"]),
]
