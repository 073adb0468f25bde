"""The web application: who may in, which route, which error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from prefect_geobox.emulator import (
    asset_routes,
    cache_routes,
    group_routes,
    import_routes,
    job_routes,
    map_routes,
    query_routes,
    raster_routes,
    table_routes,
    task_routes,
    unbuilt_routes,
    vector_routes,
)
from prefect_geobox.emulator.access import Authentication
from prefect_geobox.emulator.answers import ApiError, api_error, http_error, server_error
from prefect_geobox.emulator.exchange import FaultGate
from prefect_geobox.emulator.recording import RequestLog

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from prefect_geobox.emulator.state import EmulatorState


def make_app(state: EmulatorState) -> ASGIApp:
    """Makes the application that serves a state.

    Args:
        state: What the emulator knows; the application keeps nothing else.
    """
    app = Starlette(
        # The routes of assets take any collection, so they come last.
        routes=[
            *task_routes.ROUTES,
            *cache_routes.ROUTES,
            *map_routes.ROUTES,
            *query_routes.ROUTES,
            *raster_routes.ROUTES,
            *unbuilt_routes.ROUTES,
            *import_routes.ROUTES,
            *job_routes.ROUTES,
            *vector_routes.ROUTES,
            *table_routes.ROUTES,
            *group_routes.ROUTES,
            *asset_routes.ROUTES,
        ],
        middleware=[Middleware(Authentication, access=state.access)],
        exception_handlers={
            ApiError: api_error,
            HTTPException: http_error,
            Exception: server_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.emulator = state
    return RequestLog(FaultGate(app, state.faults), state.requests, state.in_flight)
