"""Edits of layers and tables: fields calculated, features deleted, imported, updated.

Each reads at once what the request selects, computes in a thread, and changes the layer when its
remote task succeeds: an aborted task has changed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.columns import fitted
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.features import VectorSource
from prefect_geobox.emulator.geodata.reprojection import epsg
from prefect_geobox.emulator.geodata.vector_files import read_vector
from prefect_geobox.emulator.jobs.publishing import (
    PublishOptions,
    no_valid_features_error,
    valid_features,
)
from prefect_geobox.emulator.sql.database import evaluate
from prefect_geobox.emulator.state.layers import fields_of, layer_of, record, rows_of
from prefect_geobox.emulator.state.new_assets import with_own_ids
from prefect_geobox.emulator.state.remote_tasks import Outcome

if TYPE_CHECKING:
    from prefect_geobox.emulator.state.store import Asset, Field

Rows = list[dict[str, Any]]

# The results of these tasks are not known, and no client needs them; counts are a guess.


def calculate(asset: Asset, rows: Rows, target: str, expression: str) -> Outcome:
    """Sets a field of these features or rows to the value of an expression.

    The language of the API's expressions is not known; a guess: SQL over the columns and `geom`,
    with the functions of users' SQL.

    Raises:
        JobError: The expression is wrong.
    """
    values = evaluate(expression, asset, rows)
    layer = layer_of(asset)

    def apply() -> None:
        layer.rows = [
            _with_values(row, {target: values[row["id"]]}) if row["id"] in values else row
            for row in layer.rows
        ]

    return Outcome({"updated": len(values)}, apply=apply)


def delete(asset: Asset, rows: Rows) -> Outcome:
    """Deletes these features."""
    layer, deleted = layer_of(asset), {row["id"] for row in rows}

    def apply() -> None:
        _replace(layer, [row for row in layer.rows if row["id"] not in deleted])

    return Outcome({"deleted": len(deleted)}, apply=apply)


def read_features(file: Asset, options: PublishOptions, target: Asset) -> tuple[Rows, Rows]:
    """The features of a file that a layer can hold, and an error for each that it cannot.

    Raises:
        JobError: The file cannot be read, or the layer can hold none of its features.
    """
    source = read_vector(
        file.name,
        file.content,
        dataset=options.dataset,
        layer=options.layer,
        encoding=options.encoding,
    )
    return features_for_layer(source, file.name, options.srid, target)


def features_for_layer(
    source: VectorSource, name: str, srid: int, target: Asset
) -> tuple[Rows, Rows]:
    """The features of any source that a layer can hold, and an error for each that it cannot.

    Raises:
        JobError: The layer can hold none of its features.
    """
    kind = str(target.details["layer_type"])
    features, errors = valid_features(source, kind, source.crs or epsg(srid))
    if errors and not features:
        raise no_valid_features_error(name, errors)
    return features, errors


def append(asset: Asset, features: Rows, errors: Rows, *, report_errors: bool) -> Outcome:
    """Adds features to a layer. Columns that the layer lacks are left out; a guess."""
    layer = layer_of(asset)

    def apply() -> None:
        _replace(layer, layer.rows + _numbered(layer, features))

    result: dict[str, Any] = {"imported": len(features)}
    if errors and report_errors:
        result["errors"] = errors
    return Outcome(result, apply=apply)


@dataclass(frozen=True)
class UpdateOptions:
    """What a request to update a layer by another asks for.

    Attributes:
        common_field: The column that identifies a feature in both.
        fields: The columns to copy; all that both have if empty.
        update_geometry: Whether to copy geometries.
        delete_unmatched: Whether to delete the features that the source lacks.
        insert_missing: Whether to add the features that only the source has.
    """

    common_field: str
    fields: tuple[str, ...]
    update_geometry: bool
    delete_unmatched: bool
    insert_missing: bool


def update(asset: Asset, source: Rows, options: UpdateOptions) -> Outcome:
    """Updates a layer from the features of another layer or of a file.

    If several features of the source have the same value in the common field, the last one is
    used; if several of the layer have it, all are updated. Both are guesses.
    """
    layer, key = layer_of(asset), options.common_field
    known = {field.name for field in fields_of(asset)} - {key}
    names = set(options.fields) or known
    types = {field.name: field.datatype for field in fields_of(asset)}
    # The key of a feature of the source, as a value of this layer's column.
    keys = [fitted(record(row).get(key), types[key]) for row in source]
    by_key = {value: row for value, row in zip(keys, source, strict=True) if value is not None}
    shown = rows_of(asset)
    present = {record(row).get(key) for row in shown}
    ids = {row["id"] for row in shown}
    missing = [row for value, row in by_key.items() if value not in present]
    matched = {
        row["id"]: by_key[record(row)[key]] for row in shown if record(row).get(key) in by_key
    }
    unmatched = ids - matched.keys() if options.delete_unmatched else set()

    def updated(row: dict[str, Any]) -> dict[str, Any]:
        other = matched[row["id"]]
        values = other["properties"]
        changes = {k: fitted(v, types[k]) for k, v in values.items() if k in names & known}
        changed = _with_values(row, changes)
        return {**changed, "geometry": other["geometry"]} if options.update_geometry else changed

    def apply() -> None:
        kept = [
            updated(row) if row["id"] in matched else row
            for row in layer.rows
            if row["id"] not in unmatched
        ]
        added = _numbered(layer, missing) if options.insert_missing else []
        _replace(layer, kept + added)

    inserted = len(missing) if options.insert_missing else 0
    result = {"updated": len(matched), "inserted": inserted, "deleted": len(unmatched)}
    return Outcome(result, apply=apply)


def append_rows(table: Asset, rows: Rows) -> Outcome:
    """Adds rows to a table. Columns that it lacks are left out; a guess.

    Raises:
        JobError: The table has none of the columns.
    """
    rows = with_own_ids(rows)
    names = {field.name for field in table.fields}
    found = dict.fromkeys(name for row in rows[:1] for name in row)
    if found and not names & found.keys():
        reason = (
            f"no column of the file is in the table; the file has: {', '.join(found)}; "
            f"the table has: {', '.join(sorted(names))}"
        )
        raise JobError(reason, "geobox.InvalidFileError")

    def apply() -> None:
        last = max((row["id"] for row in table.rows), default=0)
        table.rows = table.rows + [
            {"id": number, **_fitted(row, table.fields)}
            for number, row in enumerate(rows, start=last + 1)
        ]

    return Outcome({"imported": len(rows)}, apply=apply)


def _fitted(values: dict[str, Any], fields: list[Field]) -> dict[str, Any]:
    return {field.name: fitted(values.get(field.name), field.datatype) for field in fields}


def _with_values(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if "properties" in row:
        return {**row, "properties": {**row["properties"], **changes}}
    return {**row, **changes}


def _numbered(layer: Asset, features: Rows) -> Rows:
    last = max((row["id"] for row in layer.rows), default=0)
    return [
        {**row, "id": number, "properties": _fitted(row["properties"], layer.fields)}
        for number, row in enumerate(features, start=last + 1)
    ]


def _replace(layer: Asset, rows: Rows) -> None:
    layer.rows = rows
    layer.details["feature_count"] = len(rows)
    layer.details["extent"] = geometry.extent(row["geometry"] for row in rows)
