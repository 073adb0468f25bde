"""Reads vector files: GeoJSON and CSV directly, Shapefile and GPKG through pyogrio."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import WGS84, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# The columns of a CSV that hold positions, and whether they are degrees.
_POSITIONS = (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"), ("x", "y"))


@dataclass(frozen=True)
class Row:
    """A feature of a file: its geometry, which may be invalid, and its properties."""

    geometry: Any
    properties: dict[str, Any]


@dataclass(frozen=True)
class VectorSource:
    """The features of a file.

    Attributes:
        crs: The reference system that the file names, or None.
        rows: Its features.
        datatypes: The types of columns, if the file declares them.
    """

    crs: str | None
    rows: list[Row]
    datatypes: dict[str, str] = field(default_factory=dict)


def read_vector(
    name: str, content: bytes, *, dataset: str | None, layer: str | None, encoding: str
) -> VectorSource:
    """Reads a layer of a file.

    Args:
        name: The file's name; its suffix determines the format.
        content: Its bytes.
        dataset: The file within a zip; the first that can be read if None.
        layer: The layer; the first if None.
        encoding: The encoding of a text.

    Raises:
        JobError: It cannot be read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".zip":
        with open_zip(name, content) as archive:
            dataset = dataset if dataset in archive.namelist() else dataset_in(archive)
            if dataset is None:
                reason = f"{name} holds no file that the emulator can publish"
                raise JobError(reason, "geobox.InvalidFileError")
            if PurePosixPath(dataset).suffix.lower() != ".shp":
                inner = archive.read(dataset)
                return read_vector(dataset, inner, dataset=None, layer=layer, encoding=encoding)
        return read_through_pyogrio(name, content, f"/{dataset}", layer)
    if suffix in {".geojson", ".json"}:
        return _read_geojson(name, content)
    if suffix == ".csv":
        return _read_csv(name, content, encoding)
    if suffix in {".gpkg", ".kml", ".gpx", ".dxf"}:
        return read_through_pyogrio(name, content, "", layer)
    reason = (
        f"{name} cannot be published as a layer: "
        f"the format {suffix or 'without a suffix'} is not supported"
    )
    raise JobError(reason, "geobox.InvalidFileError")


def dataset_in(archive: ZipFile) -> str | None:
    """The first file within a zip that can be read as a layer, or None."""
    for suffix in (".shp", ".geojson", ".gpkg", ".csv"):
        for member in sorted(archive.namelist()):
            if member.lower().endswith(suffix) and not member.startswith("__MACOSX"):
                return member
    return None


