"""Tools that make geometries from columns or parameters."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import WGS84, OutsideError, to_web_mercator
from prefect_geobox.emulator.sql.geometry_functions import transformed
from prefect_geobox.emulator.vector_tools.inputs import Feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Features = list[Feature]

_WGS84_SRID = 4326
_MOST_POINTS = 100_000


def from_wkt(inputs: Inputs) -> Features:
    """`$from_wkt`: features whose text is not WKT are left out."""
    return _from_text(inputs, "wkt_column", int(inputs.number("srid")), inputs.shapely.from_wkt)


def from_geojson(inputs: Inputs) -> Features:
    """`$from_geojson`: in WGS 84, as GeoJSON is."""
    return _from_text(inputs, "json_field", _WGS84_SRID, inputs.shapely.from_geojson)


def lat_lon_to_point(inputs: Inputs) -> Features:
    """`$lat_lon_to_point`: one point."""
    longitude, latitude = inputs.number("longitude"), inputs.number("latitude")
    point = inputs.shapely.Point(to_web_mercator(WGS84)(longitude, latitude))
    return [Feature(point, {"latitude": latitude, "longitude": longitude})]


def make_envelop(inputs: Inputs) -> Features:
    """`$make_envelop`: one box, in Web Mercator; a guess."""
    west, south, east, north = (inputs.number(n) for n in ("xmin", "ymin", "xmax", "ymax"))
    if west >= east or south >= north:
        raise inputs.parameter_error("xmax", "the box is empty")
    return [Feature(inputs.shapely.box(west, south, east, north), {})]


def table_to_layer(inputs: Inputs) -> Features:
    """`$tabel_to_vector_layer`: rows without a usable position are left out."""
    longitude, latitude = inputs.column("lon", "table"), inputs.column("lat", "table")
    transform = to_web_mercator(WGS84)
    made = []
    for feature in inputs.features("table"):
        try:
            position = transform(
                float(feature.properties[longitude]), float(feature.properties[latitude])
            )
        except (TypeError, ValueError, OutsideError):
            continue
        made.append(Feature(inputs.shapely.Point(position), feature.properties))
    return made


def generate_points(inputs: Inputs) -> Features:
    """`$generate_points`: a number of points in each polygon; a seed always makes the same."""
    count, shapely = int(inputs.positive("number_of_points")), inputs.shapely
    polygons = [feature for feature in inputs.features() if feature.shape.area > 0]
    if count * len(polygons) > _MOST_POINTS:
        raise inputs.parameter_error("number_of_points", f"makes more than {_MOST_POINTS} points")
    generator = random.Random(int(inputs.number("seed")))
    made = []
    for shape, properties in polygons:
        shapely.prepare(shape)
        west, south, east, north = shape.bounds
        found = 0
        while found < count:
            point = shapely.Point(generator.uniform(west, east), generator.uniform(south, north))
            if shape.contains(point):
                made.append(Feature(point, properties))
                found += 1
    return made


def linear_referencing(inputs: Inputs) -> Features:
    """`$linear_referencing`: points along a line at equal distances from its start.

    A guess: what `tolerance` does is not known; it is ignored here.
    """
    key, step = str(int(inputs.number("feature_id"))), inputs.positive("dist")
    found = inputs.identified().get(key)
    if found is None:
        raise inputs.parameter_error("feature_id", f"there is no feature {key}")
    line, properties = found
    if "LineString" not in line.geom_type:
        raise inputs.parameter_error("feature_id", f"feature {key} is not a line")
    count = int(line.length / step) + 1
    if count > _MOST_POINTS:
        raise inputs.parameter_error("dist", f"makes more than {_MOST_POINTS} points")
    return [
        Feature(line.interpolate(number * step), {**properties, "distance": number * step})
        for number in range(count)
    ]


def _from_text(inputs: Inputs, parameter: str, srid: int, read: Callable[..., Any]) -> Features:
    column, made = inputs.column(parameter), []
    for feature in inputs.features():
        text = feature.properties.get(column)
        shape = read(text, on_invalid="ignore") if isinstance(text, str) else None
        if shape is not None:
            moved = transformed(inputs.shapely, shape, srid, inverse=True)
            made.append(Feature(moved, feature.properties))
    if not made:
        reason = f"{inputs.tool}: no value of {column} is a geometry"
        raise JobError(reason, "geobox.NoFeaturesError")
    return made
