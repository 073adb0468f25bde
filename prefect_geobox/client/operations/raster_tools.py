"""The raster analyses by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._operation import Evidence, Operation, creates_asset
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._validation import unknown
from prefect_geobox.client.operations.raster_cell_values import (
    calculate_raster,
    constant_raster,
    fill_nodata,
    reclassify_raster,
    resample_raster,
)
from prefect_geobox.client.operations.raster_conversion import (
    clip_raster,
    interpolate_idw,
    polygonize,
    rasterize,
)
from prefect_geobox.client.operations.raster_terrain import (
    raster_aspect,
    raster_proximity,
    raster_slope,
)

RasterTool = Literal[
    "rasterize",
    "polygonize",
    "clip",
    "calculator",
    "slope",
    "aspect",
    "reclassify",
    "resample",
    "idw",
    "constant",
    "fill",
    "proximity",
]


#: The analyses by the name that their endpoint has.
RASTER_TOOLS: Final[Mapping[str, Operation[..., Any]]] = {
    "rasterize": rasterize,
    "polygonize": polygonize,
    "clip": clip_raster,
    "calculator": calculate_raster,
    "slope": raster_slope,
    "aspect": raster_aspect,
    "reclassify": reclassify_raster,
    "resample": resample_raster,
    "idw": interpolate_idw,
    "constant": constant_raster,
    "fill": fill_nodata,
    "proximity": raster_proximity,
}


#: Names that the SDK has for some of them.
_OTHER_NAMES: Final = {"idw_interpolation": "idw", "fill_nodata": "fill"}


def raster_tool(field: str, value: Any) -> str:
    """The name of a raster analysis, as its endpoint has it."""
    name = _OTHER_NAMES.get(value, value) if isinstance(value, str) else None
    if name not in RASTER_TOOLS:
        raise unknown(field, value, [*RASTER_TOOLS, *_OTHER_NAMES])
    return str(name)


@creates_asset(
    AssetKind.RASTER,
    AssetKind.FILE,
    AssetKind.VECTOR,
    endpoint="POST analysis/{tool}/",
    sdk="RasterAnalysis",
    evidence=Evidence.DOCUMENTED,
)
def run_raster_tool(
    tool: Annotated[RasterTool, raster_tool],
    source: Any,
    output_name: str,
    *,
    temporary: bool = False,
    **parameters: Any,
) -> Request:
    """Runs a raster analysis that is chosen by its name. Each has a step of its own as well.

    Args:
        tool: "rasterize", "polygonize", "clip", "calculator", "slope", "aspect", "reclassify",
            "resample", "idw", "constant", "fill" or "proximity".
        source: Its first input: a raster; for "rasterize" and "idw" a layer; for "calculator" the
            variables; None for "constant".
        output_name: The name of the output.
        temporary: Whether the output is temporary.
        **parameters: Those of the analysis, by name.

    Example:
        ```python
        steep = run_raster_tool(credentials, "slope", dem, "slope", slope_units="percent")
        ```
    """
    operation = RASTER_TOOLS[tool]
    first = next(iter(operation.signature.parameters))
    given = {**parameters, "name": output_name, "temporary": temporary}
    if source is not None and first != "name":
        given[first] = source
    elif source is not None:
        raise InvalidArgumentError(f"source must be None: {tool} has no input")
    return operation.bind((), given).request()
