"""The vector tools of Geobox: their names and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import LAYERS, Resource, to_input
from prefect_geobox.client.operations._operation import DEFAULTS
from prefect_geobox.client.operations._validation import (
    any_text,
    choice,
    number,
    text,
    unknown,
    whole,
)

VectorTool = Literal[
    "area",
    "as_geojson",
    "as_wkt",
    "buffer",
    "centroid",
    "clip",
    "concave_hull",
    "convex_hull",
    "count_point_in_polygons",
    "delaunay_triangulation",
    "disjoint",
    "dissolve",
    "distance_to_nearest",
    "distinct",
    "dump",
    "erase",
    "feature_bbox",
    "feature_extent",
    "find_replace",
    "from_geojson",
    "from_wkt",
    "generate_points",
    "group_by",
    "hexagon_grid",
    "intersection",
    "join",
    "lat_lon_to_point",
    "layer_extent",
    "length",
    "line_to_polygon",
    "linear_referencing",
    "make_envelop",
    "merge",
    "network_trace",
    "number_of_geoms",
    "number_of_points",
    "point_stats_in_polygon",
    "remove_holes",
    "reverse_line",
    "simplify",
    "snap_to_grid",
    "spatial_aggregation",
    "spatial_filter",
    "spatial_group_by",
    "square_grid",
    "table_to_vector_layer",
    "voronoi_polygons",
    "within_distance",
    "xy_coordinate",
]

GroupFunction = Literal["count", "sum", "min", "max", "avg"]
SpatialFunction = Literal["collect", "union", "extent", "makeline"]
Predicate = Literal["Intersect", "Contain", "Cross", "Equal", "Overlap", "Touch", "Within"]
Direction = Literal["up", "down"]

_REQUIRED: Final = object()


@dataclass(frozen=True)
class ToolParameter:
    """One parameter of a vector tool.

    Attributes:
        name: Its name.
        meaning: The values that it may have, for people.
        check: Checks a given value and returns the one that is sent.
        default: Its value where none is given; `_REQUIRED` where one must be given.
    """

    name: str
    meaning: str
    check: Callable[[str, Any], Any]
    default: Any = _REQUIRED

    @property
    def is_input(self) -> bool:
        """Whether it is a layer or a table."""
        return self.meaning in ("layer or view", "table")

    def __str__(self) -> str:
        return f"{self.name} ({self.meaning})"


def _layer(name: str = "layer") -> ToolParameter:
    return ToolParameter(
        name, "layer or view", lambda field, value: to_input(field, value, *LAYERS)
    )


def _number(
    name: str,
    meaning: str = "number",
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> ToolParameter:
    check = partial(number, least=least, most=most, above=above)
    return ToolParameter(name, meaning, check)


def _above_zero(name: str) -> ToolParameter:
    return _number(name, "number above 0", above=0)


def _not_negative(name: str) -> ToolParameter:
    return _number(name, "number, 0 or more", least=0)


def _whole(name: str, least: int | None = None) -> ToolParameter:
    meaning = "whole number" if least is None else f"whole number, {least} or more"
    return ToolParameter(name, meaning, partial(whole, least=least))


def _srid(default: Any = _REQUIRED) -> ToolParameter:
    return ToolParameter("srid", "EPSG code", partial(whole, least=1), default)


def _text(name: str, meaning: str = "name of a field") -> ToolParameter:
    return ToolParameter(name, meaning, partial(text, meaning=f"the {meaning}"))


def _any_text(name: str) -> ToolParameter:
    # A text of blanks, or an empty one, can be found and put in as well.
    return ToolParameter(name, "text", any_text)


def _choice(name: str, literal: Any) -> ToolParameter:
    meaning = "one of " + ", ".join(literal.__args__)
    return ToolParameter(name, meaning, partial(choice, literal=literal))


_TABLE: Final = ToolParameter(
    "table", "table", lambda field, value: to_input(field, value, Resource.TABLE)
)

#: The parameters of each tool whose result can be saved as a layer. The first input is the
#: parameter `layer` of a step.
VECTOR_TOOLS: Final[Mapping[str, tuple[ToolParameter, ...]]] = {
    "area": (_layer(),),
    "as_geojson": (_layer(),),
    "as_wkt": (_layer(),),
    "buffer": (_layer(), _number("distance")),
    "centroid": (_layer(),),
    "clip": (_layer(), _layer("clip")),
    "concave_hull": (_layer(), _not_negative("tolerance")),
    "convex_hull": (_layer(),),
    "count_point_in_polygons": (_layer("polygon_layer"), _layer("point_layer")),
    "delaunay_triangulation": (_layer(),),
    "disjoint": (_layer(), _layer("filter_layer")),
    "dissolve": (_layer(), _text("dissolve_field")),
    "distance_to_nearest": (_layer(), _layer("nearest_layer"), _not_negative("search_radius")),
    "distinct": (_layer(),),
    "dump": (_layer(),),
    "erase": (_layer(), _layer("erase")),
    "feature_bbox": (_layer(), _srid()),
    "feature_extent": (_layer(),),
    "find_replace": (_layer(), _any_text("find"), _any_text("replace")),
    "from_geojson": (_layer(), _text("json_field")),
    "from_wkt": (_layer(), _text("wkt_column"), _srid()),
    "generate_points": (_layer(), _whole("number_of_points", 1), _whole("seed")),
    "group_by": (
        _layer(),
        _text("group_column"),
        _text("agg_column"),
        _choice("agg_function", GroupFunction),
    ),
    "hexagon_grid": (_layer(), _above_zero("cell_size")),
    "intersection": (_layer(), _layer("intersect")),
    "join": (
        _layer("layer1"),
        _layer("layer2"),
        _text("layer1_join_column"),
        _text("layer2_join_column"),
    ),
    "lat_lon_to_point": (
        _number("latitude", "degrees from -90 to 90", least=-90, most=90),
        _number("longitude", "degrees from -180 to 180", least=-180, most=180),
    ),
    "layer_extent": (_layer(),),
    "length": (_layer(),),
    "line_to_polygon": (_layer(),),
    "linear_referencing": (
        _layer(),
        _whole("feature_id", 0),
        _not_negative("dist"),
        _not_negative("tolerance"),
    ),
    "make_envelop": (_number("xmin"), _number("ymin"), _number("xmax"), _number("ymax")),
    "merge": (_layer("layer1"), _layer("layer2")),
    "network_trace": (
        _layer(),
        _whole("from_id", 0),
        _choice("direction", Direction),
        _not_negative("tolerance"),
    ),
    "number_of_geoms": (_layer(),),
    "number_of_points": (_layer(),),
    "point_stats_in_polygon": (
        _layer("polygon_layer"),
        _layer("point_layer"),
        _text("stats_column"),
    ),
    "remove_holes": (_layer(),),
    "reverse_line": (_layer(),),
    "simplify": (_layer(), _not_negative("tolerance")),
    "snap_to_grid": (_layer(), _above_zero("grid_size")),
    "spatial_aggregation": (_layer(), _choice("agg_function", SpatialFunction)),
    "spatial_filter": (
        _layer(),
        _choice("spatial_predicate", Predicate),
        _layer("filter_layer"),
    ),
    "spatial_group_by": (
        _layer(),
        _text("group_column"),
        _choice("agg_function", SpatialFunction),
    ),
    "square_grid": (_layer(), _above_zero("cell_size")),
    "table_to_vector_layer": (_TABLE, _text("lon"), _text("lat")),
    "voronoi_polygons": (_layer(),),
    "within_distance": (_layer(), _layer("filter_layer"), _not_negative("dist")),
    "xy_coordinate": (_layer(), _srid(3857)),
}

#: Where the server spells a name differently.
_SERVER_NAMES: Final = {"table_to_vector_layer": "$tabel_to_vector_layer"}

#: Names that the SDK has for some of them.
_OTHER_NAMES: Final = {
    "find_and_replace": "find_replace",
    "table_to_vectorlayer": "table_to_vector_layer",
    "tabel_to_vector_layer": "table_to_vector_layer",
}


def vector_tool(field: str, value: Any) -> str:
    """The name of a tool, in the spelling of the table.

    Raises:
        InvalidArgumentError: There is no such tool; the message lists similar ones.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{field} must be the name of a vector tool; got {value!r}")
    name = value.removeprefix("$")
    name = _OTHER_NAMES.get(name, name)
    if name not in VECTOR_TOOLS:
        raise unknown(field, value, VECTOR_TOOLS)
    return name


