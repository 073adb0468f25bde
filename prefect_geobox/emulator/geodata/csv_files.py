"""Reads separated values: as a table, or as features by their columns of positions or shapes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from prefect_geobox.emulator.geodata.columns import number_of, unique_names
from prefect_geobox.emulator.geodata.errors import JobError, unreadable
from prefect_geobox.emulator.geodata.features import Row, VectorSource, as_geojson
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import WGS84, epsg
from prefect_geobox.emulator.geodata.texts import decoded

_SEPARATORS = ",;\t|"
# The first line of a file that Excel wrote may tell what separates the values.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n')
# Python's own limit is less than the outline of a country as text.
_LONGEST_VALUE = 2**30

# Usual names of columns, in small letters and without anything else.
_LONGITUDES = frozenset(
    {"longitude", "lon", "lng", "long", "londeg", "longitudedeg", "londd", "decimallongitude"}
    | {"geolon", "gpslongitude", "lonwgs84", "longitudewgs84"}
)
_LATITUDES = frozenset(
    {"latitude", "lat", "latdeg", "latitudedeg", "latdd", "decimallatitude"}
    | {"geolat", "gpslatitude", "latwgs84", "latitudewgs84"}
)
_EASTINGS = frozenset({"x", "xcoord", "coordx", "xcoordinate", "pointx", "easting", "east", "posx"})
_NORTHINGS = frozenset(
    {"y", "ycoord", "coordy", "ycoordinate", "pointy", "northing", "north", "posy"}
)
_SHAPES = frozenset(
    {"wkt", "wktgeom", "wktgeometry", "geomwkt", "ewkt", "wkb", "ewkb", "wkbgeometry"}
    | {"thegeom", "geom", "geometry", "shape"}
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SRID = re.compile(r"\s*SRID=(\d+);", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{18,}")

Table = list[dict[str, Any]]


def read_csv(
    name: str,
    content: bytes,
    encoding: str,
    *,
    delimiter: str | None = None,
    names: Sequence[str] | None = None,
) -> Table:
    """Reads a table of separated values.

    A column is of numbers if each of its values is a number that gives the same text again;
    otherwise its values are texts. An empty value is None.

    Args:
        name: The file's name.
        content: Its bytes.
        encoding: Its encoding.
        delimiter: What separates the values; found out if None.
        names: The columns of a file without a header.

    Raises:
        JobError: It cannot be read.
    """
    return _typed(*_texts(name, content, encoding, delimiter, names))


def read_csv_features(name: str, content: bytes, encoding: str) -> VectorSource:
    """Reads the features of a table of separated values.

    Raises:
        JobError: It cannot be read, or has no columns of positions or shapes.
    """
    columns, records, separator = _texts(name, content, encoding, None, None)
    rows = _typed(columns, records, separator)
    by_name: dict[str, int] = {}
    for at, column in enumerate(columns):
        by_name.setdefault("".join(char for char in column.lower() if char.isalnum()), at)

    def find(usual: frozenset[str]) -> int | None:
        return next((at for known, at in by_name.items() if known in usual), None)

    for easts, norths, crs in ((_LONGITUDES, _LATITUDES, WGS84), (_EASTINGS, _NORTHINGS, None)):
        east, north = find(easts), find(norths)
        if east is not None and north is not None:
            # These names mean degrees; `x` and `y` do not, so `input_srid` applies.
            return VectorSource(
                crs,
                [
                    _point(row, {columns[at]: record[at] for at in (east, north)})
                    for row, record in zip(rows, records, strict=True)
                ],
            )
    shape = find(_SHAPES)
    if shape is not None:
        return _rows_of_shapes(columns[shape], rows, [record[shape] for record in records])
    reason = (
        f"{name} has no columns of positions, such as longitude and latitude, x and y, or wkt; "
        f"its columns are: {', '.join(columns) or 'none'}"
    )
    raise JobError(reason, "geobox.InvalidFileError")


def csv_count(content: bytes) -> int:
    """About how many rows a file has below its header, for the duration of a task."""
    return max(len(content.splitlines()) - 1, 0)


def _texts(
    name: str,
    content: bytes,
    encoding: str,
    delimiter: str | None,
    names: Sequence[str] | None,
) -> tuple[list[str], list[list[str]], str]:
    """The columns and the values of a file as they are written, and what separates them."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_VALUE))
    text = decoded(name, content, encoding).removeprefix("\ufeff")
    line = _SEPARATOR_LINE.match(text)
    if line is not None:
        text, delimiter = text[line.end() :], delimiter or line[1]
    separator = delimiter or _separator(text)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise unreadable(name, error) from None
    records = [record for record in records if record]
    header = list(names) if names is not None else (records.pop(0) if records else [])
    width = max(map(len, [header, *records]))
    padded = [record + [""] * (width - len(record)) for record in records]
    # As by GDAL, a column without a name is called by its number.
    columns = [
        column.strip() or f"field_{at}"
        for at, column in enumerate(header + [""] * (width - len(header)), start=1)
    ]
    # What ends each line with a separator adds an empty column.
    if width and not "".join([*header[width - 1 :], *(record[-1] for record in padded)]):
        columns, padded = columns[:-1], [record[:-1] for record in padded]
    return unique_names(columns), padded, separator


