"""What can be done with tables besides reading: calculating, importing, exporting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.table_files import read_rows
from prefect_geobox.emulator.http.errors import boolean, invalid_parameter, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.exports import export_rows
from prefect_geobox.emulator.jobs.start import started
from prefect_geobox.emulator.routes.resources.assets import asset_of
from prefect_geobox.emulator.routes.vector_edit import file_of
from prefect_geobox.emulator.state.layers import picked, selected

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from prefect_geobox.emulator.state.remote_tasks import Outcome


async def export_table(request: Request) -> Response:
    """`POST tables/{uuid}/export/`."""
    table, body = asset_of(request, AssetKind.TABLE), body_of(request)
    params, out_format = body.params(), body.text("out_format") or "CSV"
    if out_format != "CSV":
        message = f"{out_format!r} is not CSV"
        raise invalid_parameter("body", "out_format", message, "type_error.enum")
    rows = picked(table, params)
    work = partial(
        export_rows,
        rows,
        selected(table, params, "fields", "exclude"),
        required(body, "out_filename"),
        zipped=boolean(body.text("zipped")),
    )
    return await started(request, "export:table-to-file", work, len(rows))


async def import_rows(request: Request) -> Response:
    """`POST tables/{uuid}/import-csv/`."""
    table, body = asset_of(request, AssetKind.TABLE), body_of(request)
    file = file_of(request, body)
    delimiter = body.text("delimiter") or ","
    if len(delimiter) != 1:
        raise invalid_parameter("body", "delimiter", f"{delimiter!r} is not one character")
    has_header = boolean(body.text("has_header"), default=True)
    # Where there is no header, the columns come in the table's order; a guess.
    names = None if has_header else [field.name for field in table.fields]
    read = partial(
        read_rows,
        file.name,
        file.content,
        body.text("file_encoding") or "utf-8",
        dataset=body.text("input_dataset"),
        delimiter=delimiter,
        names=names,
    )

    def work() -> Outcome:
        return edits.append_rows(table, read())

    count = int(file.details["feature_count"])
    return await started(request, "import:file-to-table", work, count)


ROUTES = [
    Route("/v1/{collection}/{asset}/import-csv", import_rows, methods=["POST"]),
]
