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

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import from_web_mercator
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
_NUMPY_TYPES = {"Integer": "int64", "Long": "int64", "Float": "float64"}


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
    with tempfile.TemporaryDirectory(prefix="geobox-emulator-") as folder:
        names = [stem] if len(layers) == 1 else [layer.name for layer in layers]
        for name, layer in zip(names, layers, strict=True):
            target = stem if out_format == "GPKG" else name
            path = Path(folder) / f"{target}{suffix}"
            if out_format == "GeoJSON":
                path.write_text(_geojson(layer, srid))
            elif out_format == "CSV":
                path.write_bytes(_csv_of_features(layer))
            else:
                _write_through_pyogrio(layer, path, driver, srid, name)
        written = sorted(Path(folder).iterdir())
        if len(written) == 1 and not zipped:
            return _file(written[0].name, written[0].read_bytes())
        return _file(f"{stem}.zip", _zip({path.name: path.read_bytes() for path in written}))


def export_table(
    rows: list[dict[str, Any]], fields: list[Field], filename: str, *, zipped: bool
) -> Outcome:
    """Does the work of a task that exports rows of a table as CSV."""
    stem = _stem(filename, ".csv")
    content = _csv([field.name for field in fields], rows)
    if zipped:
        return _file(f"{stem}.zip", _zip({f"{stem}.csv": content}))
    return _file(f"{stem}.csv", content)


def _file(name: str, content: bytes) -> Outcome:
    return asset_outcome(make_file(name, content, scan_archive=True))


def _stem(filename: str, suffix: str) -> str:
    # Without folders, so that the file cannot be written elsewhere.
    name = PurePosixPath(filename.replace("\\", "/")).name
    return name.removesuffix(".zip").removesuffix(suffix) or "export"


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
        {**_properties(row, names), "wkt": shapely.geometry.shape(row["geometry"]).wkt}
        for row in layer.rows
    ]
    return _csv([*names, "wkt"], rows)


def _csv(names: list[str], rows: Iterable[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_through_pyogrio(
    layer: ExportedLayer, path: Path, driver: str, srid: int, layer_name: str
) -> None:
    purpose = f"writing {path.suffix.removeprefix('.').upper()}"
    pyogrio, shapely = library("pyogrio", purpose), library("shapely", purpose)
    numpy = library("numpy", purpose)
    shapes = [shapely.geometry.shape(row["geometry"]) for row in layer.rows]
    # A DXF has no columns.
    fields = [] if driver == "DXF" else layer.fields
    columns, masks = [], []
    for field in fields:
        values = [record(row).get(field.name) for row in layer.rows]
        missing = numpy.array([value is None for value in values], dtype=bool)
        dtype = _NUMPY_TYPES.get(field.datatype, "object")
        if dtype == "object":
            values = [None if value is None else str(value) for value in values]
        else:
            values = [0 if value is None else value for value in values]
        columns.append(numpy.array(values, dtype=dtype))
        masks.append(missing)
    kind = _GDAL_TYPES[layer.layer_type]
    try:
        pyogrio.raw.write(
            path,
            numpy.array(shapely.to_wkb(shapes), dtype=object),
            columns,
            [field.name for field in fields],
            field_mask=masks,
            layer=layer_name,
            driver=driver,
            geometry_type=f"{kind} Z" if layer.has_z else kind,
            crs=f"EPSG:{srid}",
            promote_to_multi=kind.startswith("Multi"),
            append=path.exists(),
            encoding="utf-8",
        )
    except (RuntimeError, ValueError) as error:
        text = str(error).replace(str(path), path.name)
        raise JobError(f"{path.name} cannot be written: {text}", "geobox.ExportError") from None
