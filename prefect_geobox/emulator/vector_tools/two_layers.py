"""Tools that hold one layer against another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.vector_tools.inputs import Piece

if TYPE_CHECKING:
    from prefect_geobox.emulator.vector_tools.inputs import Inputs

Pieces = list[Piece]

# The words of the parameter, and shapely's.
_PREDICATES = {
    "Intersect": "intersects",
    "Contain": "contains",
    "Cross": "crosses",
    "Equal": "equals",
    "Overlap": "overlaps",
    "Touch": "touches",
    "Within": "within",
}


def clip(inputs: Inputs) -> Pieces:
    """`$clip`: what lies within the other layer, with its own columns."""
    mask = inputs.shapely.union_all(inputs.shapes("clip"))
    return [Piece(piece.shape.intersection(mask), piece.properties) for piece in inputs.pieces()]


def erase(inputs: Inputs) -> Pieces:
    """`$erase`: what lies outside of the other layer."""
    mask = inputs.shapely.union_all(inputs.shapes("erase"))
    return [Piece(piece.shape.difference(mask), piece.properties) for piece in inputs.pieces()]


def intersection(inputs: Inputs) -> Pieces:
    """`$intersection`: a feature for each pair that overlaps, with the columns of both."""
    others = inputs.pieces("intersect")
    tree = inputs.shapely.STRtree([other.shape for other in others])
    return [
        Piece(
            piece.shape.intersection(others[index].shape),
            joined(piece.properties, others[index].properties),
        )
        for piece in inputs.pieces()
        for index in sorted(tree.query(piece.shape, predicate="intersects"))
    ]


def spatial_filter(inputs: Inputs) -> Pieces:
    """`$spatial_filter`: the features that stand so to any of the other layer."""
    word = inputs.choice("spatial_predicate", tuple(_PREDICATES))
    holds = getattr(inputs.shapely, _PREDICATES[word])
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [
        piece
        for piece in inputs.pieces()
        if holds(piece.shape, tree.geometries.take(tree.query(piece.shape))).any()
    ]


def disjoint(inputs: Inputs) -> Pieces:
    """`$disjoint`: the features that touch none of the other layer."""
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [p for p in inputs.pieces() if not len(tree.query(p.shape, predicate="intersects"))]


def within_distance(inputs: Inputs) -> Pieces:
    """`$within_distance`."""
    distance = inputs.number("dist")
    tree = inputs.shapely.STRtree(inputs.shapes("filter_layer"))
    return [
        piece
        for piece in inputs.pieces()
        if len(tree.query(piece.shape, predicate="dwithin", distance=distance))
    ]


def distance_to_nearest(inputs: Inputs) -> Pieces:
    """`$distance_to_nearest`: a column `distance`, null where nothing is that near; a guess."""
    radius = inputs.positive("search_radius")
    tree = inputs.shapely.STRtree(inputs.shapes("nearest_layer"))
    made = []
    for shape, properties in inputs.pieces():
        _, distances = tree.query_nearest(shape, max_distance=radius, return_distance=True)
        nearest = float(distances[0]) if len(distances) else None
        made.append(Piece(shape, {**properties, "distance": nearest}))
    return made


def count_point_in_polygons(inputs: Inputs) -> Pieces:
    """`$count_point_in_polygons`: a column `count`; points on a border count."""
    return [
        Piece(piece.shape, {**piece.properties, "count": len(inside)})
        for piece, inside in _points_in_polygons(inputs)
    ]


def point_stats_in_polygon(inputs: Inputs) -> Pieces:
    """`$point_stats_in_polygon`: columns `sum`, `avg`, `min` and `max`, null without points."""
    values = inputs.values_of(inputs.column("stats_column", "point_layer"), "point_layer")
    made = []
    for piece, inside in _points_in_polygons(inputs):
        numbers = [values[i] for i in inside if isinstance(values[i], (int, float))]
        made.append(Piece(piece.shape, {**piece.properties, **_statistics(numbers)}))
    return made


def join(inputs: Inputs) -> Pieces:
    """`$join`: a feature of the first layer for each of the second with the same value."""
    one = inputs.values_of(inputs.column("layer1_join_column", "layer1"), "layer1")
    two = inputs.values_of(inputs.column("layer2_join_column", "layer2"), "layer2")
    others: dict[Any, Pieces] = {}
    for value, other in zip(two, inputs.pieces("layer2"), strict=True):
        if value is not None:
            others.setdefault(value, []).append(other)
    return [
        Piece(piece.shape, joined(piece.properties, other.properties))
        for value, piece in zip(one, inputs.pieces("layer1"), strict=True)
        for other in others.get(value, [])
    ]


def merge(inputs: Inputs) -> Pieces:
    """`$merge`: the features of both layers, with null in the columns of the other."""
    pieces = inputs.pieces("layer1") + inputs.pieces("layer2")
    names = dict.fromkeys(name for piece in pieces for name in piece.properties)
    return [
        Piece(piece.shape, {name: piece.properties.get(name) for name in names}) for piece in pieces
    ]


def joined(own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The columns of two features; of a name that both have, the other's gets `_2`; a guess."""
    return {**own, **{(f"{k}_2" if k in own else k): value for k, value in other.items()}}


def _points_in_polygons(inputs: Inputs) -> list[tuple[Piece, list[int]]]:
    tree = inputs.shapely.STRtree(inputs.shapes("point_layer"))
    return [
        (piece, [int(index) for index in tree.query(piece.shape, predicate="intersects")])
        for piece in inputs.pieces("polygon_layer")
    ]


def _statistics(numbers: list[float]) -> dict[str, float | None]:
    if not numbers:
        return dict.fromkeys(("sum", "avg", "min", "max"))
    total = sum(numbers)
    return {"sum": total, "avg": total / len(numbers), "min": min(numbers), "max": max(numbers)}
