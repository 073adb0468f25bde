"""Reference systems. WGS 84 and Web Mercator need no library; any other needs pyproj."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.geometry import Position
from prefect_geobox.emulator.geodata.optional_libraries import library

Transform = Callable[[float, float], Position]

WGS84 = "EPSG:4326"
WEB_MERCATOR = "EPSG:3857"

_RADIUS = 6378137.0
_HALF_WORLD = math.pi * _RADIUS
# The limit of Web Mercator. What the API does with positions beyond it is not known; a guess: they
# are moved here instead of refused, because otherwise no map of the world could be published.
_LAST_LATITUDE = 85.0511287798066
_TOLERANCE = 1e-6
# The codes that EPSG assigns.
_EPSG_CODES = range(1024, 32768)
_NAME = re.compile(
    r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?"
    r"(?P<authority>EPSG|OGC)(?:[:/][\d.]*)?[:/](?P<code>\w+)",
    re.IGNORECASE,
)


class OutsideError(JobError):
    """A position is outside its reference system."""

    def __init__(self) -> None:
        super().__init__(
            "coordinates outside of the reference system", "geobox.CoordinatesOutOfRangeError"
        )


def epsg(code: int) -> str:
    """The reference system of an EPSG code.

    Raises:
        JobError: There is no such code.
    """
    if code in _EPSG_CODES:
        return f"EPSG:{code}"
    raise JobError(f"{code} is not the code of a reference system", "geobox.InvalidSRIDError")


def named(name: str) -> str:
    """The reference system that a GeoJSON names in its `crs`.

    Raises:
        JobError: The name is unknown.
    """
    match = _NAME.fullmatch(name.strip())
    if match is not None:
        code = match["code"].upper()
        if match["authority"].upper() == "OGC" and code in {"CRS84", "CRS84H"}:
            return WGS84
        if match["authority"].upper() == "EPSG" and code.isdigit():
            return epsg(int(code))
    raise JobError(f"the reference system {name!r} is unknown", "geobox.InvalidSRIDError")


def to_web_mercator(crs: str) -> Transform:
    """The transformation of positions from a reference system to Web Mercator.

    Args:
        crs: `EPSG:…` or WKT. The first coordinate is always the easting or longitude.

    Returns:
        A function that raises `OutsideError` for a position outside the reference system.

    Raises:
        JobError: The reference system is unknown, or pyproj is needed and not installed.
    """
    if crs == WGS84:
        return _from_wgs84
    if crs == WEB_MERCATOR:
        return _within_web_mercator
    return _checked(transformer(crs, WEB_MERCATOR))


def from_web_mercator(code: int) -> Transform:
    """The transformation of positions from Web Mercator to the reference system of an EPSG code.

    Raises:
        JobError: As `to_web_mercator`.
    """
    crs = epsg(code)
    if crs == WGS84:
        return _to_wgs84
    if crs == WEB_MERCATOR:
        return lambda x, y: (x, y)
    return _checked(transformer(WEB_MERCATOR, crs))


def _from_wgs84(x: float, y: float) -> Position:
    if abs(x) > 180 + _TOLERANCE or abs(y) > 90 + _TOLERANCE:
        raise OutsideError
    latitude = math.radians(max(-_LAST_LATITUDE, min(_LAST_LATITUDE, y)))
    return _RADIUS * math.radians(x), _RADIUS * math.asinh(math.tan(latitude))


def _to_wgs84(x: float, y: float) -> Position:
    east, north = math.degrees(x / _RADIUS), math.degrees(math.atan(math.sinh(y / _RADIUS)))
    # To a tenth of a millimetre, so that rounding errors of the round trip disappear.
    return round(east, 9), round(north, 9)


def _within_web_mercator(x: float, y: float) -> Position:
    if max(abs(x), abs(y)) > _HALF_WORLD * (1 + _TOLERANCE):
        raise OutsideError
    return x, y


def _checked(unchecked: Callable[[float, float], Any]) -> Transform:
    def transform(x: float, y: float) -> Position:
        east, north = unchecked(x, y)[:2]
        if not (math.isfinite(east) and math.isfinite(north)):
            raise OutsideError
        return float(east), float(north)

    return transform


def transformer(source: str, target: str) -> Callable[[float, float], Any]:
    """The transformation of positions, or arrays of them, between two systems, unchecked.

    Raises:
        JobError: One of them is unknown, or pyproj is missing.
    """
    pyproj = library("pyproj", f"the reference system {_short(source, target)}")
    try:
        transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    except pyproj.exceptions.ProjError:
        reason = f"the reference system {_short(source, target)} is unknown"
        raise JobError(reason, "geobox.InvalidSRIDError") from None
    transform: Callable[[float, float], Any] = transformer.transform
    return transform


def _short(source: str, target: str) -> str:
    crs = target if source == WEB_MERCATOR else source
    return crs if crs.startswith("EPSG:") else "of the file"
