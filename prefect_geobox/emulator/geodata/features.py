"""The features of a file, before they are checked and reprojected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefect_geobox.emulator.geodata.geometry import unified


@dataclass(frozen=True)
class Row:
    """A feature of a file.

    Attributes:
        geometry: Its geometry, which may be invalid.
        properties: Its properties.
        problem: Why it has no geometry, if the file itself tells.
    """

    geometry: Any
    properties: dict[str, Any]
    problem: str | None = None


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


def plain(node: Any) -> Any:
    """A mapping of shapely as JSON: with lists instead of tuples."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(child) for child in node] if isinstance(node, (list, tuple)) else node


def as_geojson(shapely: Any, shape: Any) -> dict[str, Any]:
    """A shape of shapely as a GeoJSON geometry; a collection of one type as a multi-geometry.

    Args:
        shapely: The library.
        shape: The shape.
    """
    mapped: dict[str, Any] = unified(plain(shapely.geometry.mapping(shape)))
    return mapped
