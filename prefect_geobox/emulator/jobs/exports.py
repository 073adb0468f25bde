"""Writes layers and tables into files."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

from prefect_geobox.emulator.geodata.columns import text_of, unique_names
from prefect_geobox.emulator.geodata.gdal_writing import WrittenLayer, write_layer
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import epsg, from_web_mercator
from prefect_geobox.emulator.state.features import collection, reproject_feature
from prefect_geobox.emulator.state.layers import record
from prefect_geobox.emulator.state.new_assets import asset_outcome
from prefect_geobox.emulator.state.uploaded_files import make_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Field

# The suffixes of the formats, and their names in GDAL.
FORMATS = {
    "GeoJSON": (".geojson", "GeoJSON"),
    "GPKG": (".gpkg", "GPKG"),
    "Shapefile": (".shp", "ESRI Shapefile"),
    "CSV": (".csv", "CSV"),
    "KML": (".kml", "KML"),
    "DXF": (".dxf", "DXF"),
}
# KML has no other reference system.
_KML_SRID = 4326
_GDAL_TYPES = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "Polyline": "MultiLineString",
    "Polygon": "MultiPolygon",
}
# The longest name of a file that every system takes, without its suffix.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class ExportedLayer:
    """A layer to be written into a file.

    Attributes:
        name: The name of the layer.
        layer_type: Its type.
        has_z: Whether its geometries have heights.
        fields: The columns to write.
        rows: The features, in EPSG:3857.
    """

    name: str
    layer_type: str
    has_z: bool
    fields: list[Field]
    rows: list[dict[str, Any]]


def export_layers(
    layers: list[ExportedLayer], filename: str, out_format: str, srid: int, *, zipped: bool
) -> Outcome:
    """Does the work of a task that exports layers into one file.

    Several layers become one GPKG or, in any other format, a zip with a file for each. A Shapefile
    is always zipped, because it consists of several files; a guess.

    Args:
        layers: The layers.
        filename: The name of the file, with or without its suffix.
        out_format: One of `FORMATS`.
        srid: The EPSG code of the reference system.
        zipped: Whether to zip it.

    Raises:
        JobError: The reference system is unknown, or a library is missing.
    """
    suffix, driver = FORMATS[out_format]
    srid = _KML_SRID if out_format == "KML" else srid
    transform = from_web_mercator(srid)
    stem = _stem(filename, suffix)
    layers = [
        ExportedLayer(
            p.name,
            p.layer_type,
            p.has_z,
            p.fields,
            [reproject_feature(row, transform) for row in p.rows],
        )
        for p in layers
    ]
    single = len(layers) == 1
    names = unique_names([stem] if single else [layer.name for layer in layers])
    errors: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="geobox-emulator-") as folder:
        for name, layer in zip(names, layers, strict=True):
            target = stem if out_format == "GPKG" else _file_name(name)
            path = Path(folder) / f"{target}{suffix}"
            if out_format == "GeoJSON":
                path.write_text(_geojson(layer, srid), encoding="utf-8")
            elif out_format == "CSV":
                path.write_bytes(_csv_of_features(layer))
            else:
                # A DXF has no columns.
                fields = [] if driver == "DXF" else layer.fields
                written = _written(layer, name, fields, epsg(srid))
                errors += [
                    # That a result has `errors` is known; the shape of an entry is a guess.
                    {"layer": layer.name, "msg": message, "type": "geobox.ExportWarning"}
                    for message in write_layer(written, path, driver)
                ]
        files = sorted(Path(folder).iterdir())
        if len(files) == 1 and not zipped:
            return _file(files[0].name, files[0].read_bytes(), errors)
        content = _zip({path.name: path.read_bytes() for path in files})
        return _file(f"{stem}.zip", content, errors)


def export_table(
    rows: list[dict[str, Any]], fields: list[Field], filename: str, *, zipped: bool
) -> Outcome:
    """Does the work of a task that exports rows of a table as CSV."""
    stem = _stem(filename, ".csv")
    names = [field.name for field in fields]
    content = _csv(names, [[row.get(name) for name in names] for row in rows])
    if zipped:
        return _file(f"{stem}.zip", _zip({f"{stem}.csv": content}))
    return _file(f"{stem}.csv", content)


def _file(name: str, content: bytes, errors: list[dict[str, Any]] | None = None) -> Outcome:
    return asset_outcome(make_file(name, content, scan_archive=True), errors)


def _stem(filename: str, suffix: str) -> str:
    # Without folders, so that the file cannot be written elsewhere.
    name = PurePosixPath(filename.replace("\\", "/")).name
    return _file_name(name.removesuffix(".zip").removesuffix(suffix)) or "export"


def _file_name(name: str) -> str:
    """A name as that of a file: without separators and control characters, and not too long."""
    kept = "".join("_" if char in "/\\" or ord(char) < 32 else char for char in name)
    return kept.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore").strip(". ")


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _geojson(layer: ExportedLayer, srid: int) -> str:
    names = [field.name for field in layer.fields]
    rows = [{**row, "properties": _properties(row, names)} for row in layer.rows]
    return json.dumps(collection(rows, srid))


def _properties(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    values = record(row)
    return {name: values.get(name) for name in names}


def _csv_of_features(layer: ExportedLayer) -> bytes:
    # How the API writes geometries into a CSV is not known; a guess: as WKT in the last column.
    shapely = library("shapely", "writing geometries into a CSV")
    names = [field.name for field in layer.fields]
    rows = [
        [*_properties(row, names).values(), shapely.geometry.shape(row["geometry"]).wkt]
        for row in layer.rows
    ]
    return _csv([*unique_names(names, reserved=["wkt"]), "wkt"], rows)


def _csv(names: list[str], rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else text_of(value) for value in row])
    return text.getvalue().encode()


def _written(layer: ExportedLayer, name: str, fields: list[Field], crs: str) -> WrittenLayer:
    kind = _GDAL_TYPES[layer.layer_type]
    names = [field.name for field in fields]
    return WrittenLayer(
        name,
        f"{kind} Z" if layer.has_z else kind,
        crs,
        {field.name: field.datatype for field in fields},
        [row["geometry"] for row in layer.rows],
        [_properties(row, names) for row in layer.rows],
    )
