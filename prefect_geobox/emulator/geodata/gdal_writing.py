"""Writes layers through GDAL, by pyogrio, and tells what a format could not keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_geobox.emulator.geodata.columns import text_of, unique_names
from prefect_geobox.emulator.geodata.datasets import STEM, Dataset
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.gdal_files import read_gdal_layer
from prefect_geobox.emulator.geodata.optional_libraries import library

_NUMPY_TYPES = {"Integer": "int64", "Long": "int64", "Float": "float64"}
# The formats in which names that differ only in case are one.
_CASELESS = frozenset({"GPKG", "KML"})
_LONGEST_TEXT = 254


@dataclass(frozen=True)
class WrittenLayer:
    """A layer to be written.

    Attributes:
        name: Its name.
        geometry_type: The type of its geometries, as GDAL calls it.
        crs: Its reference system.
        columns: The names and types of its columns.
        geometries: Its geometries, as GeoJSON.
        records: The values of its columns, for each geometry.
    """

    name: str
    geometry_type: str
    crs: str
    columns: dict[str, str]
    geometries: list[dict[str, Any]]
    records: list[dict[str, Any]]


def write_layer(layer: WrittenLayer, path: Path, driver: str) -> list[str]:
    """Adds a layer to a file.

    Args:
        layer: The layer.
        path: The file.
        driver: The format, as GDAL calls it.

    Returns:
        What the format could not keep, such as long names of columns.

    Raises:
        JobError: It cannot be written.
    """
    purpose = f"writing {path.suffix.removeprefix('.').upper()}"
    pyogrio, shapely = library("pyogrio", purpose), library("shapely", purpose)
    numpy = library("numpy", purpose)
    names = list(layer.columns)
    written = unique_names(names) if driver in _CASELESS else names
    options = {}
    if driver == "GPKG":
        # The columns of the format itself give way to those of the layer.
        (options["fid"],) = unique_names(["fid"], written)
        (options["geometry_name"],) = unique_names(["geom"], written)
    try:
        shapes = [shapely.geometry.shape(shape) for shape in layer.geometries]
        columns, masks = [], []
        for name, datatype in layer.columns.items():
            values = [record.get(name) for record in layer.records]
            masks.append(numpy.array([value is None for value in values], dtype=bool))
            columns.append(_array(numpy, values, datatype))
        pyogrio.raw.write(
            path,
            numpy.array(shapely.to_wkb(shapes), dtype=object),
            columns,
            written,
            field_mask=masks,
            layer=layer.name,
            driver=driver,
            geometry_type=layer.geometry_type,
            crs=layer.crs,
            promote_to_multi=layer.geometry_type.startswith("Multi"),
            append=path.exists(),
            encoding="utf-8",
            layer_options=options,
        )
    except (RuntimeError, ValueError, TypeError, OverflowError, OSError) as error:
        text = str(error).replace(str(path), path.name)
        raise JobError(f"{path.name} cannot be written: {text}", "geobox.ExportError") from None
    if driver == "ESRI Shapefile":
        return _losses(layer, path)
    return _renamed(names, written)


def _array(numpy: Any, values: list[Any], datatype: str) -> Any:
    dtype = _NUMPY_TYPES.get(datatype)
    if dtype is None:
        return numpy.array([None if v is None else text_of(v) for v in values], dtype=object)
    return numpy.array([0 if value is None else value for value in values], dtype=dtype)


def _renamed(names: list[str], written: list[str]) -> list[str]:
    return [
        f"the column {name!r} is called {new!r}"
        for name, new in zip(names, written, strict=True)
        if name != new
    ]


def _losses(layer: WrittenLayer, path: Path) -> list[str]:
    """What a Shapefile lost, found by reading it."""
    parts = path.parent.glob(f"{path.stem}.*")
    files = {f"{STEM}{part.suffix}": part.read_bytes() for part in parts}
    dataset = Dataset(path.name, "Shapefile", lambda: files)
    found = read_gdal_layer(dataset, path.stem, "UTF-8")
    names, written = list(layer.columns), list(found.datatypes)
    if not names:
        # A Shapefile has one column at least, so GDAL adds one.
        return []
    losses = _renamed(names, written)
    for name, new in zip(names, written, strict=True):
        pairs = [
            (record.get(name), row.properties[new])
            for record, row in zip(layer.records, found.rows, strict=True)
        ]
        if layer.columns[name] in _NUMPY_TYPES:
            count = sum(not _is_same_number(*pair) for pair in pairs)
            if count:
                losses.append(f"{count} of the numbers in {name!r} lost digits")
        else:
            count = sum(not _is_same_text(*pair) for pair in pairs)
            if count:
                losses.append(f"{count} of the texts in {name!r} were cut to {_LONGEST_TEXT} bytes")
    return losses


def _is_same_number(value: Any, found: Any) -> bool:
    if value is None or found is None:
        return value is None and found is None
    if isinstance(value, int):
        return bool(value == found)
    return math.isclose(value, found, rel_tol=1e-12)


def _is_same_text(value: Any, found: Any) -> bool:
    # A Shapefile fills texts up with spaces, and knows no empty text.
    return ("" if value is None else text_of(value)).rstrip() == (found or "").rstrip()