def _separator(text: str) -> str:
    header = re.sub(r'"[^"]*"', "", next(iter(text.splitlines()), ""))
    return max(_SEPARATORS, key=header.count)


def _typed(columns: list[str], records: list[list[str]], separator: str) -> Table:
    # Where a comma separates no values, it is that of decimals.
    read = number_of if separator == "," else _number_with_comma
    values = [_values([record[at] for record in records], read) for at in range(len(columns))]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _values(texts: list[str], read: Callable[[str], int | float | None]) -> list[Any]:
    numbers = [read(text) if text else None for text in texts]
    if any(text and number is None for text, number in zip(texts, numbers, strict=True)):
        return [text or None for text in texts]
    return numbers


def _number_with_comma(text: str) -> int | float | None:
    return number_of(text.replace(",", ".", 1)) if "." not in text else number_of(text)


def _point(row: dict[str, Any], texts: dict[str, str]) -> Row:
    position = []
    for column, text in texts.items():
        number = text.strip().replace(",", ".", 1)
        if _DECIMAL.fullmatch(number) is None:
            reason = f"{column} is {text[:40]!r}, not a number" if number else f"no {column}"
            return Row(None, row, f"the position is missing: {reason}")
        position.append(float(number))
    return Row({"type": "Point", "coordinates": position}, row)


def _rows_of_shapes(column: str, rows: Table, texts: list[str]) -> VectorSource:
    shapely = library("shapely", "reading shapes in a CSV")
    shapes, srids = [], set()
    for text in texts:
        srid = _SRID.match(text)
        is_binary = _HEXADECIMAL.fullmatch(text.strip()) is not None
        read = shapely.from_wkb if is_binary else shapely.from_wkt
        shape = read(text[srid.end() :] if srid else text.strip(), on_invalid="ignore")
        srids.add(int(srid[1]) if srid else int(shapely.get_srid(shape)) if shape else 0)
        shapes.append(shape)
    known = sorted(srids - {0, -1})
    if len(known) > 1:
        codes = ", ".join(map(str, known))
        reason = f"the shapes in {column} are in several reference systems: {codes}"
        raise JobError(reason, "geobox.InvalidSRIDError")
    found = []
    for row, text, shape in zip(rows, texts, shapes, strict=True):
        properties = {key: value for key, value in row.items() if key != column}
        if shape is None:
            problem = f"{column} is {text[:40]!r}, not a shape" if text else "no geometry"
            found.append(Row(None, properties, f"the geometry is missing: {problem}"))
        else:
            found.append(Row(as_geojson(shapely, shape), properties))
    return VectorSource(epsg(known[0]) if known else None, found)
