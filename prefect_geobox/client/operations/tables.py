"""Rows of tables: imported, exported, computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import FileLike, Resource, TableLike, to_input
from prefect_geobox.client.operations._operation import creates_asset, edits_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.polling.policy import WaitOptions

RowFormat = Literal["CSV"]


@edits_asset(endpoint="POST tables/{uuid}/calculateField/", row=16)
def calculate_table_field(
    table: TableLike,
    target_field: str,
    expression: str,
    *,
    q: str | None = None,
    search: str | None = None,
    search_fields: str | Iterable[str] | None = None,
    row_ids: str | Iterable[int] | None = None,
    user_id: int | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Computes the values of a field of a table.

    Args:
        table: The table.
        target_field: The field.
        expression: What to compute, in the server's language.
        q: A filter in OGC CQL.
        search: Words to look for; ignored by the server where `q` is given.
        search_fields: Where to look for them.
        row_ids: Only rows with these numbers.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        calculate_table_field(credentials, table, "total", "price * amount")
        ```
    """
    return Request(
        f"Calculate {literally(checks.text('target_field', target_field, 'a field'))} of {{table}}",
        "{table}calculateField/",
        {"table": to_input("table", table, Resource.TABLE)},
        form={
            "target_field": target_field,
            "expression": checks.text("expression", expression),
            **_rows(q, search, search_fields, row_ids),
            "run_async": True,
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


@edits_asset(endpoint="POST tables/{uuid}/import-csv/", row=17)
def import_rows(
    table: TableLike,
    file: FileLike,
    *,
    input_dataset: str | None = None,
    delimiter: str = ",",
    has_header: bool = True,
    file_encoding: str = "utf-8",
    report_errors: bool = False,
    bulk_insert: bool = True,
    **_: Unpack[WaitOptions],
) -> Request:
    """Adds the rows of an uploaded CSV file to a table.

    Args:
        table: The table.
        file: The uploaded file.
        input_dataset: The dataset within the file; by default the file's name.
        delimiter: What stands between two values.
        has_header: Whether the first line names the fields.
        file_encoding: The encoding of the file.
        report_errors: Whether rows that could not be read are reported, in `.errors` of the remote
            task that is returned.
        bulk_insert: Whether the server adds many rows at once.

    Example:
        ```python
        import_rows(credentials, by_name("readings"), file, delimiter=";")
        ```
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise InvalidArgumentError(f"delimiter must be one character; got {delimiter!r}")
    dataset = checks.text_or_none("input_dataset", input_dataset)
    source = to_input("file", file, Resource.FILE, needs="" if dataset else "name")

    def finish(request: Request) -> dict[str, Any]:
        return {**(request.form or {}), "input_dataset": dataset or request.inputs["file"].name}

    return Request(
        "Import {file} into {table}",
        "{table}import-csv/",
        {"table": to_input("table", table, Resource.TABLE), "file": source},
        form={
            "file_uuid": source,
            "file_encoding": checks.text("file_encoding", file_encoding),
            "input_dataset": dataset,
            "delimiter": delimiter,
            "has_header": checks.flag("has_header", has_header),
            "report_errors": checks.flag("report_errors", report_errors),
            "bulk_insert": checks.flag("bulk_insert", bulk_insert),
        },
        finish=finish,
    )


@creates_asset(
    AssetKind.FILE,
    endpoint="POST tables/{uuid}/export/",
    row=18,
)
def export_rows(
    table: TableLike,
    filename: str,
    *,
    out_format: RowFormat | Any = "CSV",
    zipped: bool = False,
    fields: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] | None = None,
    order_by: str | None = None,
    q: str | None = None,
    search: str | None = None,
    search_fields: str | Iterable[str] | None = None,
    row_ids: str | Iterable[int] | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Exports rows of a table to a file.

    Args:
        table: The table.
        filename: The name of the file, without its ending.
        out_format: "CSV".
        zipped: Whether the file is packed into a zip.
        fields: The fields to write; by default all.
        exclude: The fields to leave out.
        order_by: Such as `name A, size D` (D descends, A ascends).
        q: A filter in OGC CQL.
        search: Words to look for; ignored by the server where `q` is given.
        search_fields: Where to look for them.
        row_ids: Only rows with these numbers.

    Example:
        ```python
        file = export_rows(credentials, table, "readings", order_by="taken_at D")
        ```
    """
    return Request(
        f"Export {{table}} as {literally(checks.text('filename', filename))}",
        "{table}export/",
        {"table": to_input("table", table, Resource.TABLE)},
        form={
            "out_filename": filename,
            "out_format": checks.choice("out_format", out_format, RowFormat),
            **_rows(q, search, search_fields, row_ids),
            "fields": checks.joined(checks.names_or_none("fields", fields)),
            "exclude": checks.joined(checks.names_or_none("exclude", exclude)),
            "order_by": checks.text_or_none("order_by", order_by),
            "zipped": checks.flag("zipped", zipped),
            "run_async": True,
        },
        name=filename,
    )


def _rows(
    q: str | None,
    search: str | None,
    search_fields: str | Iterable[str] | None,
    row_ids: str | Iterable[int] | None,
) -> dict[str, Any]:
    return {
        "q": checks.text_or_none("q", q),
        "search": checks.text_or_none("search", search),
        "search_fields": checks.joined(checks.names_or_none("search_fields", search_fields)),
        "row_ids": checks.joined(checks.ids_or_none("row_ids", row_ids)),
    }
