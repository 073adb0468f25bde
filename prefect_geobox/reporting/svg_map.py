"""Draws the features of a layer as a small SVG map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from shapely.geometry import Polygon
    from shapely.geometry.base import BaseGeometry

#: The size of a map in bytes, at most; base64 adds a third.
MAX_SVG_BYTES: Final = 120_000

#: Width, height and margin of a map at most, in pixels.
_MAX_WIDTH: Final = 720.0
_MAX_HEIGHT: Final = 520.0
_MARGIN: Final = 10.0

#: Units of the drawing per pixel: tenths of a pixel keep all numbers whole and short.
_UNITS_PER_PIXEL: Final = 10

#: Tolerances for simplifying lines, in pixels, tried in turn before parts are left out.
_TOLERANCES: Final = (0.5, 1.0, 2.0)

_STYLE: Final = (
    ".a{fill:#8fbfb0;stroke:#2f5d52;stroke-width:6;fill-rule:evenodd}"
    ".l{fill:none;stroke:#2b6a9b;stroke-width:12}"
    ".p{stroke:#c2503a;stroke-width:60;stroke-linecap:round}"
)


class MapUnavailableError(Exception):
    """No map can be drawn; the message says why, and how to get one."""


@dataclass(frozen=True, slots=True)
class Map:
    """A drawn map.

    Attributes:
        svg: The drawing, of at most `MAX_SVG_BYTES` bytes, without scripts or references.
        drawn: The number of parts that it shows: points, lines and areas.
        parts: The number of parts of the layer; more than `drawn` if not all of them fit.
    """

    svg: str
    drawn: int
    parts: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """Converts map coordinates to the units of the drawing."""

    west: float
    north: float
    scale: float
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[int, int]:
        return (
            round((_MARGIN + (x - self.west) * self.scale) * _UNITS_PER_PIXEL),
            round((_MARGIN + (self.north - y) * self.scale) * _UNITS_PER_PIXEL),
        )


def draw_map(features: Sequence[Mapping[str, Any]], title: str = "map") -> Map:
    """Draws GeoJSON features in plane coordinates, such as those of EPSG:3857.

    Lines are simplified. If the map is still too large, parts are left out evenly.

    Args:
        features: GeoJSON features; those without a usable geometry are left out.
        title: The title for screen readers.

    Raises:
        MapUnavailableError: shapely is not installed, or no feature has a geometry.
    """
    parts = list(_parts(features))
    if not parts:
        raise MapUnavailableError("The layer has no geometry to draw.")
    frame = _frame(parts)
    shapes: list[tuple[str, str]] = []
    for tolerance in _TOLERANCES:
        shapes = [_shape(frame, part, tolerance / frame.scale) for part in parts]
        svg = _svg(frame, shapes, title)
        if len(svg) <= MAX_SVG_BYTES:
            return Map(svg, len(parts), len(parts))
    step = 2
    while True:
        chosen = shapes[::step]
        svg = _svg(frame, [_cut(shape) for shape in chosen] if len(chosen) == 1 else chosen, title)
        if len(svg) <= MAX_SVG_BYTES or len(chosen) == 1:
            return Map(svg, len(chosen), len(parts))
        step *= 2


def _parts(features: Sequence[Mapping[str, Any]]) -> Iterator[BaseGeometry]:
    try:
        from shapely.errors import ShapelyError
        from shapely.geometry import shape
    except ImportError:
        raise MapUnavailableError(
            'To see a map here: pip install "prefect-geobox[map]" where the flow runs.'
        ) from None
    unusable = (
        ShapelyError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        OverflowError,
    )
    for feature in features:
        try:
            geometry = shape(feature["geometry"])
        except unusable:
            continue
        if not geometry.is_empty and all(math.isfinite(value) for value in geometry.bounds):
            yield from _simple(geometry)


def _simple(geometry: BaseGeometry) -> Iterator[BaseGeometry]:
    """Yields the points, lines and areas of a geometry."""
    parts = getattr(geometry, "geoms", None)
    if parts is not None:
        for part in parts:
            yield from _simple(part)
    elif not geometry.is_empty:
        yield geometry


def _frame(parts: Sequence[BaseGeometry]) -> _Frame:
    boxes = [part.bounds for part in parts]
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    # A single point or a straight line gets some space around it.
    least = max(east - west, north - south) * 0.2 or 1000.0
    if east - west < least:
        west, east = west - least / 2, east + least / 2
    if north - south < least:
        south, north = south - least / 2, north + least / 2
    scale = min(_MAX_WIDTH / (east - west), _MAX_HEIGHT / (north - south))
    return _Frame(
        west,
        north,
        scale,
        round((east - west) * scale + 2 * _MARGIN),
        round((north - south) * scale + 2 * _MARGIN),
    )


def _svg(frame: _Frame, shapes: Iterable[tuple[str, str]], title: str) -> str:
    by_class: dict[str, list[str]] = {"a": [], "l": [], "p": []}
    for css_class, path in shapes:
        by_class[css_class].append(path)
    # Each area has a path of its own: in a common one, overlapping areas cut holes.
    drawing = "".join(
        f'<g class="{css_class}">'
        + ("".join(f'<path d="{path}"/>' for path in paths) if css_class == "a" else "")
        + (f'<path d="{"".join(paths)}"/>' if css_class != "a" else "")
        + "</g>"
        for css_class, paths in by_class.items()
        if paths
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width:g}" '
        f'height="{frame.height:g}" '
        f'viewBox="0 0 {frame.width * _UNITS_PER_PIXEL:g} {frame.height * _UNITS_PER_PIXEL:g}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#eef3f7"/>{drawing}</svg>'
    )


def _shape(frame: _Frame, part: BaseGeometry, tolerance: float) -> tuple[str, str]:
    if part.geom_type == "Point":
        x, y = frame.at(*part.coords[0][:2])
        return "p", f"M{x} {y}h0"
    if part.geom_type == "Polygon":
        area = cast("Polygon", part.simplify(tolerance, preserve_topology=True))
        rings = [area.exterior, *area.interiors]
        return "a", "".join(_path(frame, ring.coords) + "z" for ring in rings)
    line = part.simplify(tolerance, preserve_topology=False)
    return "l", _path(frame, line.coords)


def _path(frame: _Frame, coordinates: Iterable[Sequence[float]]) -> str:
    """Returns a path of relative coordinates, which are shorter than absolute ones."""
    path, before = "", (0, 0)
    for coordinate in coordinates:
        point = frame.at(coordinate[0], coordinate[1])
        if path and point == before:
            continue
        if path:
            path += f"l{point[0] - before[0]} {point[1] - before[1]}"
        else:
            path = f"M{point[0]} {point[1]}"
        before = point
    return path.replace(" -", "-")


def _cut(shape: tuple[str, str]) -> tuple[str, str]:
    """Cuts off the end of a single shape that is too large by itself."""
    css_class, path = shape
    return css_class, path[: MAX_SVG_BYTES - 2000].rpartition("l")[0] or path[
        : MAX_SVG_BYTES - 2000
    ]
