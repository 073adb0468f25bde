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
# The codes that EPSG assigns, and those that ESRI does.
_EPSG_CODES = range(1024, 32768)
_ESRI_CODES = range(37001, 105000)
# Other codes of Web Mercator: of ESRI, of Google, and one that EPSG has withdrawn.
_WEB_MERCATOR_CODES = frozenset({102100, 102113, 900913, 3785})
_NAME = re.compile(
    r"(?:urn:(?:x-)?ogc:def:crs:|https?://www\.opengis\.net/(?:def/crs/|gml/srs/))?"
    r"(?P<authority>EPSG|ESRI|OGC)(?:\.xml#|(?:[:/][\d.]*)?[:/])(?P<code>\w+)",
    re.IGNORECASE,
)
# What Web Mercator makes of the pole, in floating-point numbers: 2.4e8 metres.
_POLE = 2.5e8


class OutsideError(JobError):
    """A position is outside its reference system."""

    def __init__(self) -> None:
        super().__init__(
            "coordinates outside of the reference system", "geobox.CoordinatesOutOfRangeError"
        )


def epsg(code: int) -> str:
    """The reference system of a code of EPSG or ESRI.

    Raises:
        JobError: There is no such code.
    """
    if code in _WEB_MERCATOR_CODES:
        return WEB_MERCATOR
    if code in _EPSG_CODES:
        return f"EPSG:{code}"
    if code in _ESRI_CODES:
        return f"ESRI:{code}"
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
        # A guess, as by GDAL: a code of ESRI may be written as one of EPSG.
        if match["authority"].upper() in {"EPSG", "ESRI"} and code.isdecimal():
            return epsg(int(code))
    if name.strip().upper().replace(" ", "") in {"WGS84", "CRS84", "CRS:84"}:
        return WGS84
    raise JobError(f"the reference system {name!r} is unknown", "geobox.InvalidSRIDError")


def to_web_mercator(crs: str) -> Transform:
    """The transformation of positions from a reference system to Web Mercator.

    Args:
        crs: `EPSG:…`, `ESRI:…` or WKT. The first coordinate is always the easting or longitude.

    Returns:
        A function that raises `OutsideError` for a position outside the reference system.

    Raises:
        JobError: The reference system is unknown, or pyproj is needed and not installed.
    """
    if crs == WGS84:
        return _from_wgs84
    if crs == WEB_MERCATOR:
        return _within_web_mercator
    # By way of degrees, so that the limit of Web Mercator holds for every reference system.
    to_degrees = _checked(transformer(crs, WGS84))
    return lambda x, y: _from_wgs84(*to_degrees(x, y))


def from_web_mercator(code: int) -> Transform:
    """The transformation of positions from Web Mercator to the reference system of a code.

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
    if abs(x) > _HALF_WORLD * (1 + _TOLERANCE) or abs(y) > _POLE:
        raise OutsideError
    return x, max(-_HALF_WORLD, min(_HALF_WORLD, y))


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
    return crs if crs.startswith(("EPSG:", "ESRI:")) else "of the file"
