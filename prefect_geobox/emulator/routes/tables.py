"""Tables: rows imported from files, rows exported. `vector_edit` also calculates their fields."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.vector_files import read_rows
from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.parameters import boolean, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.exports import export_table
from prefect_geobox.emulator.jobs.start import start_job
from prefect_geobox.emulator.state.layers import selected_fields, selected_rows
from prefect_geobox.emulator.state.lookup import requested_asset, requested_file

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from prefect_geobox.emulator.state.remote_tasks import Outcome


async def export_rows(request: Request) -> Response:
    """`POST tables/{uuid}/export/`."""
    table, body = requested_asset(request, AssetKind.TABLE), body_of(request)
    params, out_format = body.params(), body.text("out_format") or "CSV"
    if out_format != "CSV":
        message = f"{out_format!r} is not CSV"
        raise invalid_parameter("body", "out_format", message, "type_error.enum")
    rows = selected_rows(table, params)
    work = partial(
        export_table,
        rows,
        selected_fields(table, params, "fields", "exclude"),
        required(body, "out_filename"),
        zipped=boolean(body.text("zipped")),
    )
    return await start_job(request, "export:table-to-file", work, len(rows))


async def import_rows(request: Request) -> Response:
    """`POST tables/{uuid}/import-csv/`."""
    table, body = requested_asset(request, AssetKind.TABLE), body_of(request)
    file = requested_file(request)
    delimiter = body.text("delimiter") or None
    if delimiter is not None and len(delimiter) != 1:
        raise invalid_parameter("body", "delimiter", f"{delimiter!r} is not one character")
    has_header = boolean(body.text("has_header"), default=True)
    # Without a header the columns are those of the table, in its order; a guess.
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
    return await start_job(request, "import:file-to-table", work, count)


ROUTES = [
    Route("/v1/tables/{asset}/export", export_rows, methods=["POST"]),
    Route("/v1/tables/{asset}/import-csv", import_rows, methods=["POST"]),
]
