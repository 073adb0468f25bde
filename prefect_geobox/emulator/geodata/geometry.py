"""GeoJSON geometries: whether they are valid, the type of layer they need, their positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Position = tuple[float, float]

# The depth of the positions in the coordinates of each type.
_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
_LAYER_TYPES = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "LineString": "Polyline",
    "MultiLineString": "Polyline",
    "Polygon": "Polygon",
    "MultiPolygon": "Polygon",
}
# Types of geometry that files have and layers do not. A collection of one type is not among them:
# `unified` makes a multi-geometry of it.
_UNSUPPORTED_TYPES = ("GeometryCollection", "PolyhedralSurface", "TIN", "Triangle")


def problem(geometry: Any) -> str | None:
    """What is wrong with a geometry, or None.

    Checks only its structure: a ring that crosses itself is accepted, as in many databases.
    """
    if geometry is None:
        return "the geometry is missing"
    kind: Any = geometry.get("type") if isinstance(geometry, dict) else None
    if kind in _UNSUPPORTED_TYPES:
        return f"the geometry is a {kind}, which no layer can hold"
    if not isinstance(kind, str) or kind not in _DEPTHS:
        return "the geometry has no known type"
    coordinates: Any = geometry.get("coordinates")
    if not _is_nested(coordinates, _DEPTHS[kind]):
        return _coordinates_problem(kind, coordinates)
    return _parts_problem(kind, coordinates)


def unified(geometry: Any) -> Any:
    """A collection of geometries of one type as the multi-geometry that a layer can hold.

    Anything else stays, and so does a collection of several types.
    """
    if not isinstance(geometry, dict) or geometry.get("type") != "GeometryCollection":
        return geometry
    parts = geometry.get("geometries")
    if not isinstance(parts, list) or not parts:
        return geometry
    parts = [unified(part) for part in parts]
    if any(problem(part) is not None for part in parts):
        return geometry
    single = {part["type"].removeprefix("Multi") for part in parts}
    if len(single) > 1:
        return geometry
    coordinates: list[Any] = []
    for part in parts:
        is_multi = part["type"].startswith("Multi")
        coordinates += part["coordinates"] if is_multi else [part["coordinates"]]
    return {"type": f"Multi{single.pop()}", "coordinates": coordinates}


def layer_type(geometry: dict[str, Any]) -> str:
    """The type of layer that a valid geometry needs."""
    return _LAYER_TYPES[geometry["type"]]


def has_z(geometry: dict[str, Any]) -> bool:
    """Whether a valid geometry has heights."""
    return any(len(position) > 2 for position in _positions(geometry["coordinates"]))


def reproject(
    geometry: dict[str, Any], transform: Callable[[float, float], Position]
) -> dict[str, Any]:
    """A valid geometry with each position transformed; heights stay."""

    def walk(node: Any) -> Any:
        if isinstance(node[0], (list, tuple)):
            return [walk(child) for child in node]
        return [*transform(node[0], node[1]), *node[2:]]

    return {"type": geometry["type"], "coordinates": walk(geometry["coordinates"])}


def extent(geometries: Iterable[dict[str, Any]]) -> list[float] | None:
    """The box around valid geometries: west, south, east, north; None if there are none."""
    positions = [p for geometry in geometries for p in _positions(geometry["coordinates"])]
    if not positions:
        return None
    xs, ys = [p[0] for p in positions], [p[1] for p in positions]
    return [min(xs), min(ys), max(xs), max(ys)]


def _coordinates_problem(kind: str, coordinates: Any) -> str:
    if coordinates == []:
        return f"the geometry is empty: the coordinates are not those of a {kind}"
    wrong = [number for number in _floats(coordinates) if not math.isfinite(number)]
    if wrong:
        return f"a coordinate is {wrong[0]}, which is not a finite number"
    return f"the coordinates are not those of a {kind}"


def _parts_problem(kind: str, coordinates: Any) -> str | None:
    if kind.endswith("Polygon"):
        parts = [coordinates] if kind == "Polygon" else coordinates
        return _ring_problem([ring for part in parts for ring in part])
    if kind.endswith("LineString"):
        lines = [coordinates] if kind == "LineString" else coordinates
        if any(len(line) < 2 for line in lines):
            return "a line has fewer than two positions"
    return None


def _ring_problem(rings: list[Any]) -> str | None:
    if any(len(ring) < 4 for ring in rings):
        return "a ring has fewer than four positions"
    if any(list(ring[0]) != list(ring[-1]) for ring in rings):
        return "a ring is not closed"
    return None


def _positions(node: Any) -> Iterator[Any]:
    if isinstance(node[0], (list, tuple)):
        for child in node:
            yield from _positions(child)
    else:
        yield node


def _floats(node: Any) -> Iterator[float]:
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _floats(child)
    elif isinstance(node, float):
        yield node


def _is_nested(node: Any, depth: int) -> bool:
    if not isinstance(node, (list, tuple)) or not node:
        return False
    if depth > 0:
        return all(_is_nested(child, depth - 1) for child in node)
    return len(node) >= 2 and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in node
    )
