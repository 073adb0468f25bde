"""All vector tools, called by the official SDK, against shapes worked out by hand."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kit.plain_api import Api, geojson, new_name

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("pyproj")
pytest.importorskip("shapely")

import pyproj
import shapely
from geobox.enums import GroupByAggFunction, SpatialAggFunction
from geobox.vector_tool import VectorTool

from tests.kit.official_sdk import ended, settled

MERCATOR = "EPSG:3857"
ONE, TWO = shapely.box(0, 0, 100, 100), shapely.box(50, 50, 150, 150)
HOLED = shapely.box(1000, 0, 1100, 100).difference(shapely.box(1040, 40, 1060, 60))
SHAPES = {
    "polygons": [
        (ONE, {"kind": "a", "size": 1}),
        (TWO, {"kind": "a", "size": 2}),
        (HOLED, {"kind": "b", "size": 3}),
    ],
    "points": [
        (shapely.Point(10, 10), {"value": 1, "kind": "a"}),
        (shapely.Point(60, 60), {"value": 3, "kind": "b"}),
        (shapely.Point(75, 76), {"value": 5, "kind": "b"}),
        (shapely.Point(2000, 2000), {"value": 7, "kind": "c"}),
    ],
    "mask": [(shapely.box(0, 0, 60, 200), {"name": "mask"})],
    "lines": [
        (shapely.LineString([(0, 0), (100, 0)]), {"name": "first"}),
        (shapely.LineString([(101, 0), (101, 100), (0, 100)]), {"name": "second"}),
        (shapely.LineString([(500, 500), (600, 500)]), {"name": "apart"}),
    ],
    "parts": [(shapely.MultiPoint([(0, 0), (5, 5), (9, 9)]), {"name": "three"})],
    "twice": [(shapely.Point(1, 1), {"n": 1}), (shapely.Point(1, 1), {"n": 1})],
    "texts": [
        (
            shapely.Point(0, 0),
            {
                "wkt": "POINT (10 20)",
                "json": '{"type": "Point", "coordinates": [10, 20]}',
                "note": "old words",
            },
        )
    ],
}

Features = list[tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """A tool, its arguments, and whether what it makes is right; a text names a layer."""

    tool: str
    arguments: dict[str, Any]
    is_right: Callable[[Features], bool]


def area(features: Features) -> float:
    """The area of all shapes."""
    return sum(shape.area for shape, _ in features)


def column(features: Features, name: str) -> list[Any]:
    """The values of a column."""
    return [properties.get(name) for _, properties in features]


def at(features: Features, *expected: Any) -> bool:
    """Whether the shapes are these, in this order, to a millimetre."""
    return len(features) == len(expected) and all(
        shape.symmetric_difference(other).area < 0.01 and shape.distance(other) < 0.001
        for (shape, _), other in zip(features, expected, strict=True)
    )


def degrees(longitude: float, latitude: float) -> Any:
    """A point in Web Mercator, by pyproj."""
    move = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    return shapely.Point(move.transform(longitude, latitude))


def near(one: list[float], other: list[float]) -> bool:
    """Whether numbers are the same but for rounding."""
    return one == pytest.approx(other)


POLYGONS = {"vector_uuid": "polygons"}
POINTS = {"vector_uuid": "points"}
LINES = {"vector_uuid": "lines"}
STATS = {"polygon_vector_uuid": "polygons", "point_vector_uuid": "points"}
UNION = shapely.union_all([ONE, TWO])
MASK = SHAPES["mask"][0][0]

CASES = [
    Case("area", POLYGONS, lambda f: near(column(f, "area"), [1e4, 1e4, 9600])),
    Case(
        "as_geojson",
        POINTS,
        lambda f: (
            json.loads(f[3][1]["geojson"])["coordinates"]
            == pytest.approx([2000 / 6378137 * 180 / math.pi] * 2, rel=1e-6)
        ),
    ),
    Case("as_wkt", POINTS, lambda f: column(f, "wkt")[0] == "POINT (10 10)"),
    Case(
        "buffer",
        {**POINTS, "distance": 5},
        lambda f: near([area(f)], [4 * shapely.Point(0, 0).buffer(5, quad_segs=8).area]),
    ),
    Case("centroid", POLYGONS, lambda f: at(f, *(p.centroid for p in (ONE, TWO, HOLED)))),
    Case(
        "clip",
        {**POLYGONS, "clip_vector_uuid": "mask"},
        lambda f: at(f, shapely.box(0, 0, 60, 100), shapely.box(50, 50, 60, 150)),
    ),
    Case(
        "concave_hull",
        {**POLYGONS, "tolerance": 1.0},
        lambda f: near([area(f)], [shapely.union_all([ONE, TWO, HOLED]).convex_hull.area]),
    ),
    Case(
        "convex_hull",
        POLYGONS,
        lambda f: near([area(f)], [shapely.union_all([ONE, TWO, HOLED]).convex_hull.area]),
    ),
    Case("count_point_in_polygons", STATS, lambda f: column(f, "count") == [3, 2, 0]),
    Case(
        "delaunay_triangulation",
        POINTS,
        lambda f: near(
            [area(f)],
            [shapely.MultiPoint([p for p, _ in SHAPES["points"]]).convex_hull.area],
        ),
    ),
    Case(
        "disjoint",
        {**POLYGONS, "filter_vector_uuid": "mask"},
        lambda f: column(f, "size") == [3],
    ),
    Case(
        "dissolve",
        {**POLYGONS, "dissolve_field_name": "kind"},
        lambda f: at(f, UNION, HOLED) and column(f, "kind") == ["a", "b"],
    ),
    Case(
        "distance_to_nearest",
        {**POINTS, "nearest_vector_uuid": "mask", "search_radius": 100},
        lambda f: column(f, "distance") == [0, 0, 15, None],
    ),
    Case("distinct", {"vector_uuid": "twice"}, lambda f: column(f, "n") == [1]),
    Case("dump", {"vector_uuid": "parts"}, lambda f: column(f, "name") == ["three"] * 3),
    Case(
        "erase",
        {**POLYGONS, "erase_vector_uuid": "mask"},
        lambda f: at(f, ONE - MASK, TWO - MASK, HOLED),
    ),
    Case(
        "feature_bbox",
        {**POLYGONS, "srid": 3857},
        lambda f: column(f, "bbox")[1] == "BOX(50.0 50.0,150.0 150.0)",
    ),
    Case("feature_extent", POLYGONS, lambda f: at(f, ONE, TWO, shapely.box(1000, 0, 1100, 100))),
    Case(
        "find_and_replace",
        {"vector_uuid": "texts", "find": "old", "replace": "new"},
        lambda f: column(f, "note") == ["new words"],
    ),
    Case(
        "from_geojson",
        {"vector_uuid": "texts", "json_field_name": "json"},
        lambda f: at(f, degrees(10, 20)),
    ),
    Case(
        "from_wkt",
        {"vector_uuid": "texts", "wkt_column_name": "wkt", "srid": 3857},
        lambda f: at(f, shapely.Point(10, 20)),
    ),
    Case(
        "generate_points",
        {**POLYGONS, "number_of_points": 7, "seed": 1},
        lambda f: (
            [p["size"] for s, p in f if (ONE, TWO, HOLED)[p["size"] - 1].contains(s)]
            == [1] * 7 + [2] * 7 + [3] * 7
        ),
    ),
    Case(
        "group_by",
        {
            **POLYGONS,
            "group_column_name": "kind",
            "agg_column_name": "size",
            "agg_function": GroupByAggFunction.AVG,
        },
        lambda f: (
            list(zip(column(f, "kind"), column(f, "avg"), strict=True)) == [("a", 1.5), ("b", 3.0)]
        ),
    ),
    Case(
        "hexagon_grid",
        {**POLYGONS, "cell_size": 100},
        lambda f: (
            all(near([s.area], [1.5 * math.sqrt(3) * 1e4]) for s, _ in f)
            and shapely.union_all([s for s, _ in f])
            .buffer(0.01)
            .covers(shapely.box(0, 0, 1100, 150))
            and all(p["count"] == sum(s.intersects(o) for o in (ONE, TWO, HOLED)) for s, p in f)
        ),
    ),
    Case(
        "intersection",
        {**POLYGONS, "intersect_vector_uuid": "mask"},
        lambda f: at(f, ONE & MASK, TWO & MASK) and column(f, "name") == ["mask"] * 2,
    ),
    Case(
        "join",
        {
            "vector1_uuid": "points",
            "vector2_uuid": "polygons",
            "vector1_join_column": "kind",
            "vector2_join_column": "kind",
        },
        lambda f: (
            sorted(zip(column(f, "value"), column(f, "size"), strict=True))
            == [(1, 1), (1, 2), (3, 3), (5, 3)]
        ),
    ),
    Case("lat_lon_to_point", {"latitude": 20, "longitude": 10}, lambda f: at(f, degrees(10, 20))),
    Case("layer_extent", POLYGONS, lambda f: at(f, shapely.box(0, 0, 1100, 150))),
    Case("length", LINES, lambda f: near(column(f, "length"), [100, 201, 100])),
    Case(
        "linear_referencing",
        {**LINES, "feature_id": 2, "dist": 80, "tolerance": 1},
        lambda f: at(f, shapely.Point(101, 0), shapely.Point(101, 80), shapely.Point(41, 100)),
    ),
    Case(
        "line_to_polygon",
        LINES,
        lambda f: at(f, shapely.Polygon([(101, 0), (101, 100), (0, 100)])),
    ),
    Case(
        "make_envelop",
        {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4},
        lambda f: at(f, shapely.box(1, 2, 3, 4)),
    ),
    Case(
        "merge",
        {"vector1_uuid": "polygons", "vector2_uuid": "mask"},
        lambda f: at(f, ONE, TWO, HOLED, MASK) and column(f, "size") == [1, 2, 3, None],
    ),
    Case(
        "network_trace",
        {**LINES, "from_id": 1, "direction": "down", "tolerance": 2},
        lambda f: column(f, "name") == ["first", "second"],
    ),
    Case(
        "number_of_geoms", {"vector_uuid": "parts"}, lambda f: column(f, "number_of_geoms") == [3]
    ),
    Case("number_of_points", LINES, lambda f: column(f, "number_of_points") == [2, 3, 2]),
    Case(
        "point_stats_in_polygon",
        {**STATS, "stats_column": "value"},
        lambda f: (
            f[0][1] == {"kind": "a", "size": 1, "sum": 9, "avg": 3, "min": 1, "max": 5}
            and f[2][1]["sum"] is None
        ),
    ),
    Case("remove_holes", POLYGONS, lambda f: near([area(f)], [3e4])),
    Case("reverse_line", LINES, lambda f: f[0][0].coords[0] == (100, 0)),
    Case(
        "simplify",
        {"vector_uuid": "lines", "tolerance": 1000},
        lambda f: [len(shape.coords) for shape, _ in f] == [2, 2, 2],
    ),
    Case(
        "snap_to_grid",
        {**POINTS, "grid_size": 50},
        lambda f: at(f, *(shapely.Point(*p) for p in ((0, 0), (50, 50), (100, 100), (2000, 2000)))),
    ),
    Case(
        "spatial_aggregation",
        {**POLYGONS, "agg_function": "union"},
        lambda f: at(f, shapely.union_all([UNION, HOLED])),
    ),
    Case(
        "spatial_filter",
        {**POINTS, "spatial_predicate": "Within", "filter_vector_uuid": "mask"},
        lambda f: column(f, "value") == [1],
    ),
    Case(
        "spatial_group_by",
        {**POLYGONS, "group_column_name": "kind", "agg_function": SpatialAggFunction.EXTENT},
        lambda f: at(f, shapely.box(0, 0, 150, 150), shapely.box(1000, 0, 1100, 100)),
    ),
    Case(
        "square_grid",
        {"vector_uuid": "mask", "cell_size": 80},
        lambda f: len(f) == 3 and near([area(f)], [3 * 6400]) and column(f, "count") == [1] * 3,
    ),
    Case(
        "voronoi_polygons",
        POINTS,
        lambda f: (
            len(f) == 4 and all(s.covers(SHAPES["points"][(p["value"] - 1) // 2][0]) for s, p in f)
        ),
    ),
    Case(
        "within_distance",
        {**POINTS, "filter_vector_uuid": "mask", "dist": 20},
        lambda f: column(f, "value") == [1, 3, 5],
    ),
    Case(
        "xy_coordinate",
        {**POINTS, "srid": 4326},
        lambda f: near(column(f, "coord_x")[3:], [2000 / 6378137 * 180 / math.pi]),
    ),
    Case(
        "table_to_vectorlayer",
        {"table_uuid": "table", "lon_field": "east", "lat_field": "north"},
        lambda f: at(f, degrees(10, 20)) and column(f, "name") == ["a"],
    ),
]


@pytest.fixture(scope="module")
def uuids(api: Api) -> dict[str, str]:
    """The layers by name, and a table of one usable position."""
    made = {}
    for name, features in SHAPES.items():
        document = json.loads(
            geojson(*(shapely.geometry.mapping(s) for s, _ in features), crs=MERCATOR)
        )
        for feature, (_, properties) in zip(document["features"], features, strict=True):
            feature["properties"] = properties
        made[name] = api.layer("a.geojson", json.dumps(document).encode())["uuid"]
    table = b"name,east,north\na,10,20\nb,,\nc,10,91\n"
    made["table"] = api.publish("a.csv", table, publish_as="table")["result"]["table_uuid"]
    return made


def test_all_tools_are_here() -> None:
    """Each tool of the SDK that can start a task has a case."""
    starters = {
        name
        for name, method in inspect.getmembers(VectorTool, inspect.isfunction)
        if name[0] != "_" and "output_layer_name" in inspect.signature(method).parameters
    }
    assert {case.tool for case in CASES} == starters
    assert len(CASES) == len(starters) == 49


@pytest.mark.parametrize("case", CASES, ids=[case.tool for case in CASES])
async def test_tool(client: Any, api: Api, uuids: dict[str, str], case: Case) -> None:
    """What the tool makes, saved as a layer and read back, is what its name promises."""
    arguments = {
        name: uuids.get(value, value) if name.endswith("uuid") else value
        for name, value in case.arguments.items()
    }
    method = getattr(client.vector_tool, case.tool)
    task = await ended(method(**arguments, output_layer_name=new_name()))
    assert task.errors is None
    layer = await settled(task.output_asset)
    found = api.features({"uuid": layer.uuid}, limit=1000)
    features = [(shapely.geometry.shape(f["geometry"]), f["properties"]) for f in found]
    assert case.is_right(features), features


async def test_tools_answer_without_a_layer(client: Any, uuids: dict[str, str]) -> None:
    """A count and a box start no task; a tool without an output name answers its features."""
    tools = client.vector_tool
    counted = await settled(tools.feature_count(vector_uuid=uuids["polygons"]))
    assert counted["data"] == [{"count": 3}]
    box = await settled(tools.layer_bbox(vector_uuid=uuids["mask"], srid=3857))
    assert box["data"] == [{"bbox": "BOX(0.0 0.0,60.0 200.0)"}]
    answer = await settled(tools.buffer(vector_uuid=uuids["points"], distance=5))
    assert len(answer["data"]["features"]) == answer["metadata"]["count"] == 4


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("clip", {**POLYGONS, "clip_vector_uuid": "table"}, "needs a layer as 'clip'"),
        ("square_grid", {**POLYGONS, "cell_size": 0.001}, "more than 100000"),
        ("dissolve", {**POLYGONS, "dissolve_field_name": "x"}, "no field 'x'"),
        ("concave_hull", {**POLYGONS, "tolerance": 3}, "between 0 and 1"),
        (
            "spatial_filter",
            {**POINTS, "spatial_predicate": "Near", "filter_vector_uuid": "mask"},
            "none of Intersect",
        ),
    ],
)
async def test_wrong_parameters_fail_with_a_reason(
    client: Any, uuids: dict[str, str], tool: str, arguments: dict[str, Any], reason: str
) -> None:
    """An invalid parameter ends the task in FAILURE and is named."""
    arguments = {
        name: uuids.get(value, value) if name.endswith("uuid") else value
        for name, value in arguments.items()
    }
    task = await ended(getattr(client.vector_tool, tool)(**arguments, output_layer_name=new_name()))
    assert reason in task.errors["detail"]["msg"]
