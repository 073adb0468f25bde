"""Tools that make shapes of what is written in columns or parameters."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import WGS84, OutsideError, to_web_mercator
from prefect_geobox.emulator.sql.geometry_functions import transformed
from prefect_geobox.emulator.vector_tools.inputs import Piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Pieces = list[Piece]

_WGS84_SRID = 4326
_MOST_POINTS = 100_000


def from_wkt(inputs: Inputs) -> Pieces:
    """`$from_wkt`: features whose text is no WKT are left out."""
    return _from_text(inputs, "wkt_column", int(inputs.number("srid")), inputs.shapely.from_wkt)


def from_geojson(inputs: Inputs) -> Pieces:
    """`$from_geojson`: in WGS 84, as GeoJSON is."""
    return _from_text(inputs, "json_field", _WGS84_SRID, inputs.shapely.from_geojson)


def lat_lon_to_point(inputs: Inputs) -> Pieces:
    """`$lat_lon_to_point`: one point."""
    longitude, latitude = inputs.number("longitude"), inputs.number("latitude")
    point = inputs.shapely.Point(to_web_mercator(WGS84)(longitude, latitude))
    return [Piece(point, {"latitude": latitude, "longitude": longitude})]


def make_envelop(inputs: Inputs) -> Pieces:
    """`$make_envelop`: one box, in Web Mercator; a guess."""
    west, south, east, north = (inputs.number(n) for n in ("xmin", "ymin", "xmax", "ymax"))
    if west >= east or south >= north:
        raise inputs.wrong("xmax", "the box is empty")
    return [Piece(inputs.shapely.box(west, south, east, north), {})]


def table_to_layer(inputs: Inputs) -> Pieces:
    """`$tabel_to_vector_layer`: rows without a usable position are left out."""
    longitude, latitude = inputs.column("lon", "table"), inputs.column("lat", "table")
    move = to_web_mercator(WGS84)
    made = []
    for piece in inputs.pieces("table"):
        try:
            position = move(float(piece.properties[longitude]), float(piece.properties[latitude]))
        except (TypeError, ValueError, OutsideError):
            continue
        made.append(Piece(inputs.shapely.Point(position), piece.properties))
    return made


def generate_points(inputs: Inputs) -> Pieces:
    """`$generate_points`: so many in each polygon; the same seed makes the same again."""
    count, shapely = int(inputs.positive("number_of_points")), inputs.shapely
    polygons = [piece for piece in inputs.pieces() if piece.shape.area > 0]
    if count * len(polygons) > _MOST_POINTS:
        raise inputs.wrong("number_of_points", f"makes more than {_MOST_POINTS} points")
    chance = random.Random(int(inputs.number("seed")))
    made = []
    for shape, properties in polygons:
        shapely.prepare(shape)
        west, south, east, north = shape.bounds
        found = 0
        while found < count:
            point = shapely.Point(chance.uniform(west, east), chance.uniform(south, north))
            if shape.contains(point):
                made.append(Piece(point, properties))
                found += 1
    return made


def linear_referencing(inputs: Inputs) -> Pieces:
    """`$linear_referencing`: points along a line, so far apart, from its start.

    A guess: what `tolerance` does is not known, and it does nothing here.
    """
    key, step = str(int(inputs.number("feature_id"))), inputs.positive("dist")
    found = inputs.identified().get(key)
    if found is None:
        raise inputs.wrong("feature_id", f"there is no feature {key}")
    line, properties = found
    if "LineString" not in line.geom_type:
        raise inputs.wrong("feature_id", f"feature {key} is no line")
    count = int(line.length / step) + 1
    if count > _MOST_POINTS:
        raise inputs.wrong("dist", f"makes more than {_MOST_POINTS} points")
    return [
        Piece(line.interpolate(number * step), {**properties, "distance": number * step})
        for number in range(count)
    ]


def _from_text(inputs: Inputs, parameter: str, srid: int, read: Callable[..., Any]) -> Pieces:
    column, made = inputs.column(parameter), []
    for piece in inputs.pieces():
        text = piece.properties.get(column)
        shape = read(text, on_invalid="ignore") if isinstance(text, str) else None
        if shape is not None:
            moved = transformed(inputs.shapely, shape, srid, inverse=True)
            made.append(Piece(moved, piece.properties))
    if not made:
        reason = f"{inputs.tool}: no value of {column} is a geometry"
        raise JobError(reason, "geobox.NoFeaturesError")
    return made
