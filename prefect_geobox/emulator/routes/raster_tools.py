"""The raster analyses: all of them share one endpoint."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.http.errors import not_found
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.raster_tools.catalogue import ANALYSES
from prefect_geobox.emulator.state.emulator_state import state_of

if TYPE_CHECKING:
    from starlette.requests import Request


async def run_raster_tool(request: Request) -> Response:
    """`POST analysis/{analysis}/`: a task that makes a raster, or a file of polygons."""
    analysis = ANALYSES.get(request.path_params["analysis"])
    if analysis is None:
        raise not_found("analysis", request.path_params["analysis"])
    state = state_of(request)
    name, values = analysis.read(body_of(request), state.store)
    work = partial(analysis.run, name, values)
    # The name of the task is a guess.
    return JSONResponse(state.start(f"analysis:{analysis.name}", work))


ROUTES = [Route("/v1/analysis/{analysis}", run_raster_tool, methods=["POST"])]
