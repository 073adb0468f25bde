"""The vector tools: system queries that make a new layer of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator import geometry
from prefect_geobox.emulator.extras import JobFailed, library
from prefect_geobox.emulator.publishing import make_layer, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.remote_tasks import Outcome
    from prefect_geobox.emulator.store import Asset

# Segments to a quarter of a circle, as PostGIS has it. What the API takes is not known.
_QUARTER_SEGMENTS = 8


@dataclass(frozen=True)
class VectorTool:
    """A system query that the emulator can run.

    Attributes:
        name: The name that clients look it up by.
        sql: Its SQL. Clients send it back to run it, so that it also identifies the tool.
        params: Its parameters.
        shape: Makes the new shape of a feature's.
    """

    name: str
    sql: str
    params: tuple[dict[str, Any], ...]
    shape: Callable[[Any, dict[str, Any]], Any]


def run(tool: VectorTool, layer: Asset, values: dict[str, Any], name: str, **kind: Any) -> Outcome:
    """Does the work of a task that runs a tool and saves what it makes as a layer.

    Args:
        tool: The tool.
        layer: The input.
        values: The parameters by name.
        name: The name of the new layer.
        **kind: `temporary`: whether the new layer is.

    Raises:
        JobFailed: A parameter is missing, or shapely is.
    """
    for param in tool.params:
        if values.get(param["name"]) is None:
            reason = f"{tool.name} needs a value for {param['name']!r}"
            raise JobFailed(reason, "geobox.MissingParameterError")
    shapely = library("shapely", tool.name)
    mapping, shape = shapely.geometry.mapping, shapely.geometry.shape
    features = []
    for row in layer.rows:
        made = tool.shape(shape(row["geometry"]), values)
        if not made.is_empty:
            features.append({**row, "geometry": mapping(made)})
    if not features:
        raise JobFailed(f"{tool.name} makes nothing of this layer", "geobox.NoFeaturesError")
    kind_of_layer = geometry.layer_type(features[0]["geometry"])
    made_layer = make_layer(name, kind_of_layer, features, layer.fields, **kind)
    return succeeded(made_layer)


def _buffer(shape: Any, values: dict[str, Any]) -> Any:
    try:
        distance = float(values["distance"])
    except (TypeError, ValueError):
        reason = f"the distance {values['distance']!r} is no number"
        raise JobFailed(reason, "geobox.InvalidParameterError") from None
    # In the units of the layer's reference system; a guess.
    return shape.buffer(distance, quad_segs=_QUARTER_SEGMENTS)


_LAYER = {"name": "layer", "type": "Layer", "value": None, "default_value": None}
_DISTANCE = {"name": "distance", "type": "Float", "value": None, "default_value": None}

TOOLS = (
    VectorTool(
        name="$buffer",
        sql="SELECT *, ST_Buffer(geometry, {{distance}}) AS geometry FROM {{layer}}",
        params=(_LAYER, _DISTANCE),
        shape=_buffer,
    ),
    VectorTool(
        name="$centroid",
        sql="SELECT *, ST_Centroid(geometry) AS geometry FROM {{layer}}",
        params=(_LAYER,),
        shape=lambda shape, _: shape.centroid,
    ),
)
