"""`dbImport/`: imports from databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.http.parameters import required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.imports import (
    import_into_layer,
    import_layer,
    list_tables,
    table_reader,
)
from prefect_geobox.emulator.jobs.start import start_job
from prefect_geobox.emulator.state.new_assets import asset_outcome, make_table

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.state.remote_tasks import Outcome

_LAYER_TASK_NAME = "import:database-to-vector-layer"


async def list_database_tables(request: Request) -> Response:
    """`POST dbImport/test-connection/`."""
    return JSONResponse({"layers": await list_tables(request, _address(request))})


async def import_database_layer(request: Request) -> Response:
    """`POST dbImport/import/`."""
    body = body_of(request)
    name, table = required(body, "layer_name"), required(body, "table_name")
    return await import_layer(request, _LAYER_TASK_NAME, _address(request), table, name)


async def import_database_into_layer(request: Request) -> Response:
    """`POST dbImport/import-into-layer/`."""
    table = required(body_of(request), "table_name")
    return await import_into_layer(request, _LAYER_TASK_NAME, _address(request), table)


async def import_database_table(request: Request) -> Response:
    """`POST dbImport/import-table/`."""
    body = body_of(request)
    name, table = required(body, "out_table_name"), required(body, "table_name")
    read = table_reader(request, _address(request), table)

    def work() -> Outcome:
        rows = [row.properties for row in read().rows]
        return asset_outcome(make_table(name, rows))

    return await start_job(request, "import:database-to-table", work)


def _address(request: Request) -> str:
    body = body_of(request)
    return f"{required(body, 'host')}:{required(body, 'port')}/{required(body, 'db_name')}"


ROUTES = [
    Route("/v1/dbImport/test-connection", list_database_tables, methods=["POST"]),
    Route("/v1/dbImport/import", import_database_layer, methods=["POST"]),
    Route("/v1/dbImport/import-table", import_database_table, methods=["POST"]),
    Route("/v1/dbImport/import-into-layer", import_database_into_layer, methods=["POST"]),
]
