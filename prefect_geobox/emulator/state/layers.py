"""Layers and views: their features, their columns, and the rows that a request selects."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import epsg, to_web_mercator
from prefect_geobox.emulator.http.errors import ApiError, invalid_parameter
from prefect_geobox.emulator.http.filters import FilterError, parse_filter
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.parameters import integer
from prefect_geobox.emulator.state.store import Asset, OtherKind, View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import QueryParams

    from prefect_geobox.emulator.state.store import Field

Box = tuple[float, float, float, float]

BASE_SRID = 3857


def layer_of(asset: Asset) -> Asset:
    """The layer that stores the features: that of a view, or the layer itself."""
    return asset.source.layer if asset.source is not None else asset


def rows_of(asset: Asset) -> list[dict[str, Any]]:
    """The features of a layer or those that a view shows, or the rows of a table."""
    if asset.source is None:
        return asset.rows
    fields = {field.name for field in fields_of(asset)}
    return [
        {**row, "properties": {k: v for k, v in row["properties"].items() if k in fields}}
        for row in asset.source.layer.rows
        if asset.source.shows(row)
    ]


def fields_of(asset: Asset) -> list[Field]:
    """The columns of a layer or table, or those that a view shows."""
    if asset.source is None:
        return asset.fields
    columns = asset.source.columns
    return [f for f in asset.source.layer.fields if columns is None or f.name in columns]


def make_view(
    layer: Asset, name: str, details: dict[str, Any], where: str | None, box: Box | None
) -> Asset:
    """A view of a layer.

    Args:
        layer: The layer.
        name: The name of the view.
        details: `display_name`, `description` and `view_cols` of the request.
        where: The filter.
        box: The extent that it shows. That it is in EPSG:3857 is a guess.

    Raises:
        ApiError: The filter cannot be read, or names a column that does not exist.
    """
    known = {"id", *(field.name for field in layer.fields)}
    found = None
    if where:
        try:
            found = parse_filter(where)
        except FilterError as error:
            message = f"the filter cannot be read: {error}"
            raise invalid_parameter("body", "view_filter", message) from None
        for unknown in sorted(found.fields - known):
            raise invalid_parameter("body", "view_filter", f"unknown field {unknown!r}")
    columns = None
    if details["view_cols"] not in {None, "", "[ALL]"}:
        columns = frozenset(split([str(details["view_cols"])]))
        for unknown in sorted(columns - known):
            raise invalid_parameter("body", "view_cols", f"unknown field {unknown!r}")

    def shows(row: dict[str, Any]) -> bool:
        if box is not None and not overlaps(row["geometry"], box):
            return False
        return found is None or found.matches(record(row))

    described = {
        "layer_type": layer.details["layer_type"],
        "is_view": True,
        "vector_layer": layer.view(),
        "view_filter": where,
        "extent": list(box) if box is not None else layer.details["extent"],
        "has_z": layer.details["has_z"],
        "is_shared": False,
        **details,
    }
    return Asset(OtherKind.VIEW, name, described, source=View(layer, shows, columns))


def record(row: dict[str, Any]) -> dict[str, Any]:
    """A feature or row as one flat record."""
    return {"id": row["id"], **row["properties"]} if "properties" in row else row


def selected_rows(asset: Asset, params: QueryParams) -> list[dict[str, Any]]:
    """The features or rows that a request selects, in its order; all without filters.

    Reads `q`, `search`, `search_fields` and `order_by`, of layers also `bbox`, `bbox_srid` and
    `feature_ids`, of tables `row_ids`.

    Raises:
        ApiError: A parameter is invalid.
    """
    query = ListQuery.read(params, column_names(asset), sys.maxsize)
    found = query.select(rows_by_id_and_box(asset, params), record)
    if isinstance(found, int):
        raise ApiError(422, "return_count is not allowed here")
    return found


def rows_by_id_and_box(asset: Asset, params: QueryParams) -> list[dict[str, Any]]:
    """The features or rows with the identifiers and within the box of a request."""
    ids = {*split(params.getlist("feature_ids")), *split(params.getlist("row_ids"))}
    rows = [row for row in rows_of(asset) if not ids or str(row["id"]) in ids]
    box = box_of(params.getlist("bbox"), params.get("bbox_srid"))
    return rows if box is None else [row for row in rows if overlaps(row["geometry"], box)]


def box_of(values: list[str], srid: str | None) -> Box | None:
    """A box in EPSG:3857, or None if none is given.

    Raises:
        ApiError: It is not a box.
    """
    numbers = split(values)
    if not numbers:
        return None
    crs = integer(srid, "query", "bbox_srid", BASE_SRID)
    try:
        west, south, east, north = (float(number) for number in numbers)
        transform = to_web_mercator(epsg(crs))
        return (*transform(west, south), *transform(east, north))
    except (ValueError, JobError):
        raise invalid_parameter("query", "bbox", "is not west,south,east,north") from None


def overlaps(shape: dict[str, Any], box: Box) -> bool:
    """Whether the box around a geometry touches another box."""
    own = geometry.extent([shape])
    if own is None:
        return False
    return own[0] <= box[2] and own[2] >= box[0] and own[1] <= box[3] and own[3] >= box[1]


def column_names(asset: Asset) -> list[str]:
    """The columns that filters may use: the fields and `id`."""
    return ["id", *(field.name for field in fields_of(asset))]


def selected_fields(asset: Asset, params: QueryParams, name: str, without: str) -> list[Field]:
    """The columns that a request selects: all, or those that it names.

    Args:
        asset: The layer or table.
        params: The request.
        name: The parameter that names them; `[ALL]` is all.
        without: The parameter that names the columns to leave out.

    Raises:
        ApiError: There is no such column.
    """
    wanted = split(params.getlist(name))
    fields = fields_of(asset)
    if wanted and wanted != ["ALL"]:
        known = set(column_names(asset))
        for unknown in (column for column in wanted if column not in known):
            raise invalid_parameter("body", name, f"unknown field {unknown!r}")
        fields = [field for field in fields if field.name in wanted]
    left_out = set(split(params.getlist(without)))
    return [field for field in fields if field.name not in left_out]


def split(texts: Iterable[str]) -> list[str]:
    """Splits values that are repeated, separated by commas, or written as a list."""
    parts = [part for text in texts for part in text.strip().strip("[]").split(",")]
    return [part.strip().strip("'\"") for part in parts if part.strip()]
