"""Makes new layers, tables, rasters, models and 3D tiles."""

from __future__ import annotations

from typing import Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.columns import datatypes, unique_names
from prefect_geobox.emulator.state.remote_tasks import Outcome
from prefect_geobox.emulator.state.store import Asset, Field, Kind

# The key of a task's result that holds the uuid of its asset.
RESULT_KEYS: dict[Kind, str] = {
    AssetKind.VECTOR: "layer_uuid",
    AssetKind.RASTER: "raster_uuid",
    AssetKind.MODEL: "model_uuid",
    AssetKind.FILE: "file_uuid",
    AssetKind.TILES3D: "3dtiles_uuid",
    AssetKind.TABLE: "table_uuid",
}


def asset_outcome(asset: Asset, errors: list[dict[str, Any]] | None = None) -> Outcome:
    """The outcome of work that made an asset, with an error for each feature it left out."""
    result: dict[str, Any] = {RESULT_KEYS[asset.kind]: asset.uuid}
    if errors:
        result["errors"] = errors
    return Outcome(result, asset)


def make_layer(
    name: str,
    layer_type: str,
    features: list[dict[str, Any]],
    fields: list[Field],
    *,
    temporary: bool,
) -> Asset:
    """A vector layer of features in EPSG:3857."""
    geometries = [feature["geometry"] for feature in features]
    details = {
        "layer_type": layer_type,
        "display_name": name,
        "description": None,
        "temporary": temporary,
        "is_shared": False,
        "has_z": any(geometry.has_z(shape) for shape in geometries),
        # Guesses: whether a layer has these two is not known, and no client needs them.
        "extent": geometry.extent(geometries),
        "feature_count": len(features),
    }
    return Asset(AssetKind.VECTOR, name, details, fields=fields, rows=features)


def make_content(kind: AssetKind, name: str, content: bytes) -> Asset:
    """A raster, a model or 3D tiles."""
    details = {"display_name": name, "description": None, "size": len(content)}
    return Asset(kind, name, {**details, "temporary": False}, content)


def with_own_ids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a file for a table, whose own `id` numbers them.

    How the API calls a column `id` of the file is not known; a guess: as any second column of a
    name, `id2`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    new = dict(zip(names, unique_names(names, reserved=["id"]), strict=True))
    return [{new[name]: value for name, value in row.items()} for row in rows]


def make_table(name: str, rows: list[dict[str, Any]]) -> Asset:
    """A table of rows, which are numbered by `id`."""
    details: dict[str, Any] = {
        "display_name": name,
        "description": None,
        "temporary": False,
        "settings": {},
    }
    types = datatypes({k: v for k, v in row.items() if k != "id"} for row in rows)
    fields = [Field(column, datatype) for column, datatype in types.items()]
    numbered = [{**row, "id": number} for number, row in enumerate(rows, start=1)]
    return Asset(AssetKind.TABLE, name, details, fields=fields, rows=numbered)
