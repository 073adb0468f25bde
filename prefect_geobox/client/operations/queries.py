"""SQL and the vector tools: queries whose result is saved as a layer or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from typing_extensions import Unpack

from prefect_geobox.client import checks
from prefect_geobox.client.errors import InvalidArgumentError, InvalidResponseError
from prefect_geobox.client.models import AssetKind
from prefect_geobox.client.operations.operation import (
    Evidence,
    LayerOptions,
    StepOptions,
    makes,
)
from prefect_geobox.client.operations.request import Request, literally, without_none
from prefect_geobox.client.operations.vector_tools import (
    VectorTool,
    known_tool,
    server_name,
    tool_values,
)
from prefect_geobox.client.references import (
    LAYERS,
    AssetLike,
    ByName,
    LayerLike,
    Ref,
    Resource,
    TableLike,
    pick,
)

LayerType = Literal["Point", "Multipoint", "Polyline", "Polygon"]
ParameterType = Literal["Layer", "Table", "Attribute", "Float", "Integer", "Text", "Boolean"]

_UUID: Final = re.compile(r"[0-9a-fA-F-]{32,36}")


@makes(
    AssetKind.VECTOR,
    endpoint="GET queries/systemQueries/; POST queries/saveAsLayer/",
    row=20,
    evidence=Evidence.DOCUMENTED,
    label="output_name",
    brief="run",
)
def run_vector_tool(
    tool: VectorTool | str,
    layer: LayerLike | TableLike | None,
    output_name: str,
    *,
    temporary: bool = False,
    **parameters: Any,
) -> Request:
    """Runs a vector tool and saves its result as a layer.

    Args:
        tool: Its name, such as "buffer".
        layer: What it works on; its first input where it has several, such as the polygons of
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
    name = known_tool(tool)
    values = tool_values(name, layer, parameters)
    query = Ref(
        "tool",
        (Resource.SYSTEM_QUERY,),
        Resource.SYSTEM_QUERY,
        name=server_name(name),
        needs="sql",
    )
    inputs = {key: value for key, value in values.items() if isinstance(value, Ref)}

    def finish(request: Request) -> dict[str, Any]:
        return {
            "sql": request.inputs["tool"].data["sql"],
            "params": _bound(request.inputs["tool"], values),
            "layer_name": output_name,
            **({"temporary": True} if temporary else {}),
        }

    return Request(
        f"Run {name}{' on {' + next(iter(inputs)) + '}' if inputs else ''} as "
        f"{literally(checks.text('output_name', output_name))}",
        "queries/saveAsLayer/",
        {"tool": query, **inputs},
        json={
            "tool": name,
            **values,
            "layer_name": output_name,
            "temporary": checks.flag("temporary", temporary),
        },
        name=output_name,
        finish=finish,
        is_temporary=temporary,
    )


@makes(
    AssetKind.VECTOR,
    endpoint="POST queries/saveAsLayer/",
    row=20,
    evidence=Evidence.DOCUMENTED,
    label="name",
)
def save_query_as_layer(
    query: str | AssetLike,
    name: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    *,
    layer_type: LayerType | Any = None,
    **options: Unpack[LayerOptions],
) -> Request:
    """Runs a query and saves its result as a layer.

    Args:
        query: SQL, or a saved query as uuid, object or `by_name("…")`.
        name: The name of the new layer.
        params: Its parameters: `{name: value}`, where assets stand for themselves; or, where the
            type does not follow from the value, a list of `{"name": …, "type": …, "value": …}`
            with the type "Layer", "Table", "Attribute", "Float", "Integer", "Text" or "Boolean".
        layer_type: "Point", "Multipoint", "Polyline" or "Polygon"; by default the server's choice.

    Example:
        ```python
        sql = "SELECT * FROM parcels WHERE area > :least"
        large = save_query_as_layer(credentials, sql, "large", {"parcels": layer, "least": 1000})
        ```
    """
    is_temporary = bool(options.get("temporary"))
    extra = without_none(
        {
            "layer_name": checks.text("name", name),
            "layer_type": checks.choice_or_none("layer_type", layer_type, LayerType),
            "temporary": True if is_temporary else None,
        }
    )
    return _saved("queries/saveAsLayer/", query, name, params, extra, is_temporary=is_temporary)


