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


def problem(geometry: Any) -> str | None:
    """What is wrong with a geometry, or None.

    Checks only its structure: a ring that crosses itself is accepted, as in many databases.
    """
    if geometry is None:
        return "the geometry is missing"
    if not isinstance(geometry, dict) or geometry.get("type") not in _DEPTHS:
        return "the geometry has no known type"
    kind: str = geometry["type"]
    coordinates: Any = geometry.get("coordinates")
    if not _is_nested(coordinates, _DEPTHS[kind]):
        return f"the coordinates are not those of a {kind}"
    if kind.endswith("Polygon"):
        parts = [coordinates] if kind == "Polygon" else coordinates
        return _ring_problem([ring for part in parts for ring in part])
    if kind.endswith("LineString"):
        lines = [coordinates] if kind == "LineString" else coordinates
        if any(len(line) < 2 for line in lines):
            return "a line has fewer than two positions"
    return None


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


def _is_nested(node: Any, depth: int) -> bool:
    if not isinstance(node, (list, tuple)) or not node:
        return False
    if depth > 0:
        return all(_is_nested(child, depth - 1) for child in node)
    return len(node) >= 2 and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in node
    )