def server_name(tool: str) -> str:
    """The name of the system query that a tool is."""
    return _SERVER_NAMES.get(tool, f"${tool}")


def tool_values(tool: str, layer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a tool's parameters, checked; inputs as `Input`.

    Args:
        tool: The tool.
        layer: Its first input; None where it has none.
        given: The other parameters.

    Raises:
        InvalidArgumentError: One is missing, unknown or of the wrong type; the message names it.
    """
    parameters = VECTOR_TOOLS[tool]
    values = dict(given)
    first = parameters[0]
    if first.is_input and first.name not in values:
        values[first.name] = layer
    elif layer is not None:
        problem = "is given twice" if first.is_input else f"must be None: {tool} works on no layer"
        raise InvalidArgumentError(f"layer {problem}")
    names = [parameter.name for parameter in parameters]
    for name in values:
        if name not in names:
            error = unknown(tool, name, names, also=DEFAULTS)
            raise InvalidArgumentError(
                f"{error} The parameters of {tool}: {', '.join(map(str, parameters))}."
            )
    checked: dict[str, Any] = {}
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
        if value is _REQUIRED or value is None:
            raise InvalidArgumentError(
                f"{parameter.name} is missing: {tool} needs a {parameter.meaning}. All of its "
                f"parameters: {', '.join(map(str, parameters))}."
            )
        checked[parameter.name] = parameter.check(parameter.name, value)
    return checked
