"""Rows of tables: imported, exported, computed."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.validation import check_search
from prefect_geobox.client.operations._file_layers import chosen_layer, chosen_layer_remark
from prefect_geobox.client.operations._inputs import FileLike, TableLike, inputs
from prefect_geobox.client.operations._operation import creates_asset, edits_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.operations._validation import (
    FieldName,
    Ids,
    Names,
    UserId,
    joined,
    search_remarks,
)
from prefect_geobox.client.polling.policy import WaitOptions

RowFormat = Literal["CSV"]


def character(field: str, value: Any) -> str:
    """A text of one character."""
    if not isinstance(value, str) or len(value) != 1:
        raise InvalidArgumentError(f"{field} must be one character; got {value!r}")
    return value


Character = Annotated[str, character]


@edits_asset(endpoint="POST tables/{uuid}/calculateField/", sdk="Table.calculate_field")
def calculate_table_field(
    table: TableLike,
    target_field: FieldName,
    expression: str,
    *,
    q: str | None = None,
    search: str | None = None,
    search_fields: Names | None = None,
    row_ids: Ids | None = None,
    user_id: UserId | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Computes the values of a field of a table.

    Args:
        table: The table.
        target_field: The field.
        expression: What to compute, in the server's language.
        q: A filter in OGC CQL.
        search: Words to look for; ignored by the server where `q` is given.
        search_fields: Where to look for them; only with `search`.
        row_ids: Only rows with these numbers.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        calculate_table_field(credentials, table, "total", "price * amount")
        ```
    """
    check_search(search, search_fields)
    return Request(
        f"Calculate {literally(target_field)} of {{table}}",
        "{table}calculateField/",
        inputs(table),
        form={
            "target_field": target_field,
            "expression": expression,
            "q": q,
            "search": search,
            "search_fields": joined(search_fields),
            "row_ids": joined(row_ids),
            "run_async": True,
            "user_id": user_id,
        },
        remarks=lambda _: search_remarks(q, search),
    )


@edits_asset(endpoint="POST tables/{uuid}/import-csv/", sdk="Table.import_rows")
def import_rows(
    table: TableLike,
    file: FileLike,
    *,
    input_dataset: str | None = None,
    delimiter: Character = ",",
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
        input_dataset: The dataset within the file; by default the file itself, or the first
            dataset in a zip.
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

    def finish(request: Request) -> dict[str, Any]:
        source = request.inputs["file"]
        dataset = chosen_layer(source, None, input_dataset).dataset
        return {**(request.form or {}), "input_dataset": dataset or source.name}

    def remarks(request: Request) -> list[str]:
        sentence = chosen_layer_remark(request.inputs["file"], None, input_dataset)
        return [sentence] if sentence else []

    return Request(
        "Import {file} into {table}",
        "{table}import-csv/",
        inputs(table) | inputs(file, needs="layers" if input_dataset else "name"),
        form={
            "file_uuid": file,
            "file_encoding": file_encoding,
            "input_dataset": input_dataset,
            "delimiter": delimiter,
            "has_header": has_header,
            "report_errors": report_errors,
            "bulk_insert": bulk_insert,
        },
        finish=finish,
        remarks=remarks,
    )


@creates_asset(
    AssetKind.FILE,
    endpoint="POST tables/{uuid}/export/",
    sdk="Table.export_rows",
)
def export_rows(
    table: TableLike,
    filename: str,
    *,
    out_format: RowFormat | Enum = "CSV",
    zipped: bool = False,
    fields: Names | None = None,
    exclude: Names | None = None,
    order_by: str | None = None,
    q: str | None = None,
    search: str | None = None,
    search_fields: Names | None = None,
    row_ids: Ids | None = None,
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
        search_fields: Where to look for them; only with `search`.
        row_ids: Only rows with these numbers.

    Example:
        ```python
        file = export_rows(credentials, table, "readings", order_by="taken_at D")
        ```
    """
    check_search(search, search_fields)
    return Request(
        f"Export {{table}} as {literally(filename)}",
        "{table}export/",
        inputs(table),
        form={
            "out_filename": filename,
            "out_format": out_format,
            "q": q,
            "search": search,
            "search_fields": joined(search_fields),
            "row_ids": joined(row_ids),
            "fields": joined(fields),
            "exclude": joined(exclude),
            "order_by": order_by,
            "zipped": zipped,
            "run_async": True,
        },
        name=filename,
        remarks=lambda _: search_remarks(q, search),
    )
