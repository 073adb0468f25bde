"""Tools that compare or combine two layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.vector_tools.inputs import Feature

if TYPE_CHECKING:
    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Features = list[Feature]

# The values of the parameter, and the names of the predicates in shapely.
_PREDICATES = {
    "Intersect": "intersects",
    "Contain": "contains",
    "Cross": "crosses",
    "Equal": "equals",
    "Overlap": "overlaps",
    "Touch": "touches",
    "Within": "within",
}


def clip(inputs: Inputs) -> Features:
    """`$clip`: the parts of the features within the other layer."""
    mask = inputs.shapely.union_all(inputs.shapes("clip"))
    return [
        Feature(feature.shape.intersection(mask), feature.properties)
        for feature in inputs.features()
    ]


def erase(inputs: Inputs) -> Features:
    """`$erase`: the parts of the features outside the other layer."""
    mask = inputs.shapely.union_all(inputs.shapes("erase"))
    return [
        Feature(feature.shape.difference(mask), feature.properties) for feature in inputs.features()
    ]


def intersection(inputs: Inputs) -> Features:
    """`$intersection`: a feature for each pair that overlaps, with the columns of both."""
    others = inputs.features("intersect")
    tree = inputs.shapely.STRtree([other.shape for other in others])
    return [
        Feature(
            feature.shape.intersection(others[index].shape),
            joined(feature.properties, others[index].properties),
        )
        for feature in inputs.features()
        for index in sorted(tree.query(feature.shape, predicate="intersects"))
    ]


def spatial_filter(inputs: Inputs) -> Features:
    """`$spatial_filter`: the features for which the predicate holds with any of the other layer."""
    word = inputs.choice("spatial_predicate", tuple(_PREDICATES))
    holds = getattr(inputs.shapely, _PREDICATES[word])
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [
        feature
        for feature in inputs.features()
        if holds(feature.shape, tree.geometries.take(tree.query(feature.shape))).any()
    ]


def disjoint(inputs: Inputs) -> Features:
    """`$disjoint`: the features that intersect no feature of the other layer."""
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [p for p in inputs.features() if not len(tree.query(p.shape, predicate="intersects"))]


def within_distance(inputs: Inputs) -> Features:
    """`$within_distance`."""
    distance = inputs.number("dist")
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [
        feature
        for feature in inputs.features()
        if len(tree.query(feature.shape, predicate="dwithin", distance=distance))
    ]


def distance_to_nearest(inputs: Inputs) -> Features:
    """`$distance_to_nearest`: a column `distance`, null beyond the search radius; a guess."""
    radius = inputs.positive("search_radius")
    tree = inputs.shapely.STRtree(inputs.shapes("nearest_layer"))
    made = []
    for shape, properties in inputs.features():
        _, distances = tree.query_nearest(shape, max_distance=radius, return_distance=True)
        nearest = float(distances[0]) if len(distances) else None
        made.append(Feature(shape, {**properties, "distance": nearest}))
    return made


def count_point_in_polygons(inputs: Inputs) -> Features:
    """`$count_point_in_polygons`: a column `count`; points on a border count."""
    return [
        Feature(feature.shape, {**feature.properties, "count": len(inside)})
        for feature, inside in _points_in_polygons(inputs)
    ]


def point_stats_in_polygon(inputs: Inputs) -> Features:
    """`$point_stats_in_polygon`: columns `sum`, `avg`, `min` and `max`, null without points."""
    values = inputs.values_of(inputs.column("stats_column", "point_layer"), "point_layer")
    made = []
    for feature, inside in _points_in_polygons(inputs):
        numbers = [values[i] for i in inside if isinstance(values[i], (int, float))]
        made.append(Feature(feature.shape, {**feature.properties, **_statistics(numbers)}))
    return made


def join(inputs: Inputs) -> Features:
    """`$join`: one feature for each pair of features with the same value."""
    one = inputs.values_of(inputs.column("layer1_join_column", "layer1"), "layer1")
    two = inputs.values_of(inputs.column("layer2_join_column", "layer2"), "layer2")
    others: dict[Any, Features] = {}
    for value, other in zip(two, inputs.features("layer2"), strict=True):
        if value is not None:
            others.setdefault(value, []).append(other)
    return [
        Feature(feature.shape, joined(feature.properties, other.properties))
        for value, feature in zip(one, inputs.features("layer1"), strict=True)
        for other in others.get(value, [])
    ]


def merge(inputs: Inputs) -> Features:
    """`$merge`: the features of both layers, with null in the columns of the other."""
    features = inputs.features("layer1") + inputs.features("layer2")
    names = dict.fromkeys(name for feature in features for name in feature.properties)
    return [
        Feature(feature.shape, {name: feature.properties.get(name) for name in names})
        for feature in features
    ]


def joined(own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The columns of two features; a name that both have gets `_2` for the second; a guess."""
    return {**own, **{(f"{k}_2" if k in own else k): value for k, value in other.items()}}


def _points_in_polygons(inputs: Inputs) -> list[tuple[Feature, list[int]]]:
    tree = inputs.shapely.STRtree(inputs.shapes("point_layer"))
    return [
        (feature, [int(index) for index in tree.query(feature.shape, predicate="intersects")])
        for feature in inputs.features("polygon_layer")
    ]


def _statistics(numbers: list[float]) -> dict[str, float | None]:
    if not numbers:
        return dict.fromkeys(("sum", "avg", "min", "max"))
    total = sum(numbers)
    return {"sum": total, "avg": total / len(numbers), "min": min(numbers), "max": max(numbers)}
