"""The geometry functions of SQL over layers, with the names that PostGIS gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import WEB_MERCATOR, epsg, transformer

if TYPE_CHECKING:
    import sqlite3

# Segments of a quarter of a circle: the default of PostGIS. That of the API is not known.
QUARTER_SEGMENTS = 8

# Takes one or two geometries first, then numbers or texts.
_Function = Callable[..., Any]

_PREDICATES = (
    "intersects",
    "contains",
    "within",
    "disjoint",
    "touches",
    "overlaps",
    "crosses",
    "equals",
    "covers",
)


def register(database: sqlite3.Connection) -> list[str]:
    """Adds the functions to a database; none if shapely is not installed.

    Returns:
        A list that gets the reason of each error in a function, which SQLite does not report.
    """
    reasons: list[str] = []
    try:
        shapely = library("shapely", "SQL over layers")
    except JobError:
        return reasons
    for name, (geometries, arguments, function) in _functions(shapely).items():
        called = _recording_errors(name, reasons, _on_wkb(shapely, geometries, function))
        database.create_function(name, geometries + arguments, called, deterministic=True)
    for aggregate, method in _AGGREGATES.items():
        database.create_aggregate(aggregate, 1, _aggregate(shapely, method))
    return reasons


def combined(shapely: Any, shapes: list[Any], method: str) -> Any:
    """Several geometries as one.

    Args:
        shapely: The library.
        shapes: The geometries, at least one.
        method: `collect`, `union`, `extent` or `makeline`.

    Raises:
        JobError: The method is unknown, or a line is to be made of other geometries than points
            and lines.
    """
    if method == "union":
        return shapely.union_all(shapes)
    if method == "extent":
        return shapely.box(*shapely.total_bounds(shapes))
    if method == "makeline":
        if any(shape.geom_type not in {"Point", "LineString"} for shape in shapes):
            raise JobError("a line is made of points or lines", "geobox.InvalidGeometryTypeError")
        positions = [position for shape in shapes for position in shape.coords]
        if len(positions) < 2:
            raise JobError("one point makes no line", "geobox.InvalidGeometryTypeError")
        return shapely.LineString(positions)
    if method == "collect":
        return _collected(shapely, shapes)
    methods = "collect, union, extent, makeline"
    raise JobError(f"{method!r} is none of {methods}", "geobox.InvalidParameterError")


def _collected(shapely: Any, shapes: list[Any]) -> Any:
    parts = [part for shape in shapes for part in shapely.get_parts(shape)]
    kinds = {part.geom_type for part in parts}
    multis = {
        "Point": shapely.MultiPoint,
        "LineString": shapely.MultiLineString,
        "Polygon": shapely.MultiPolygon,
    }
    make = multis.get(kinds.pop()) if len(kinds) == 1 else None
    return (make or shapely.GeometryCollection)(parts)


def _functions(shapely: Any) -> dict[str, tuple[int, int, _Function]]:
    unary: dict[str, _Function] = {
        "ST_Area": lambda shape: shape.area,
        "ST_Length": lambda shape: shape.length if "Line" in shape.geom_type else 0.0,
        "ST_Perimeter": lambda shape: shape.length if "Polygon" in shape.geom_type else 0.0,
        "ST_Centroid": lambda shape: shape.centroid,
        "ST_PointOnSurface": lambda shape: shape.representative_point(),
        "ST_ConvexHull": lambda shape: shape.convex_hull,
        "ST_Envelope": lambda shape: shape.envelope,
        "ST_Boundary": lambda shape: shape.boundary,
        "ST_MakeValid": shapely.make_valid,
        "ST_IsValid": lambda shape: int(shape.is_valid),
        "ST_IsEmpty": lambda shape: int(shape.is_empty),
        "ST_NPoints": lambda shape: int(shapely.get_num_coordinates(shape)),
        "ST_NumGeometries": lambda shape: int(shapely.get_num_geometries(shape)),
        "ST_GeometryType": lambda shape: f"ST_{shape.geom_type}",
        "ST_AsText": lambda shape: shape.wkt,
        "ST_AsGeoJSON": shapely.to_geojson,
        "ST_X": lambda shape: shape.x if shape.geom_type == "Point" else None,
        "ST_Y": lambda shape: shape.y if shape.geom_type == "Point" else None,
        "ST_XMin": lambda shape: shape.bounds[0],
        "ST_YMin": lambda shape: shape.bounds[1],
        "ST_XMax": lambda shape: shape.bounds[2],
        "ST_YMax": lambda shape: shape.bounds[3],
    }
    functions = {name: (1, 0, function) for name, function in unary.items()}
    for predicate in _PREDICATES:
        compare: _Function = getattr(shapely, predicate)
        functions[f"ST_{predicate.capitalize()}"] = (2, 0, _predicate(compare))
    return {
        **functions,
        "ST_Distance": (2, 0, lambda one, other: one.distance(other)),
        "ST_DWithin": (2, 1, lambda one, other, d: int(shapely.dwithin(one, other, d))),
        "ST_Intersection": (2, 0, lambda one, other: one.intersection(other)),
        "ST_Difference": (2, 0, lambda one, other: one.difference(other)),
        "ST_SymDifference": (2, 0, lambda one, other: one.symmetric_difference(other)),
        "ST_Union": (2, 0, lambda one, other: one.union(other)),
        "ST_Buffer": (1, 1, lambda shape, d: shape.buffer(d, quad_segs=QUARTER_SEGMENTS)),
        "ST_Simplify": (1, 1, lambda shape, tolerance: shape.simplify(tolerance)),
        "ST_SnapToGrid": (1, 1, shapely.set_precision),
        "ST_Transform": (1, 1, lambda shape, srid: transformed(shapely, shape, int(srid))),
        "ST_Point": (0, 2, shapely.Point),
        "ST_MakePoint": (0, 2, shapely.Point),
        "ST_MakeEnvelope": (0, 4, shapely.box),
        "ST_GeomFromText": (0, 1, shapely.from_wkt),
        "ST_GeomFromGeoJSON": (0, 1, shapely.from_geojson),
    }


def transformed(shapely: Any, shape: Any, srid: int, *, inverse: bool = False) -> Any:
    """A geometry transformed from Web Mercator into another reference system, or back.

    Raises:
        JobError: The reference system is unknown, or pyproj is missing.
    """
    crs = epsg(int(srid))
    transform = transformer(crs, WEB_MERCATOR) if inverse else transformer(WEB_MERCATOR, crs)
    return shapely.transform(shape, transform, interleaved=False)


def _predicate(compare: _Function) -> _Function:
    return lambda one, other: int(compare(one, other))


def _on_wkb(shapely: Any, geometries: int, function: _Function) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        # As in SQL: a null argument makes the result null.
        if any(argument is None for argument in arguments):
            return None
        shapes = [shapely.from_wkb(argument) for argument in arguments[:geometries]]
        made = function(*shapes, *arguments[geometries:])
        return made.wkb if isinstance(made, shapely.Geometry) else made

    return called


def _recording_errors(name: str, reasons: list[str], function: _Function) -> _Function:
    def called(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            reasons.append(f"{name}: {error}")
            raise

    return called


def _aggregate(shapely: Any, method: str) -> type:
    class Aggregate:
        """Collects geometries and combines them into one."""

        combine_method: ClassVar[str] = method

        def __init__(self) -> None:
            self._shapes: list[Any] = []

        def step(self, value: bytes | None) -> None:
            """Takes the geometry of a row."""
            if value is not None:
                self._shapes.append(shapely.from_wkb(value))

        def finalize(self) -> bytes | None:
            """Combines all geometries into one."""
            if not self._shapes:
                return None
            made: bytes = combined(shapely, self._shapes, self.combine_method).wkb
            return made

    return Aggregate


_AGGREGATES = {
    "ST_Union": "union",
    "ST_Collect": "collect",
    "ST_Extent": "extent",
    "ST_MakeLine": "makeline",
}
