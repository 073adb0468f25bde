"""The vector tools by their names."""

from __future__ import annotations

from typing import Annotated, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.operations._inputs import (
    Input,
    LayerLike,
    Resource,
    TableLike,
)
from prefect_geobox.client.operations._operation import Evidence, creates_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.operations._vector_tool_catalogue import (
    VectorTool,
    server_name,
    tool_values,
    vector_tool,
)
from prefect_geobox.client.operations.sql import _bound


@creates_asset(
    AssetKind.VECTOR,
    endpoint="GET queries/systemQueries/; POST queries/saveAsLayer/",
    sdk="VectorTool",
    evidence=Evidence.DOCUMENTED,
)
def run_vector_tool(
    tool: Annotated[VectorTool, vector_tool],
    layer: LayerLike | TableLike | None,
    output_name: str,
    *,
    temporary: bool = False,
    **parameters: Any,
) -> Request:
    """Runs a vector tool and saves its result as a layer.

    Args:
        tool: Its name, such as "buffer".
        layer: Its input; the first where it has several, such as the polygons of
            "count_point_in_polygons". None for "lat_lon_to_point" and "make_envelop".
        output_name: The name of the new layer.
        temporary: Whether it is temporary: Geobox deletes it after a day.
        **parameters: The other parameters of the tool, by name; inputs are given like `layer`.

    Example:
        ```python
        near = run_vector_tool(credentials, "buffer", layer, "roads_50m", distance=50)
        cut = run_vector_tool(credentials, "clip", near, "near_the_city", clip=by_name("city"))
        ```
    """
    values = tool_values(tool, layer, parameters)
    query = Input(
        "tool",
        (Resource.SYSTEM_QUERY,),
        Resource.SYSTEM_QUERY,
        name=server_name(tool),
        needs="sql",
    )
    inputs = {key: value for key, value in values.items() if isinstance(value, Input)}

    def finish(request: Request) -> dict[str, Any]:
        return {
            "sql": request.inputs["tool"].data["sql"],
            "params": _bound(request.inputs["tool"], values),
            "layer_name": output_name,
            **({"temporary": True} if temporary else {}),
        }

    return Request(
        f"Run {tool}{' on {' + next(iter(inputs)) + '}' if inputs else ''} as "
        f"{literally(output_name)}",
        "queries/saveAsLayer/",
        {"tool": query, **inputs},
        json={
            "tool": tool,
            **values,
            "layer_name": output_name,
            "temporary": temporary,
        },
        name=output_name,
        finish=finish,
        is_temporary=temporary,
    )
