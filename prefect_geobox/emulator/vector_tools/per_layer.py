"""Tools that process a whole layer, or groups of its features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.sql.geometry_functions import combined
from prefect_geobox.emulator.vector_tools.inputs import Feature
from prefect_geobox.emulator.vector_tools.per_feature import box_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Features = list[Feature]

_METHODS = ("collect", "union", "extent", "makeline")
_MOST_CELLS = 100_000


def convex_hull(inputs: Inputs) -> Features:
    """`$convex_hull`: of all features together."""
    return [Feature(_collected(inputs).convex_hull, {})]


def concave_hull(inputs: Inputs) -> Features:
    """`$concave_hull`: of all features; the tolerance is PostGIS's, from 0 to 1; a guess."""
    ratio = inputs.number("tolerance")
    if not 0 <= ratio <= 1:
        raise inputs.parameter_error("tolerance", f"{ratio:g} does not lie between 0 and 1")
    return [Feature(inputs.shapely.concave_hull(_collected(inputs), ratio=ratio), {})]


def layer_extent(inputs: Inputs) -> Features:
    """`$layer_extent`: the box around all features."""
    return [Feature(combined(inputs.shapely, _required_shapes(inputs), "extent"), {})]


def count(inputs: Inputs) -> Features:
    """`$count`: a row without a geometry."""
    return [Feature(None, {"count": len(inputs.features())})]


def layer_bbox(inputs: Inputs) -> Features:
    """`$layer_bbox`: a row without a geometry."""
    return [
        Feature(
            None, {"bbox": box_text(inputs, _required_shapes(inputs), int(inputs.number("srid")))}
        )
    ]


def dissolve(inputs: Inputs) -> Features:
    """`$dissolve`: one feature for each value of a column."""
    column = inputs.column("dissolve_field")
    return _grouped(inputs, column, "union")


def spatial_group_by(inputs: Inputs) -> Features:
    """`$spatial_group_by`."""
    column = inputs.column("group_column")
    return _grouped(inputs, column, inputs.choice("agg_function", _METHODS))


def spatial_aggregation(inputs: Inputs) -> Features:
    """`$spatial_aggregation`: one feature of all."""
    method = inputs.choice("agg_function", _METHODS)
    return [Feature(combined(inputs.shapely, _required_shapes(inputs), method), {})]


def group_by(inputs: Inputs) -> Features:
    """`$group_by`: collects the geometries of each group, so the result is a layer; a guess."""
    column = inputs.column("group_column")
    values = inputs.values_of(inputs.column("agg_column"))
    function = inputs.choice("agg_function", ("count", "sum", "min", "max", "avg"))
    shapes = inputs.shapes()
    return [
        Feature(
            combined(inputs.shapely, [shapes[i] for i in indexes], "collect"),
            {column: key, function: _aggregated([values[i] for i in indexes], function)},
        )
        for key, indexes in _groups(inputs.values_of(column)).items()
    ]


def delaunay_triangulation(inputs: Inputs) -> Features:
    """`$delaunay_triangulation`."""
    triangles = inputs.shapely.delaunay_triangles(_collected(inputs))
    return [Feature(triangle, {}) for triangle in inputs.shapely.get_parts(triangles)]


def voronoi_polygons(inputs: Inputs) -> Features:
    """`$voronoi_polygons`: each with the columns of its point."""
    shapely = inputs.shapely
    features = inputs.features()
    cells = shapely.get_parts(shapely.voronoi_polygons(_collected(inputs)))
    tree = shapely.STRtree([feature.shape for feature in features])
    made = []
    for cell in cells:
        inside = sorted(tree.query(cell, predicate="intersects"))
        made.append(Feature(cell, features[inside[0]].properties if inside else {}))
    return made


def square_grid(inputs: Inputs) -> Features:
    """`$square_grid`: cells over the layer's extent, with the `count` of features in each."""
    size, (west, south, east, north) = _grid(inputs)
    columns = range(math.floor(west / size), math.floor(east / size) + 1)
    rows = range(math.floor(south / size), math.floor(north / size) + 1)
    cells = (
        inputs.shapely.box(i * size, j * size, (i + 1) * size, (j + 1) * size)
        for i in columns
        for j in rows
    )
    return _counted(inputs, cells)


