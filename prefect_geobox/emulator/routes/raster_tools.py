"""What rasters tell of themselves, and the analyses that make new ones."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.optional_libraries import JobFailed, library
from prefect_geobox.emulator.http.errors import ApiError, invalid_parameter, not_found
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.raster_tools.catalogue import ANALYSES
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import split

if TYPE_CHECKING:
    from starlette.requests import Request


async def analyse(request: Request) -> Response:
    """`POST analysis/{analysis}/`: a task that makes a raster, or a file of polygons."""
    analysis = ANALYSES.get(request.path_params["analysis"])
    if analysis is None:
        raise not_found("analysis", request.path_params["analysis"])
    state = state_of(request)
    name, values = analysis.read(body_of(request), state.store)
    work = partial(analysis.run, name, values)
    # The name of the task is a guess.
    return JSONResponse(state.start(f"analysis:{analysis.name}", work))


async def get_info(request: Request) -> Response:
    """`GET rasters/{uuid}/info/`."""
    return JSONResponse(await _read(request, "info"))


async def get_statistics(request: Request) -> Response:
    """`GET rasters/{uuid}/statistics/?indexes=`."""
    indexes = split(request.query_params.getlist("indexes"))
    if not all(index.isascii() and index.isdigit() and int(index) > 0 for index in indexes):
        message = "value is not a list of bands, counted from 1"
        raise invalid_parameter("query", "indexes", message, "type_error.list")
    return JSONResponse(await _read(request, "statistics", [int(index) for index in indexes]))


async def get_point(request: Request) -> Response:
    """`GET rasters/{uuid}/point?lat=&lng=`."""
    latitude, longitude = _degrees(request, "lat", 90), _degrees(request, "lng", 180)
    return JSONResponse({"value": await _read(request, "value_at", latitude, longitude)})


async def _read(request: Request, what: str, *arguments: Any) -> Any:
    key = request.path_params["asset"]
    raster = state_of(request).store.find(AssetKind.RASTER, key)
    if raster is None:
        raise not_found("rasters resource", key)
    try:
        library("rasterio", "reading a raster")
        reading = import_module("prefect_geobox.emulator.raster_tools.raster_info")
        return await asyncio.to_thread(getattr(reading, what), raster, *arguments)
    except JobFailed as error:
        raise ApiError(422, {"msg": str(error), "type": error.kind}) from None


def _degrees(request: Request, name: str, limit: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        raise invalid_parameter("query", name, "field required", "value_error.missing")
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not abs(found) <= limit:
        message = f"value is not a number of degrees from {-limit:g} to {limit:g}"
        raise invalid_parameter("query", name, message, "type_error.float")
    return found


ROUTES = [
    Route("/v1/analysis/{analysis}", analyse, methods=["POST"]),
    Route("/v1/rasters/{asset}/info", get_info),
    Route("/v1/rasters/{asset}/statistics", get_statistics),
    Route("/v1/rasters/{asset}/point", get_point),
]
