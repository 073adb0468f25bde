"""All vector tools: their names, their parameters and the functions that run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.vector_tools import from_columns, per_feature, per_layer, two_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.vector_tools.inputs import Feature, Inputs


@dataclass(frozen=True)
class VectorTool:
    """A system query.

    Attributes:
        name: The name by which clients find it.
        params: The types of its parameters by name. The names are known, the types are guesses.
        work: Makes features from the parameters.
    """

    name: str
    params: dict[str, str]
    work: Callable[[Inputs], list[Feature]]

    @property
    def sql(self) -> str:
        """Its SQL, which clients send to run it.

        The SQL of the API is not known; here it only identifies the tool.
        """
        return f"SELECT * FROM {self.name}({', '.join(self.params)})"  # noqa: S608

    def described(self, number: int) -> dict[str, Any]:
        """The tool as an entry of a list, with a number as its `id`."""
        return {
            "uuid": f"00000000-0000-4000-8000-{number:012d}",
            "id": number,
            "name": self.name,
            "display_name": self.name.removeprefix("$"),
            "sql": self.sql,
            "params": [
                {"name": name, "type": kind, "value": None, "default_value": None}
                for name, kind in self.params.items()
            ],
        }


_LAYER = {"layer": "Layer"}
_FILTERED = {"layer": "Layer", "filter_layer": "Layer"}
_POLYGONS = {"polygon_layer": "Layer", "point_layer": "Layer"}
_TWO = {"layer1": "Layer", "layer2": "Layer"}
_BOX = {"xmin": "Float", "ymin": "Float", "xmax": "Float", "ymax": "Float"}

TOOLS: tuple[VectorTool, ...] = (
    VectorTool("$area", _LAYER, per_feature.area),
    VectorTool("$as_geojson", _LAYER, per_feature.as_geojson),
    VectorTool("$as_wkt", _LAYER, per_feature.as_wkt),
    VectorTool("$buffer", {**_LAYER, "distance": "Float"}, per_feature.buffer),
    VectorTool("$centroid", _LAYER, per_feature.centroid),
    VectorTool("$clip", {**_LAYER, "clip": "Layer"}, two_layers.clip),
    VectorTool("$concave_hull", {**_LAYER, "tolerance": "Float"}, per_layer.concave_hull),
    VectorTool("$convex_hull", _LAYER, per_layer.convex_hull),
    VectorTool("$count", _LAYER, per_layer.count),
    VectorTool("$count_point_in_polygons", _POLYGONS, two_layers.count_point_in_polygons),
    VectorTool("$delaunay_triangulation", _LAYER, per_layer.delaunay_triangulation),
    VectorTool("$disjoint", _FILTERED, two_layers.disjoint),
    VectorTool("$dissolve", {**_LAYER, "dissolve_field": "Attribute"}, per_layer.dissolve),
    VectorTool(
        "$distance_to_nearest",
        {**_LAYER, "nearest_layer": "Layer", "search_radius": "Float"},
        two_layers.distance_to_nearest,
    ),
    VectorTool("$distinct", _LAYER, per_feature.distinct),
    VectorTool("$dump", _LAYER, per_feature.dump),
    VectorTool("$erase", {**_LAYER, "erase": "Layer"}, two_layers.erase),
    VectorTool("$feature_bbox", {**_LAYER, "srid": "Integer"}, per_feature.feature_bbox),
    VectorTool("$feature_extent", _LAYER, per_feature.feature_extent),
    VectorTool(
        "$find_replace", {**_LAYER, "find": "Text", "replace": "Text"}, per_feature.find_replace
    ),
    VectorTool("$from_geojson", {**_LAYER, "json_field": "Attribute"}, from_columns.from_geojson),
    VectorTool(
        "$from_wkt", {**_LAYER, "wkt_column": "Attribute", "srid": "Integer"}, from_columns.from_wkt
    ),
    VectorTool(
        "$generate_points",
        {**_LAYER, "number_of_points": "Integer", "seed": "Integer"},
        from_columns.generate_points,
    ),
    VectorTool(
        "$group_by",
        {
            **_LAYER,
            "group_column": "Attribute",
            "agg_column": "Attribute",
            "agg_function": "Text",
        },
        per_layer.group_by,
    ),
    VectorTool("$hexagon_grid", {**_LAYER, "cell_size": "Float"}, per_layer.hexagon_grid),
    VectorTool("$intersection", {**_LAYER, "intersect": "Layer"}, two_layers.intersection),
    VectorTool(
        "$join",
        {**_TWO, "layer1_join_column": "Attribute", "layer2_join_column": "Attribute"},
        two_layers.join,
    ),
    VectorTool(
        "$lat_lon_to_point",
        {"latitude": "Float", "longitude": "Float"},
        from_columns.lat_lon_to_point,
    ),
    VectorTool("$layer_bbox", {**_LAYER, "srid": "Integer"}, per_layer.layer_bbox),
    VectorTool("$layer_extent", _LAYER, per_layer.layer_extent),
    VectorTool("$length", _LAYER, per_feature.length),
    VectorTool(
        "$linear_referencing",
        {**_LAYER, "feature_id": "Integer", "dist": "Float", "tolerance": "Float"},
        from_columns.linear_referencing,
    ),
    VectorTool("$line_to_polygon", _LAYER, per_feature.line_to_polygon),
    VectorTool("$make_envelop", _BOX, from_columns.make_envelop),
    VectorTool("$merge", _TWO, two_layers.merge),
    VectorTool(
        "$network_trace",
        {**_LAYER, "from_id": "Integer", "direction": "Text", "tolerance": "Float"},
        per_layer.network_trace,
    ),
    VectorTool("$number_of_geoms", _LAYER, per_feature.number_of_geoms),
    VectorTool("$number_of_points", _LAYER, per_feature.number_of_points),
    VectorTool(
        "$point_stats_in_polygon",
        {**_POLYGONS, "stats_column": "Attribute"},
        two_layers.point_stats_in_polygon,
    ),
    VectorTool("$remove_holes", _LAYER, per_feature.remove_holes),
    VectorTool("$reverse_line", _LAYER, per_feature.reverse_line),
    VectorTool("$simplify", {**_LAYER, "tolerance": "Float"}, per_feature.simplify),
    VectorTool("$snap_to_grid", {**_LAYER, "grid_size": "Float"}, per_feature.snap_to_grid),
    VectorTool(
        "$spatial_aggregation", {**_LAYER, "agg_function": "Text"}, per_layer.spatial_aggregation
    ),
    VectorTool(
        "$spatial_filter", {**_FILTERED, "spatial_predicate": "Text"}, two_layers.spatial_filter
    ),
    VectorTool(
        "$spatial_group_by",
        {**_LAYER, "group_column": "Attribute", "agg_function": "Text"},
        per_layer.spatial_group_by,
    ),
    VectorTool("$square_grid", {**_LAYER, "cell_size": "Float"}, per_layer.square_grid),
    # The server spells its name this way.
    VectorTool(
        "$tabel_to_vector_layer",
        {"table": "Table", "lon": "Attribute", "lat": "Attribute"},
        from_columns.table_to_layer,
    ),
    VectorTool("$voronoi_polygons", _LAYER, per_layer.voronoi_polygons),
    VectorTool("$within_distance", {**_FILTERED, "dist": "Float"}, two_layers.within_distance),
    VectorTool("$xy_coordinate", {**_LAYER, "srid": "Integer"}, per_feature.xy_coordinate),
)
