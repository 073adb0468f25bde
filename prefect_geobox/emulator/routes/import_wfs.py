"""`wfsImport/`: imports from other map servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.http.parameters import required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.imports import import_into_layer, import_layer, list_tables

if TYPE_CHECKING:
    from starlette.requests import Request

_TASK_NAME = "import:wfs-to-vector-layer"


async def list_wfs_layers(request: Request) -> Response:
    """`POST wfsImport/get-layers/`."""
    tables = await list_tables(request, _address(request))
    version = body_of(request).text("version") or "2.0.0"
    return JSONResponse({"layers": [{**table, "protocol": f"WFS {version}"} for table in tables]})


async def import_wfs(request: Request) -> Response:
    """`POST wfsImport/import/`."""
    body = body_of(request)
    name, table = required(body, "out_layer_name"), required(body, "layer_name")
    return await import_layer(request, _TASK_NAME, _address(request), table, name)


async def import_wfs_into_layer(request: Request) -> Response:
    """`POST wfsImport/import-into-layer/`."""
    table = required(body_of(request), "layer_name")
    return await import_into_layer(request, _TASK_NAME, _address(request), table)


def _address(request: Request) -> str:
    return required(body_of(request), "url")


ROUTES = [
    Route("/v1/wfsImport/get-layers", list_wfs_layers, methods=["POST"]),
    Route("/v1/wfsImport/import", import_wfs, methods=["POST"]),
    Route("/v1/wfsImport/import-into-layer", import_wfs_into_layer, methods=["POST"]),
]