def read_csv(
    name: str,
    content: bytes,
    encoding: str,
    *,
    delimiter: str = ",",
    names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Reads a table of separated values; numbers are recognized.

    Args:
        name: The file's name.
        content: Its bytes.
        encoding: Its encoding.
        delimiter: What separates the values.
        names: The columns of a file without a header.

    Raises:
        JobError: It cannot be read.
    """
    try:
        # A BOM must not become part of the first column's name.
        is_utf8 = encoding.lower() in {"utf-8", "utf8"}
        text = io.StringIO(content.decode("utf-8-sig" if is_utf8 else encoding), newline="")
        rows = list(csv.DictReader(text, names, restkey="more", delimiter=delimiter))
    except (LookupError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(name, error) from None
    return [{key: _value(value) for key, value in row.items()} for row in rows]


@contextmanager
def on_disk(name: str, content: bytes) -> Iterator[Path]:
    """A temporary file with this content and suffix, deleted when the context ends."""
    with tempfile.TemporaryDirectory(prefix="geobox-emulator-") as folder:
        path = Path(folder) / f"upload{PurePosixPath(name).suffix.lower()}"
        path.write_bytes(content)
        yield path


def open_zip(name: str, content: bytes) -> ZipFile:
    """Opens a zip.

    Raises:
        JobError: It is broken.
    """
    try:
        return ZipFile(io.BytesIO(content))
    except Exception as error:  # noqa: BLE001
        # zipfile raises several unrelated classes for invalid bytes.
        raise _unreadable(name, error) from None


def _read_geojson(name: str, content: bytes) -> VectorSource:
    try:
        document = json.loads(content, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, error) from None
    if not isinstance(document, dict):
        raise _unreadable(name, "it is not a GeoJSON object")
    features = document.get("features")
    if document.get("type") == "Feature":
        features = [document]
    elif document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise _unreadable(name, "it is not a GeoJSON FeatureCollection")
    rows = []
    for feature in features:
        known = feature if isinstance(feature, dict) else {}
        properties = known.get("properties")
        rows.append(Row(known.get("geometry"), properties if isinstance(properties, dict) else {}))
    return VectorSource(_geojson_crs(name, document), rows)


def _finite(text: str) -> float:
    # Python reads `NaN` and `1e999`, but JSON with such values cannot be sent.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _geojson_crs(name: str, document: dict[str, Any]) -> str | None:
    # RFC 7946 allows only WGS 84. Its predecessor had `crs`, with null for an unknown one.
    if "crs" not in document:
        return WGS84
    crs = document["crs"]
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    crs_name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(crs_name, str):
        raise _unreadable(name, "its `crs` names no reference system")
    return named(crs_name)


def _read_csv(name: str, content: bytes, encoding: str) -> VectorSource:
    rows = read_csv(name, content, encoding)
    columns = {str(column).lower(): column for column in (rows[0] if rows else {})}
    pair = next((pair for pair in _POSITIONS if set(pair) <= columns.keys()), None)
    if pair is None and "wkt" in columns:
        return VectorSource(None, _rows_of_wkt(rows, columns["wkt"]))
    if rows and pair is None:
        reason = f"{name} has no columns longitude and latitude, x and y, or wkt"
        raise JobError(reason, "geobox.InvalidFileError")
    if pair is None:
        return VectorSource(None, [])
    east, north = (columns[column] for column in pair)
    features = [Row({"type": "Point", "coordinates": [row[east], row[north]]}, row) for row in rows]
    # These names mean degrees; `x` and `y` do not, so `input_srid` applies.
    return VectorSource(None if pair == ("x", "y") else WGS84, features)


def _rows_of_wkt(rows: list[dict[str, Any]], column: str) -> list[Row]:
    shapely = library("shapely", "reading WKT")
    shapes = shapely.from_wkt([row[column] for row in rows], on_invalid="ignore")
    return [
        Row(
            None if shape is None else plain(shapely.geometry.mapping(shape)),
            {key: value for key, value in row.items() if key != column},
        )
        for row, shape in zip(rows, shapes, strict=True)
    ]


def read_through_pyogrio(name: str, content: bytes, within: str, layer: str | None) -> VectorSource:
    """Reads a layer of any file that GDAL knows, with or without geometries.

    Args:
        name: The file's name.
        content: Its bytes.
        within: The path within a zip, with a leading slash; empty for another file.
        layer: The layer; the first if None.

    Raises:
        JobError: It cannot be read.
    """
    purpose = f"reading {name}"
    pyogrio, shapely = library("pyogrio", purpose), library("shapely", purpose)
    with on_disk(name, content) as path:
        source = f"/vsizip/{path}{within}" if within else str(path)
        try:
            layers = [str(row[0]) for row in pyogrio.list_layers(source)]
            if layer not in layers:
                # For formats other than GPKG the upload does not report real names.
                if layer is not None and name.lower().endswith(".gpkg"):
                    reason = f"{name} has no layer {layer!r}"
                    raise JobError(reason, "geobox.InvalidFileError")
                layer = next(iter(layers), None)
            meta, _, geometries, columns = pyogrio.raw.read(source, layer=layer)
        except (RuntimeError, ValueError) as error:
            # GDAL's message has the temporary path, which the user does not know.
            text = str(error).replace(source, name).replace(str(path), name)
            raise _unreadable(name, text) from None
    names = [str(column) for column in meta["fields"]]
    values = [_column(column) for column in columns]
    # Geometries that shapely cannot read become None and are left out, like missing ones.
    count = len(values[0]) if values else 0
    shapes = (
        [None] * count if geometries is None else shapely.from_wkb(geometries, on_invalid="ignore")
    )
    rows = [
        Row(
            None if shape is None else plain(shapely.geometry.mapping(shape)),
            {key: column[index] for key, column in zip(names, values, strict=True)},
        )
        for index, shape in enumerate(shapes)
    ]
    datatypes = {n: _datatype(str(d)) for n, d in zip(names, meta["dtypes"], strict=True)}
    return VectorSource(meta["crs"], rows, datatypes)


def _column(column: Any) -> list[Any]:
    return [_plain_value(value) for value in column.tolist()]


def _plain_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def plain(node: Any) -> Any:
    """A mapping of shapely as JSON: with lists instead of tuples."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(child) for child in node] if isinstance(node, tuple) else node


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


def datatypes(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The types of columns, derived from their values."""
    found: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is None:
                found.setdefault(name, "")
                continue
            kind = _kind(value)
            before = found.get(name) or kind
            numbers = {"Integer": 0, "Long": 1, "Float": 2}
            if before in numbers and kind in numbers:
                kind = max(before, kind, key=lambda number: numbers[number])
            found[name] = kind if before in numbers or before == kind else "String"
    return {name: kind or "String" for name, kind in found.items()}


def _kind(value: Any) -> str:
    if isinstance(value, float):
        return "Float"
    if isinstance(value, int):
        return "Integer" if abs(value) < 2**31 else "Long"
    return "String"


def _value(text: Any) -> Any:
    if text is None or text == "":
        return None
    for number in (int, float):
        try:
            value = number(text)
        except (TypeError, ValueError):
            continue
        # JSON cannot represent NaN and infinity, and `nan` may be a country's code.
        return value if math.isfinite(value) else text
    return text


def _unreadable(name: str, why: object) -> JobError:
    return JobError(f"{name} cannot be read: {why}", "geobox.InvalidFileError")
