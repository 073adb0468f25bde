"""Information about rasters: their frame and type, statistics, value at a position."""

from __future__ import annotations

import asyncio
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.parameters import required_query
from prefect_geobox.emulator.jobs.start import api_error_of
from prefect_geobox.emulator.state.layers import split
from prefect_geobox.emulator.state.lookup import requested_asset

if TYPE_CHECKING:
    from starlette.requests import Request


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


async def _read(request: Request, function: str, *arguments: Any) -> Any:
    raster = requested_asset(request, AssetKind.RASTER)
    try:
        library("rasterio", "reading a raster")
        raster_info = import_module("prefect_geobox.emulator.raster_tools.raster_info")
        return await asyncio.to_thread(getattr(raster_info, function), raster, *arguments)
    except JobError as error:
        raise api_error_of(error) from None


def _degrees(request: Request, name: str, limit: float) -> float:
    text = required_query(request.query_params, name)
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not abs(found) <= limit:
        message = f"value is not a number of degrees from {-limit:g} to {limit:g}"
        raise invalid_parameter("query", name, message, "type_error.float")
    return found


ROUTES = [
    Route("/v1/rasters/{asset}/info", get_info),
    Route("/v1/rasters/{asset}/statistics", get_statistics),
    Route("/v1/rasters/{asset}/point", get_point),
]