@makes(AssetKind.TABLE, endpoint="POST queries/saveAsTable/", row=21, label="name")
def save_query_as_table(
    query: str | AssetLike,
    name: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    **_: Unpack[StepOptions],
) -> Request:
    """Runs a query and saves its result as a table.

    Args:
        query: SQL, or a saved query as uuid, object or `by_name("…")`.
        name: The name of the new table.
        params: Its parameters, as of `save_query_as_layer`.

    Example:
        ```python
        sql = "SELECT kind, count(*) AS number FROM parcels GROUP BY kind"
        counts = save_query_as_table(credentials, sql, "kinds", {"parcels": layer})
        ```
    """
    extra = {"table_name": checks.text("name", name)}
    return _saved("queries/saveAsTable/", query, name, params, extra)


def _saved(
    path: str,
    query: str | AssetLike,
    name: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    extra: dict[str, Any],
    *,
    is_temporary: bool = False,
) -> Request:
    is_sql = isinstance(query, str) and not _UUID.fullmatch(query.strip())
    given = _parameters(params)
    inputs = {value.field: value for _, value in given.values() if isinstance(value, Ref)}
    if is_sql:
        sql = checks.text("query", query, "SQL or a saved query")

        def typed(request: Request) -> dict[str, Any]:
            rows = [
                {"name": key, "type": kind or _type_of(request, key, value), "value": value}
                for key, (kind, value) in given.items()
            ]
            return {"sql": sql, "params": rows, **extra}

        return Request(
            f"Save a query as {literally(name)}",
            path,
            inputs,
            json={"sql": sql, **{key: value for key, (_, value) in given.items()}, **extra},
            name=name,
            finish=typed,
            is_temporary=is_temporary,
        )
    kept = pick("query", query, Resource.QUERY, needs="sql")

    def finish(request: Request) -> dict[str, Any]:
        source = request.inputs["query"]
        values = {key: value for key, (_, value) in given.items()}
        return {"sql": source.data["sql"], "params": _bound(source, values), **extra}

    return Request(
        f"Save {{query}} as {literally(name)}",
        path,
        {"query": kept, **inputs},
        json={**{key: value for key, (_, value) in given.items()}, **extra},
        name=name,
        finish=finish,
        is_temporary=is_temporary,
    )


def _parameters(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> dict[str, tuple[str | None, Any]]:
    """The parameters of a query as type, where one is told, and value; inputs as `Ref`."""
    rows: Iterable[tuple[Any, Any, Any]]
    if isinstance(given, Mapping):
        rows = [(name, None, value) for name, value in given.items()]
    elif isinstance(given, Sequence) and all(isinstance(row, Mapping) for row in given):
        rows = [
            (
                row.get("name"),
                checks.choice_or_none(f"params[{place}].type", row.get("type"), ParameterType),
                _preset(row),
            )
            for place, row in enumerate(given)
        ]
    else:
        raise InvalidArgumentError(
            f"params must be {{name: value}} or a list of objects with name, type and value; got "
            f"{given!r}"
        )
    found: dict[str, tuple[str | None, Any]] = {}
    for name, kind, value in rows:
        field = f"params[{name!r}]"
        checks.text(field, name, "a name")
        if kind == "Table":
            found[name] = kind, pick(field, value, Resource.TABLE)
        elif kind == "Layer":
            found[name] = kind, pick(field, value, *LAYERS)
        elif kind is None and (isinstance(value, ByName) or hasattr(value, "uuid")):
            found[name] = kind, pick(field, value, *LAYERS, Resource.TABLE)
        elif value is None or isinstance(value, (str, int, float)):
            found[name] = kind, value
        else:
            raise InvalidArgumentError(
                f"{field} must be a text, a number or an asset; got {value!r}"
            )
    return found


def _type_of(request: Request, name: str, value: Any) -> str:
    if isinstance(value, Ref):
        # A name may have turned out to be that of a table.
        found = request.inputs[value.field]
        return "Table" if found.resource is Resource.TABLE else "Layer"
    for kind, told in ((bool, "Boolean"), (int, "Integer"), (float, "Float"), (str, "Text")):
        if isinstance(value, kind):
            return told
    raise InvalidArgumentError(f"params[{name!r}] must have a value or a type; got neither")


def _bound(query: Ref, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a query that the server has, with our values. 0 and False are values."""
    rows = query.data.get("params")
    known = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    names = [row.get("name") for row in known]
    for name in values:
        if name not in names:
            raise InvalidResponseError(
                f"The {query.resource} {query.name} of this server has no parameter {name!r}; it "
                f"has {', '.join(map(str, names)) or 'none'}."
            )
    return [
        {
            "name": row.get("name"),
            "type": row.get("type"),
            "value": values.get(str(row.get("name")), _preset(row)),
        }
        for row in known
    ]


def _preset(row: Mapping[str, Any]) -> Any:
    value = row.get("value")
    return row.get("default_value") if value is None else value
