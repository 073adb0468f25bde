"""Reads GeoJSON: collections, features, geometries, and features one after another."""

from __future__ import annotations

import json
import re
from typing import Any

from prefect_geobox.emulator.geodata.columns import json_value
from prefect_geobox.emulator.geodata.errors import JobError, unreadable
from prefect_geobox.emulator.geodata.features import Row, VectorSource
from prefect_geobox.emulator.geodata.geometry import unified
from prefect_geobox.emulator.geodata.reprojection import WGS84, named
from prefect_geobox.emulator.geodata.texts import decoded

_GEOMETRIES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
# Between the texts of a sequence: white space, and the mark of RFC 8142.
_BETWEEN = re.compile(r"[\s\x1e]*")
# The code in an old link to a reference system, which is never followed.
_LINKED_CODE = re.compile(r"\bepsg[:/](\d+)", re.IGNORECASE)


def read_geojson(name: str, content: bytes, encoding: str) -> VectorSource:
    """Reads a GeoJSON as GDAL does: numbers that are not finite are missing values.

    Args:
        name: The file's name.
        content: Its bytes.
        encoding: Its encoding.

    Raises:
        JobError: It cannot be read.
    """
    documents = _documents(name, decoded(name, content, encoding))
    rows = [_row(feature) for feature in _features(name, documents)]
    return VectorSource(_crs(name, documents[0]), rows)


def geojson_count(name: str, content: bytes) -> int:
    """The number of features of a GeoJSON; 0 if it cannot be read."""
    try:
        # The encoding is not known yet. The structure of JSON is ASCII in any of them.
        text = decoded(name, content, "utf-8" if _is_utf8(content) else "latin-1")
        return len(_features(name, _documents(name, text)))
    except JobError:
        return 0


def is_geojson(name: str, content: bytes) -> bool:
    """Whether a JSON file is a GeoJSON, as some are and most are not."""
    return b'"coordinates"' in content and geojson_count(name, content) > 0


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _documents(name: str, text: str) -> list[Any]:
    """The JSON texts of a file: one, or several one after another."""
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    at = _end_of_gap(text, 0)
    try:
        while at < len(text) or not documents:
            document, at = decoder.raw_decode(text, at)
            documents.append(document)
            at = _end_of_gap(text, at)
            if len(documents) == 1 and at < len(text) and not _is_feature(document):
                raise unreadable(name, f"it goes on after its end, at character {at}")
    except (ValueError, RecursionError) as error:
        raise unreadable(name, error) from None
    return documents


def _end_of_gap(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    return match.end() if match is not None else at


def _is_feature(document: Any) -> bool:
    kind = document.get("type") if isinstance(document, dict) else None
    return kind == "Feature" or (isinstance(kind, str) and kind in _GEOMETRIES)


def _features(name: str, documents: list[Any]) -> list[Any]:
    first = documents[0]
    if not isinstance(first, dict):
        raise unreadable(name, "it is not a GeoJSON object")
    if first.get("type") == "FeatureCollection" and isinstance(first.get("features"), list):
        return list(first["features"])
    for number, document in enumerate(documents, start=1):
        if not _is_feature(document):
            kind = document.get("type") if isinstance(document, dict) else document
            reason = "it is not a GeoJSON FeatureCollection, Feature or geometry"
            place = f" (object {number})" if len(documents) > 1 else ""
            raise unreadable(name, f"{reason}: its type is {str(kind)[:40]!r}{place}")
    return documents


def _row(feature: Any) -> Row:
    known = feature if isinstance(feature, dict) else {}
    if known.get("type") in _GEOMETRIES:
        return Row(unified(known), {})
    given = known.get("properties")
    properties = json_value(given) if isinstance(given, dict) else {}
    # A number only counts the features, but a text is data, as for GDAL.
    if isinstance(known.get("id"), str):
        properties.setdefault("id", json_value(known["id"]))
    return Row(unified(known.get("geometry")), properties)


def _crs(name: str, document: dict[str, Any]) -> str | None:
    # RFC 7946 allows only WGS 84. Its predecessor had `crs`, with null for an unknown one.
    if "crs" not in document:
        return WGS84
    crs = document["crs"]
    if crs is None:
        return None
    kind = crs.get("type") if isinstance(crs, dict) else None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    if kind == "EPSG":
        return named(f"EPSG:{properties.get('code')}")
    if kind == "link":
        code = _LINKED_CODE.search(str(properties.get("href")))
        if code is None:
            reason = "its `crs` is a link, which is not followed; name the reference system"
            raise unreadable(name, reason)
        return named(f"EPSG:{code[1]}")
    crs_name = properties.get("name")
    if not isinstance(crs_name, str):
        raise unreadable(name, "its `crs` names no reference system")
    return named(crs_name)
