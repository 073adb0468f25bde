"""Tools that process each feature alone: they change its geometry or add a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.sql.geometry_functions import QUARTER_SEGMENTS, transformed
from prefect_geobox.emulator.vector_tools.inputs import Feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Features = list[Feature]

_WGS84 = 4326


def change_geometry(inputs: Inputs, change: Callable[[Any], Any]) -> Features:
    """The features with changed geometries."""
    return [Feature(change(feature.shape), feature.properties) for feature in inputs.features()]


def add_columns(inputs: Inputs, columns: Callable[[Any], dict[str, Any]]) -> Features:
    """The features with further columns, computed from their geometries."""
    return [
        Feature(feature.shape, {**feature.properties, **columns(feature.shape)})
        for feature in inputs.features()
    ]


def buffer(inputs: Inputs) -> Features:
    """`$buffer`: the distance is in units of Web Mercator; a guess, as for all measures here."""
    distance = inputs.number("distance")
    return change_geometry(inputs, lambda shape: shape.buffer(distance, quad_segs=QUARTER_SEGMENTS))


def centroid(inputs: Inputs) -> Features:
    """`$centroid`."""
    return change_geometry(inputs, lambda shape: shape.centroid)


def simplify(inputs: Inputs) -> Features:
    """`$simplify`: keeps the topology of each feature."""
    tolerance = inputs.number("tolerance")
    return change_geometry(inputs, lambda shape: shape.simplify(tolerance))


def snap_to_grid(inputs: Inputs) -> Features:
    """`$snap_to_grid`: geometries that become empty are left out."""
    size = inputs.positive("grid_size")
    return change_geometry(inputs, lambda shape: inputs.shapely.set_precision(shape, size))


def feature_extent(inputs: Inputs) -> Features:
    """`$feature_extent`: the box around each feature."""
    return change_geometry(inputs, lambda shape: inputs.shapely.box(*shape.bounds))


def reverse_line(inputs: Inputs) -> Features:
    """`$reverse_line`."""
    return change_geometry(inputs, inputs.shapely.reverse)


def remove_holes(inputs: Inputs) -> Features:
    """`$remove_holes`: geometries other than polygons stay as they are."""
    shapely = inputs.shapely

    def filled(shape: Any) -> Any:
        if "Polygon" not in shape.geom_type:
            return shape
        parts = [shapely.Polygon(part.exterior) for part in shapely.get_parts(shape)]
        return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)

    return change_geometry(inputs, filled)


def line_to_polygon(inputs: Inputs) -> Features:
    """`$line_to_polygon`: closes each line; lines with fewer than three positions are left out."""
    shapely = inputs.shapely
    made = []
    for shape, properties in inputs.features():
        lines = [
            part
            for part in shapely.get_parts(shape)
            if part.geom_type == "LineString" and len(set(part.coords)) > 2
        ]
        polygons = [shapely.Polygon(line.coords) for line in lines]
        if polygons:
            whole = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
            made.append(Feature(whole, properties))
    return made


def dump(inputs: Inputs) -> Features:
    """`$dump`: a feature for each part."""
    return [
        Feature(part, properties)
        for shape, properties in inputs.features()
        for part in inputs.shapely.get_parts(shape)
    ]


def area(inputs: Inputs) -> Features:
    """`$area`."""
    return add_columns(inputs, lambda shape: {"area": shape.area})


def length(inputs: Inputs) -> Features:
    """`$length`."""
    return add_columns(inputs, lambda shape: {"length": shape.length})


def as_wkt(inputs: Inputs) -> Features:
    """`$as_wkt`."""
    return add_columns(inputs, lambda shape: {"wkt": shape.wkt})


def as_geojson(inputs: Inputs) -> Features:
    """`$as_geojson`: in WGS 84, as GeoJSON is; a guess."""
    shapely = inputs.shapely
    return add_columns(
        inputs,
        lambda shape: {"geojson": shapely.to_geojson(transformed(shapely, shape, _WGS84))},
    )


def feature_bbox(inputs: Inputs) -> Features:
    """`$feature_bbox`: as PostGIS writes a box; a guess."""
    srid = int(inputs.number("srid"))
    return add_columns(inputs, lambda shape: {"bbox": box_text(inputs, [shape], srid)})


def box_text(inputs: Inputs, shapes: list[Any], srid: int) -> str:
    """The box around geometries, in a reference system, as text."""
    shapely = inputs.shapely
    moved = [transformed(shapely, shape, srid) for shape in shapes]
    west, south, east, north = shapely.total_bounds(moved)
    return f"BOX({west} {south},{east} {north})"


def xy_coordinate(inputs: Inputs) -> Features:
    """`$xy_coordinate`: that of the centroid if the geometry is not a point; a guess."""
    srid = int(inputs.number("srid"))

    def columns(shape: Any) -> dict[str, Any]:
        middle = transformed(inputs.shapely, shape.centroid, srid)
        return {"coord_x": middle.x, "coord_y": middle.y}

    return add_columns(inputs, columns)


def number_of_geoms(inputs: Inputs) -> Features:
    """`$number_of_geoms`."""
    count = inputs.shapely.get_num_geometries
    return add_columns(inputs, lambda shape: {"number_of_geoms": int(count(shape))})


def number_of_points(inputs: Inputs) -> Features:
    """`$number_of_points`."""
    count = inputs.shapely.get_num_coordinates
    return add_columns(inputs, lambda shape: {"number_of_points": int(count(shape))})


def find_replace(inputs: Inputs) -> Features:
    """`$find_replace`: in all text columns, because no parameter names a column."""
    find, replace = inputs.text("find"), inputs.text("replace")
    return [
        Feature(
            feature.shape,
            {
                name: value.replace(find, replace) if isinstance(value, str) else value
                for name, value in feature.properties.items()
            },
        )
        for feature in inputs.features()
    ]


def distinct(inputs: Inputs) -> Features:
    """`$distinct`: the first of all features with the same columns and geometry."""
    found = {
        (feature.shape.normalize().wkb, tuple(map(repr, feature.properties.items()))): feature
        for feature in reversed(inputs.features())
    }
    return list(reversed(found.values()))
