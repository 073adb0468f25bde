"""Reads through GDAL, by pyogrio: Shapefile, GPKG, KML, GPX, DXF, geodatabases, XLSX."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.columns import json_value
from prefect_geobox.emulator.geodata.datasets import STEM
from prefect_geobox.emulator.geodata.errors import unreadable
from prefect_geobox.emulator.geodata.features import Row, VectorSource, as_geojson
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.texts import check_encoding, is_utf8, undecodable, xml_in_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect_geobox.emulator.geodata.datasets import Dataset

# Beyond it a floating-point number is not exact, and missing values make one of a whole number.
_EXACT = 2**53
# Types of geometry in WKB that shapely cannot read.
_WKB_TYPES = {15: "PolyhedralSurface", 16: "TIN", 17: "Triangle"}
# Where the table of a Shapefile names its encoding; 0 is none.
_ENCODING_BYTE = 29
# The encoding of a Shapefile that names none. Where its texts are in another, GDAL takes Latin-1.
_TENTATIVE = "UTF-8"


@dataclass(frozen=True)
class GdalLayer:
    """A layer as GDAL lists it.

    Attributes:
        name: Its name.
        has_geometry: Whether it has geometries.
        count: How many features it has.
    """

    name: str
    has_geometry: bool
    count: int


def list_gdal_layers(dataset: Dataset) -> list[GdalLayer]:
    """The layers of a dataset, those with features first.

    A GPX always has five layers, and the first ones are usually empty.

    Raises:
        JobError: It cannot be read.
    """
    pyogrio = library("pyogrio", f"reading {dataset.label}")
    with _opened(dataset, _files(dataset)) as path:
        found = []
        for row in pyogrio.list_layers(path):
            info = pyogrio.read_info(
                path,
                layer=str(row[0]),
                force_feature_count=True,
            )
            count = max(int(info["features"]), 0)
            found.append(GdalLayer(_shown(str(row[0]), dataset), row[1] is not None, count))
    return sorted(found, key=lambda layer: (not layer.has_geometry, not layer.count))


def read_gdal_layer(dataset: Dataset, layer: str, encoding: str) -> VectorSource:
    """Reads a layer of a dataset, with or without geometries.

    Args:
        dataset: The dataset.
        layer: The layer.
        encoding: The encoding of its texts, if the format has no encoding of its own. A guess, as
            clients send UTF-8 with every file: UTF-8 serves only a Shapefile that names no
            encoding itself; any other takes precedence over the one that the Shapefile names.

    Raises:
        JobError: It cannot be read.
    """
    purpose = f"reading {dataset.label}"
    pyogrio, shapely = library("pyogrio", purpose), library("shapely", purpose)
    check_encoding(dataset.label, encoding)
    files = _files(dataset)
    own_encoding: str | None = None
    if dataset.file_type == "Shapefile":
        own_encoding = _shapefile_encoding(files, encoding)
    with _opened(dataset, files) as path:
        known = {_shown(str(row[0]), dataset): str(row[0]) for row in pyogrio.list_layers(path)}
        own_name = known.get(layer, layer)
        # As text, times keep their offsets.
        read = partial(
            pyogrio.raw.read,
            path,
            layer=own_name,
            datetime_as_string=True,
        )
        try:
            meta, _, geometries, columns = read(encoding=own_encoding)
        except UnicodeDecodeError:
            if own_encoding != _TENTATIVE:
                raise
            meta, _, geometries, columns = read()
        names = [str(column) for column in meta["fields"]]
        dtypes = [str(dtype) for dtype in meta["dtypes"]]
        values = [_values(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]
        for at, name in enumerate(names):
            if _is_inexact(values[at], dtypes[at]):
                values[at] = _exact_values(pyogrio, path, own_name, name)
    count = len(columns[0]) if columns else 0
    shapes = (
        [None] * count if geometries is None else shapely.from_wkb(geometries, on_invalid="ignore")
    )
    rows = [
        Row(
            _geometry(shapely, shape, None if geometries is None else geometries[index]),
            {key: column[index] for key, column in zip(names, values, strict=True)},
        )
        for index, shape in enumerate(shapes)
    ]
    datatypes = {n: _datatype(dtype) for n, dtype in zip(names, dtypes, strict=True)}
    return VectorSource(meta["crs"], rows, datatypes)


def _files(dataset: Dataset) -> dict[str, bytes]:
    files = dataset.read()
    if dataset.file_type in {"KML", "GPX"}:
        return {name: xml_in_utf8(dataset.label, text) for name, text in files.items()}
    return files


@contextmanager
def _opened(dataset: Dataset, files: dict[str, bytes]) -> Iterator[Path]:
    """The files of a dataset on disk; errors of GDAL as ours, without the path.

    Raises:
        JobError: The body failed.
    """
    with tempfile.TemporaryDirectory(prefix="geobox-emulator-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        path = Path(folder) / dataset.main
        try:
            yield path
        except UnicodeDecodeError as error:
            raise undecodable(dataset.label, error.encoding, error) from None
        except (RuntimeError, ValueError, OverflowError) as error:
            text = str(error).replace(str(path), dataset.name).replace(f"{folder}/", "")
            raise unreadable(dataset.label, text.replace(STEM, dataset.stem)) from None


def _shown(name: str, dataset: Dataset) -> str:
    """The name of a layer; formats without names have that of their file."""
    return name.replace(STEM, dataset.stem) if STEM in name else name


def _shapefile_encoding(files: dict[str, bytes], encoding: str) -> str | None:
    """The encoding in which to read a Shapefile; None for the one that GDAL takes."""
    if not is_utf8(encoding):
        return encoding
    table = files.get(f"{STEM}.dbf", b"")
    flag = table[_ENCODING_BYTE : _ENCODING_BYTE + 1]
    is_named = bool(files.get(f"{STEM}.cpg", b"").strip()) or flag not in {b"", b"\0"}
    return None if is_named else _TENTATIVE


def _values(column: Any, dtype: str) -> list[Any]:
    values = [json_value(value) for value in column.tolist()]
    # Missing values make floating-point numbers of whole ones and of truth values.
    if dtype == "bool":
        return [None if value is None else bool(value) for value in values]
    if dtype.startswith(("int", "uint")):
        return [int(v) if isinstance(v, float) and abs(v) < _EXACT else v for v in values]
    return values


def _is_inexact(values: list[Any], dtype: str) -> bool:
    return dtype.startswith(("int", "uint")) and any(isinstance(value, float) for value in values)


def _exact_values(pyogrio: Any, path: Path, layer: str, column: str) -> list[Any]:
    """A column of large whole numbers of which some are missing, read as texts."""
    quoted, source = (text.replace('"', '\\"') for text in (column, layer))
    sql = f'SELECT CAST("{quoted}" AS CHARACTER(32)) FROM "{source}"'  # noqa: S608
    _, _, _, (texts, *_) = pyogrio.raw.read(path, sql=sql, sql_dialect="OGRSQL")
    return [int(text) if text else None for text in texts.tolist()]


def _geometry(shapely: Any, shape: Any, wkb: Any) -> dict[str, Any] | None:
    if shape is not None:
        return as_geojson(shapely, shape)
    if wkb is None:
        return None
    order = "little" if wkb[0] else "big"
    code = int.from_bytes(wkb[1:5], order) % 1000  # type: ignore[arg-type]
    return {"type": _WKB_TYPES.get(code, "unknown")}


def _datatype(dtype: str) -> str:
    if dtype.startswith(("int64", "uint32", "uint64")):
        return "Long"
    if dtype.startswith(("int", "uint", "bool")):
        return "Integer"
    if dtype.startswith("float"):
        return "Float"
    if dtype.startswith("datetime64"):
        return "Date" if dtype == "datetime64[D]" else "DateTime"
    return "String"
