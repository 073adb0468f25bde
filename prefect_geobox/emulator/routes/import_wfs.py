"""`wfsImport/` and `dbImport/`: imports from other servers and from databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.optional_libraries import JobFailed
from prefect_geobox.emulator.http.errors import (
    ApiError,
    boolean,
    integer,
    not_found,
    required,
)
from prefect_geobox.emulator.http.request_body import Body, body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.publishing import (
    PublishOrder,
    make_table,
    publish_source,
    succeeded,
)
from prefect_geobox.emulator.jobs.start import started
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import BASE_SRID
from prefect_geobox.emulator.state.store import OtherKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from prefect_geobox.emulator.geodata.vector_files import VectorSource
    from prefect_geobox.emulator.state.remote_tasks import Outcome


async def list_wfs_layers(request: Request) -> Response:
    """`POST wfsImport/get-layers/`."""
    tables = await _tables(request, _wfs_address(body_of(request)))
    version = body_of(request).text("version") or "2.0.0"
    return JSONResponse({"layers": [{**table, "protocol": f"WFS {version}"} for table in tables]})


async def list_database_tables(request: Request) -> Response:
    """`POST dbImport/test-connection/`."""
    return JSONResponse({"layers": await _tables(request, _database_address(body_of(request)))})


async def import_wfs(request: Request) -> Response:
    """`POST wfsImport/import/`."""
    body = body_of(request)
    name, table = required(body, "out_layer_name"), required(body, "layer_name")
    return await _import_layer(request, _wfs_address(body), table, name)


async def import_database(request: Request) -> Response:
    """`POST dbImport/import/`."""
    body = body_of(request)
    name, table = required(body, "layer_name"), required(body, "table_name")
    return await _import_layer(request, _database_address(body), table, name)


async def import_wfs_into_layer(request: Request) -> Response:
    """`POST wfsImport/import-into-layer/`."""
    body = body_of(request)
    return await _import_into(request, _wfs_address(body), required(body, "layer_name"))


async def import_database_into_layer(request: Request) -> Response:
    """`POST dbImport/import-into-layer/`."""
    body = body_of(request)
    return await _import_into(request, _database_address(body), required(body, "table_name"))


async def import_database_table(request: Request) -> Response:
    """`POST dbImport/import-table/`."""
    body = body_of(request)
    name, table = required(body, "out_table_name"), required(body, "table_name")
    reader = _reader(request, _database_address(body), table)

    def work() -> Outcome:
        rows = [row.properties for row in reader().rows]
        return succeeded(make_table(name, rows))

    return await started(request, "import:database-to-table", work)


async def _import_layer(request: Request, address: str, table: str, name: str) -> Response:
    body = body_of(request)
    reader = _reader(request, address, table)
    order = PublishOrder(
        kind=AssetKind.VECTOR,
        name=name,
        dataset=None,
        layer=table,
        geometry_type=body.text("input_geom_type"),
        srid=BASE_SRID,
        encoding="UTF-8",
        report_errors=boolean(body.text("report_errors")),
    )
    return await started(
        request, _task_name(request), lambda: publish_source(reader(), table, order)
    )


async def _import_into(request: Request, address: str, table: str) -> Response:
    body = body_of(request)
    kind = OtherKind.VIEW if boolean(body.text("is_view")) else AssetKind.VECTOR
    uuid = required(body, "layer_uuid")
    target = state_of(request).store.find(kind, uuid)
    if target is None:
        raise not_found("layer" if kind is AssetKind.VECTOR else "view", uuid)
    reader = _reader(request, address, table)
    report_errors = boolean(body.text("report_errors"))

    def work() -> Outcome:
        features, errors = edits.fitting(reader(), table, BASE_SRID, target)
        return edits.append(target, features, errors, report_errors=report_errors)

    return await started(request, _task_name(request), work)


def _reader(request: Request, address: str, table: str) -> Callable[[], VectorSource]:
    text = body_of(request).text("input_srid")
    srid = integer(text, "body", "input_srid", BASE_SRID) if text else None
    sources = state_of(request).sources
    return lambda: sources.find(address).read(table, srid)


async def _tables(request: Request, address: str) -> list[dict[str, Any]]:
    sources = state_of(request).sources

    def listed() -> list[dict[str, Any]]:
        return sources.find(address).tables()

    try:
        return await asyncio.to_thread(listed)
    except JobFailed as error:
        raise ApiError(422, {"msg": str(error), "type": error.kind}) from None


def _wfs_address(body: Body) -> str:
    return required(body, "url")


def _database_address(body: Body) -> str:
    return f"{required(body, 'host')}:{required(body, 'port')}/{required(body, 'db_name')}"


def _task_name(request: Request) -> str:
    is_wfs = request.url.path.startswith("/v1/wfsImport")
    return "import:wfs-to-vector-layer" if is_wfs else "import:database-to-vector-layer"


ROUTES = [
    Route("/v1/wfsImport/get-layers", list_wfs_layers, methods=["POST"]),
    Route("/v1/wfsImport/import", import_wfs, methods=["POST"]),
    Route("/v1/wfsImport/import-into-layer", import_wfs_into_layer, methods=["POST"]),
    Route("/v1/dbImport/test-connection", list_database_tables, methods=["POST"]),
    Route("/v1/dbImport/import", import_database, methods=["POST"]),
    Route("/v1/dbImport/import-table", import_database_table, methods=["POST"]),
    Route("/v1/dbImport/import-into-layer", import_database_into_layer, methods=["POST"]),
]