def hexagon_grid(inputs: Inputs) -> Features:
    """`$hexagon_grid`: like `$square_grid`; the size is that of an edge, as in PostGIS."""
    size, (west, south, east, north) = _grid(inputs)
    height, width = math.sqrt(3) * size, 1.5 * size
    columns = range(math.floor((west - size) / width), math.ceil((east + size) / width) + 1)
    rows = range(math.floor(south / height) - 1, math.ceil(north / height) + 1)
    extent = inputs.shapely.box(west, south, east, north)
    made = (
        _hexagon(inputs, i * width, (j + 0.5 * (i % 2)) * height, size)
        for i in columns
        for j in rows
    )
    cells = (cell for cell in made if cell.intersects(extent))
    return _counted(inputs, cells)


def network_trace(inputs: Inputs) -> Features:
    """`$network_trace`: the lines downstream or upstream of a line.

    A line is downstream of another if its start lies within the tolerance of the other's end.
    """
    lines = {key: feature for key, feature in inputs.identified().items() if _ends(feature.shape)}
    start = str(int(inputs.number("from_id")))
    if start not in lines:
        raise inputs.parameter_error("from_id", f"there is no line {start}")
    end_index = 1 if inputs.choice("direction", ("up", "down")) == "down" else 0
    tolerance = inputs.number("tolerance")
    reached, pending = {start}, [start]
    while pending:
        x, y = _ends(lines[pending.pop()].shape)[end_index]
        for key, feature in lines.items():
            other = _ends(feature.shape)[1 - end_index]
            if key not in reached and math.dist((x, y), other) <= tolerance:
                reached.add(key)
                pending.append(key)
    return [feature for key, feature in lines.items() if key in reached]


def _ends(shape: Any) -> tuple[tuple[float, float], ...]:
    if shape.geom_type == "LineString":
        return shape.coords[0][:2], shape.coords[-1][:2]
    if shape.geom_type == "MultiLineString":
        return shape.geoms[0].coords[0][:2], shape.geoms[-1].coords[-1][:2]
    return ()


def _collected(inputs: Inputs) -> Any:
    return inputs.shapely.GeometryCollection(_required_shapes(inputs))


def _required_shapes(inputs: Inputs) -> list[Any]:
    shapes = inputs.shapes()
    if not shapes:
        raise JobError(f"{inputs.tool}: the layer has no features", "geobox.NoFeaturesError")
    return shapes


def _groups(values: list[Any]) -> dict[Any, list[int]]:
    groups: dict[Any, list[int]] = {}
    for index, value in enumerate(values):
        groups.setdefault(value, []).append(index)
    return groups


def _grouped(inputs: Inputs, column: str, method: str) -> Features:
    shapes = inputs.shapes()
    return [
        Feature(combined(inputs.shapely, [shapes[i] for i in indexes], method), {column: key})
        for key, indexes in _groups(inputs.values_of(column)).items()
    ]


def _aggregated(values: list[Any], function: str) -> Any:
    known = [value for value in values if value is not None]
    if function == "count":
        return len(known)
    if function in {"min", "max"}:
        return (min if function == "min" else max)(known, default=None, key=_sort_key)
    numbers = [value for value in known if isinstance(value, (int, float))]
    if not numbers:
        return None
    return sum(numbers) if function == "sum" else sum(numbers) / len(numbers)


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (True, str(value)) if isinstance(value, str) else (False, value)


def _grid(inputs: Inputs) -> tuple[float, tuple[float, float, float, float]]:
    size = inputs.positive("cell_size")
    west, south, east, north = map(float, inputs.shapely.total_bounds(_required_shapes(inputs)))
    cells = ((east - west) / size + 1) * ((north - south) / size + 1)
    if cells > _MOST_CELLS:
        raise inputs.parameter_error(
            "cell_size", f"makes {cells:.0f} cells, more than {_MOST_CELLS}"
        )
    return size, (west, south, east, north)


def _hexagon(inputs: Inputs, x: float, y: float, size: float) -> Any:
    angles = [math.radians(60 * corner) for corner in range(6)]
    return inputs.shapely.Polygon(
        [(x + size * math.cos(angle), y + size * math.sin(angle)) for angle in angles]
    )


def _counted(inputs: Inputs, cells: Iterator[Any]) -> Features:
    tree = inputs.shapely.STRtree(inputs.shapes())
    return [
        Feature(cell, {"count": len(tree.query(cell, predicate="intersects"))}) for cell in cells
    ]
