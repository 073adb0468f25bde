"""Each way to start a remote task: how the official SDK is asked for it, and how we are."""

from __future__ import annotations

from typing import Any

from . import cache_rows, layer_rows, query_rows, raster_rows
from .peer import U, V

ROWS = [*layer_rows.ROWS, *cache_rows.ROWS, *query_rows.ROWS, *raster_rows.ROWS]

#: For each vector tool the SDK's parameters in its order, and ours by name, without the first.
TOOLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "area": ((U,), {}),
    "as_geojson": ((U,), {}),
    "as_wkt": ((U,), {}),
    "buffer": ((U, 50), {"distance": 50}),
    "centroid": ((U,), {}),
    "clip": ((U, V), {"clip": V}),
    "concave_hull": ((U, 0.5), {"tolerance": 0.5}),
    "convex_hull": ((U,), {}),
    "count_point_in_polygons": ((U, V), {"point_layer": V}),
    "delaunay_triangulation": ((U,), {}),
    "disjoint": ((U, V), {"filter_layer": V}),
    "dissolve": ((U, "kind"), {"dissolve_field": "kind"}),
    "distance_to_nearest": ((U, V, 100), {"nearest_layer": V, "search_radius": 100}),
    "distinct": ((U,), {}),
    "dump": ((U,), {}),
    "erase": ((U, V), {"erase": V}),
    "feature_bbox": ((U, 4326), {"srid": 4326}),
    "feature_extent": ((U,), {}),
    "find_replace": ((U, "a", "b"), {"find": "a", "replace": "b"}),
    "from_geojson": ((U, "json"), {"json_field": "json"}),
    "from_wkt": ((U, "wkt", 4326), {"wkt_column": "wkt", "srid": 4326}),
    "generate_points": ((U, 5, 42), {"number_of_points": 5, "seed": 42}),
    "group_by": (
        (U, "kind", "size", "sum"),
        {"group_column": "kind", "agg_column": "size", "agg_function": "sum"},
    ),
    "hexagon_grid": ((U, 100), {"cell_size": 100}),
    "intersection": ((U, V), {"intersect": V}),
    "join": (
        (U, V, "a", "b"),
        {"layer2": V, "layer1_join_column": "a", "layer2_join_column": "b"},
    ),
    "lat_lon_to_point": ((35.5, 51.5), {"latitude": 35.5, "longitude": 51.5}),
    "layer_extent": ((U,), {}),
    "length": ((U,), {}),
    "line_to_polygon": ((U,), {}),
    "linear_referencing": ((U, 3, 10, 1), {"feature_id": 3, "dist": 10, "tolerance": 1}),
    "make_envelop": ((1, 2, 3, 4), {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}),
    "merge": ((U, V), {"layer2": V}),
    "network_trace": ((U, 3, "up", 1), {"from_id": 3, "direction": "up", "tolerance": 1}),
    "number_of_geoms": ((U,), {}),
    "number_of_points": ((U,), {}),
    "point_stats_in_polygon": ((U, V, "size"), {"point_layer": V, "stats_column": "size"}),
    "remove_holes": ((U,), {}),
    "reverse_line": ((U,), {}),
    "simplify": ((U, 10), {"tolerance": 10}),
    "snap_to_grid": ((U, 10), {"grid_size": 10}),
    "spatial_aggregation": ((U, "union"), {"agg_function": "union"}),
    "spatial_filter": (
        (U, "Intersect", V),
        {"spatial_predicate": "Intersect", "filter_layer": V},
    ),
    "spatial_group_by": ((U, "kind", "union"), {"group_column": "kind", "agg_function": "union"}),
    "square_grid": ((U, 100), {"cell_size": 100}),
    "table_to_vector_layer": ((U, "lon", "lat"), {"lon": "lon", "lat": "lat"}),
    "voronoi_polygons": ((U,), {}),
    "within_distance": ((U, V, 100), {"filter_layer": V, "dist": 100}),
    "xy_coordinate": ((U, 4326), {"srid": 4326}),
}
