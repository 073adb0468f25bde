"""Tools that look at one feature at a time: a new shape of it, or a column more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.sql.geometry_functions import QUARTER_SEGMENTS, transformed
from prefect_geobox.emulator.vector_tools.inputs import Piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Pieces = list[Piece]

_WGS84 = 4326


def reshaped(inputs: Inputs, change: Callable[[Any], Any]) -> Pieces:
    """The features with other shapes."""
    return [Piece(change(piece.shape), piece.properties) for piece in inputs.pieces()]


def with_columns(inputs: Inputs, columns: Callable[[Any], dict[str, Any]]) -> Pieces:
    """The features with more columns, made of their shapes."""
    return [
        Piece(piece.shape, {**piece.properties, **columns(piece.shape)})
        for piece in inputs.pieces()
    ]


def buffer(inputs: Inputs) -> Pieces:
    """`$buffer`: the distance is in the units of Web Mercator; a guess, as of all measures here."""
    distance = inputs.number("distance")
    return reshaped(inputs, lambda shape: shape.buffer(distance, quad_segs=QUARTER_SEGMENTS))


def centroid(inputs: Inputs) -> Pieces:
    """`$centroid`."""
    return reshaped(inputs, lambda shape: shape.centroid)


def simplify(inputs: Inputs) -> Pieces:
    """`$simplify`, with the topology of each feature kept."""
    tolerance = inputs.number("tolerance")
    return reshaped(inputs, lambda shape: shape.simplify(tolerance))


def snap_to_grid(inputs: Inputs) -> Pieces:
    """`$snap_to_grid`: what collapses is left out."""
    size = inputs.positive("grid_size")
    return reshaped(inputs, lambda shape: inputs.shapely.set_precision(shape, size))


def feature_extent(inputs: Inputs) -> Pieces:
    """`$feature_extent`: the box around each feature."""
    return reshaped(inputs, lambda shape: inputs.shapely.box(*shape.bounds))


def reverse_line(inputs: Inputs) -> Pieces:
    """`$reverse_line`."""
    return reshaped(inputs, inputs.shapely.reverse)


def remove_holes(inputs: Inputs) -> Pieces:
    """`$remove_holes`; what is no polygon stays."""
    shapely = inputs.shapely

    def filled(shape: Any) -> Any:
        if "Polygon" not in shape.geom_type:
            return shape
        parts = [shapely.Polygon(part.exterior) for part in shapely.get_parts(shape)]
        return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)

    return reshaped(inputs, filled)


def line_to_polygon(inputs: Inputs) -> Pieces:
    """`$line_to_polygon`: each line is closed; those of fewer than three positions are left out."""
    shapely = inputs.shapely
    made = []
    for shape, properties in inputs.pieces():
        lines = [
            part
            for part in shapely.get_parts(shape)
            if part.geom_type == "LineString" and len(set(part.coords)) > 2
        ]
        polygons = [shapely.Polygon(line.coords) for line in lines]
        if polygons:
            whole = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
            made.append(Piece(whole, properties))
    return made


def dump(inputs: Inputs) -> Pieces:
    """`$dump`: a feature for each part."""
    return [
        Piece(part, properties)
        for shape, properties in inputs.pieces()
        for part in inputs.shapely.get_parts(shape)
    ]


def area(inputs: Inputs) -> Pieces:
    """`$area`."""
    return with_columns(inputs, lambda shape: {"area": shape.area})


def length(inputs: Inputs) -> Pieces:
    """`$length`."""
    return with_columns(inputs, lambda shape: {"length": shape.length})


def as_wkt(inputs: Inputs) -> Pieces:
    """`$as_wkt`."""
    return with_columns(inputs, lambda shape: {"wkt": shape.wkt})


def as_geojson(inputs: Inputs) -> Pieces:
    """`$as_geojson`: in WGS 84, as GeoJSON is; a guess."""
    shapely = inputs.shapely
    return with_columns(
        inputs,
        lambda shape: {"geojson": shapely.to_geojson(transformed(shapely, shape, _WGS84))},
    )


def feature_bbox(inputs: Inputs) -> Pieces:
    """`$feature_bbox`: as PostGIS writes a box; a guess."""
    srid = int(inputs.number("srid"))
    return with_columns(inputs, lambda shape: {"bbox": box_text(inputs, [shape], srid)})


def box_text(inputs: Inputs, shapes: list[Any], srid: int) -> str:
    """The box around shapes as a text in a reference system."""
    shapely = inputs.shapely
    moved = [transformed(shapely, shape, srid) for shape in shapes]
    west, south, east, north = shapely.total_bounds(moved)
    return f"BOX({west} {south},{east} {north})"


def xy_coordinate(inputs: Inputs) -> Pieces:
    """`$xy_coordinate`: of the centroid of what is no point; a guess."""
    srid = int(inputs.number("srid"))

    def columns(shape: Any) -> dict[str, Any]:
        middle = transformed(inputs.shapely, shape.centroid, srid)
        return {"coord_x": middle.x, "coord_y": middle.y}

    return with_columns(inputs, columns)


def number_of_geoms(inputs: Inputs) -> Pieces:
    """`$number_of_geoms`."""
    count = inputs.shapely.get_num_geometries
    return with_columns(inputs, lambda shape: {"number_of_geoms": int(count(shape))})


def number_of_points(inputs: Inputs) -> Pieces:
    """`$number_of_points`."""
    count = inputs.shapely.get_num_coordinates
    return with_columns(inputs, lambda shape: {"number_of_points": int(count(shape))})


def find_replace(inputs: Inputs) -> Pieces:
    """`$find_replace`: in all texts, as no parameter names a column."""
    find, replace = inputs.text("find"), inputs.text("replace")
    return [
        Piece(
            piece.shape,
            {
                name: value.replace(find, replace) if isinstance(value, str) else value
                for name, value in piece.properties.items()
            },
        )
        for piece in inputs.pieces()
    ]


def distinct(inputs: Inputs) -> Pieces:
    """`$distinct`: of features with the same columns and shape, the first."""
    found = {
        (piece.shape.normalize().wkb, tuple(map(repr, piece.properties.items()))): piece
        for piece in reversed(inputs.pieces())
    }
    return list(reversed(found.values()))
