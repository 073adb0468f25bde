"""The web application: its middleware, its routes, its error handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from prefect_geobox.emulator.faults.middleware import FaultMiddleware
from prefect_geobox.emulator.http.access import Authentication
from prefect_geobox.emulator.http.errors import ApiError, api_error, http_error, server_error
from prefect_geobox.emulator.http.recording import RequestLog
from prefect_geobox.emulator.routes import (
    files,
    import_database,
    import_wfs,
    map_export,
    raster_tools,
    sql,
    tables,
    tile_caches,
    vector_edit,
    vector_export,
    vector_tools,
)
from prefect_geobox.emulator.routes.resources import (
    assets,
    layer_groups,
    login,
    maps,
    not_implemented,
    rasters,
    remote_tasks,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from prefect_geobox.emulator.state.emulator_state import EmulatorState


def make_app(state: EmulatorState) -> ASGIApp:
    """Makes the application that serves a state.

    Args:
        state: The state of the emulator; the application has no other.
    """
    app = Starlette(
        # `vector_export`, `vector_edit` and `assets` take any collection, so they come last.
        routes=[
            *login.ROUTES,
            *remote_tasks.ROUTES,
            *tile_caches.ROUTES,
            *maps.ROUTES,
            *not_implemented.ROUTES,
            *vector_tools.ROUTES,
            *sql.ROUTES,
            *raster_tools.ROUTES,
            *rasters.ROUTES,
            *import_wfs.ROUTES,
            *import_database.ROUTES,
            *files.ROUTES,
            *tables.ROUTES,
            *map_export.ROUTES,
            *layer_groups.ROUTES,
            *vector_export.ROUTES,
            *vector_edit.ROUTES,
            *assets.ROUTES,
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
    return RequestLog(FaultMiddleware(app, state.faults), state.requests, state.in_flight)
