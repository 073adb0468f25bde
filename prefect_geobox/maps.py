"""Draws the features of a layer as a small SVG map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: The largest map in bytes; base64 makes it a third longer.
LARGEST_SVG: Final = 120_000

_WIDTH: Final = 720.0
_TALLEST: Final = 520.0
_MARGIN: Final = 10.0

_STYLE: Final = (
    ".a{fill:#8fbfb0;stroke:#2f5d52;stroke-width:.6;fill-rule:evenodd}"
    ".l{fill:none;stroke:#2b6a9b;stroke-width:1.2}"
    ".p{fill:#c2503a;stroke:#fff;stroke-width:.6}"
)


class MapUnavailableError(Exception):
    """There is no map; the message says why, and how to get one."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """From map coordinates to the picture."""

    west: float
    north: float
    scale: float
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            round(_MARGIN + (x - self.west) * self.scale, 1),
            round(_MARGIN + (self.north - y) * self.scale, 1),
        )


def draw_map(features: Sequence[Mapping[str, Any]], title: str = "map") -> str:
    """Draws GeoJSON features in plane coordinates, such as those of EPSG:3857.

    Args:
        features: GeoJSON features; those without a usable geometry are left out.
        title: What a screen reader says of the map.

    Returns:
        An SVG of at most `LARGEST_SVG` bytes, without scripts or references.

    Raises:
        MapUnavailableError: shapely is not installed, or there is nothing to draw.
    """
    geometries = list(_geometries(features))
    if not geometries:
        raise MapUnavailableError("The layer has no geometry to draw.")
    frame = _frame(geometries)
    # Half a pixel is not seen; a map that is still too large is simplified further.
    tolerance = 0.5 / frame.scale
    for _ in range(12):
        svg = _svg(frame, geometries, tolerance, title)
        if len(svg.encode()) <= LARGEST_SVG:
            return svg
        tolerance *= 2
    raise MapUnavailableError("The layer has too many features for a map in an artifact.")


def _geometries(features: Sequence[Mapping[str, Any]]) -> Iterable[BaseGeometry]:
    try:
        from shapely.errors import ShapelyError
        from shapely.geometry import shape
    except ImportError:
        raise MapUnavailableError(
            'To see a map here: pip install "prefect-geobox[map]" where the flow runs.'
        ) from None
    for feature in features:
        try:
            geometry = shape(feature["geometry"])
        except (ShapelyError, KeyError, TypeError, ValueError, AttributeError, IndexError):
            continue
        if not geometry.is_empty and all(math.isfinite(value) for value in geometry.bounds):
            yield geometry


def _frame(geometries: Sequence[BaseGeometry]) -> _Frame:
    boxes = [geometry.bounds for geometry in geometries]
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    # A single point, or a straight line, still needs some space around it.
    least = max(east - west, north - south) * 0.2 or 1000.0
    if east - west < least:
        west, east = west - least / 2, east + least / 2
    if north - south < least:
        south, north = south - least / 2, north + least / 2
    scale = min(_WIDTH / (east - west), _TALLEST / (north - south))
    return _Frame(
        west,
        north,
        scale,
        round((east - west) * scale + 2 * _MARGIN, 1),
        round((north - south) * scale + 2 * _MARGIN, 1),
    )


def _svg(frame: _Frame, geometries: Sequence[BaseGeometry], tolerance: float, title: str) -> str:
    from xml.sax.saxutils import escape

    shapes = "".join(_shape(frame, geometry, tolerance) for geometry in geometries)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width:g}" '
        f'height="{frame.height:g}" viewBox="0 0 {frame.width:g} {frame.height:g}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#eef3f7"/>{shapes}</svg>'
    )


def _shape(frame: _Frame, geometry: BaseGeometry, tolerance: float) -> str:
    if geometry.geom_type == "Point":
        x, y = frame.at(*geometry.coords[0][:2])
        return f'<circle class="p" cx="{x:g}" cy="{y:g}" r="3"/>'
    if geometry.geom_type in ("LineString", "LinearRing"):
        line = geometry.simplify(tolerance, preserve_topology=False)
        return f'<path class="l" d="{_path(frame, line.coords)}"/>'
    if geometry.geom_type == "Polygon":
        area = geometry.simplify(tolerance, preserve_topology=True)
        rings = [area.exterior, *area.interiors]
        return f'<path class="a" d="{"".join(_path(frame, ring.coords) + "z" for ring in rings)}"/>'
    return "".join(_shape(frame, part, tolerance) for part in geometry.geoms)


def _path(frame: _Frame, coordinates: Iterable[Sequence[float]]) -> str:
    points: list[str] = []
    for coordinate in coordinates:
        x, y = frame.at(coordinate[0], coordinate[1])
        point = f"{x:g} {y:g}"
        if not points or points[-1] != point:
            points.append(point)
    return "M" + "L".join(points)
