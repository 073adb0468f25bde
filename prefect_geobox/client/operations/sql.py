"""Saving the result of a query as a layer or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError, InvalidResponseError
from prefect_geobox.client.model.plain_values import plain_number
from prefect_geobox.client.operations._inputs import (
    LAYERS,
    AssetLike,
    ByName,
    Input,
    Resource,
    inputs,
    to_input,
)
from prefect_geobox.client.operations._operation import (
    Evidence,
    LayerOptions,
    creates_asset,
)
from prefect_geobox.client.operations._request import Request, literally, without_none
from prefect_geobox.client.operations._validation import choice, text
from prefect_geobox.client.polling.policy import WaitOptions

LayerType = Literal["Point", "Multipoint", "Polyline", "Polygon"]

ParameterType = Literal["Layer", "Table", "Attribute", "Float", "Integer", "Text", "Boolean"]

_UUID: Final = re.compile(r"[0-9a-fA-F-]{32,36}")


def query_like(field: str, value: Any) -> str | Input:
    """SQL, or a saved query as an input."""
    if isinstance(value, str) and not _UUID.fullmatch(value.strip()):
        return text(field, value, "SQL or a saved query")
    return to_input(field, value, Resource.QUERY)


@creates_asset(
    AssetKind.VECTOR,
    endpoint="POST queries/saveAsLayer/",
    sdk="Query.direct_save_as_layer",
    evidence=Evidence.DOCUMENTED,
)
def save_query_as_layer(
    query: Annotated[str | AssetLike, query_like],
    name: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    *,
    layer_type: LayerType | Enum | None = None,
    **options: Unpack[LayerOptions],
) -> Request:
    """Runs a query and saves its result as a layer.

    Args:
        query: SQL, or a saved query as uuid, object or `by_name("…")`.
        name: The name of the new layer.
        params: Its parameters: `{name: value}`, where a value may be an asset; or, where the
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
            "layer_name": name,
            "layer_type": layer_type,
            "temporary": True if is_temporary else None,
        }
    )
    return _saved("queries/saveAsLayer/", query, name, params, extra, is_temporary=is_temporary)


@creates_asset(
    AssetKind.TABLE, endpoint="POST queries/saveAsTable/", sdk="Query.direct_save_as_table"
)
def save_query_as_table(
    query: Annotated[str | AssetLike, query_like],
    name: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    **_: Unpack[WaitOptions],
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
    extra = {"table_name": name}
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
    given = _parameters(params)
    values = {key: value for key, (_, value) in given.items()}
    layers = {value.field: value for value in values.values() if isinstance(value, Input)}
    if isinstance(query, str):

        def typed(request: Request) -> dict[str, Any]:
            rows = [
                {"name": key, "type": kind or _type_of(request, key, value), "value": value}
                for key, (kind, value) in given.items()
            ]
            return {"sql": query, "params": rows, **extra}

        return Request(
            f"Save a query as {literally(name)}",
            path,
            layers,
            json={"sql": query, **values, **extra},
            name=name,
            finish=typed,
            is_temporary=is_temporary,
        )

    def finish(request: Request) -> dict[str, Any]:
        source = request.inputs["query"]
        return {"sql": source.data["sql"], "params": _bound(source, values), **extra}

    return Request(
        f"Save {{query}} as {literally(name)}",
        path,
        inputs(query, needs="sql") | layers,
        json={**values, **extra},
        name=name,
        finish=finish,
        is_temporary=is_temporary,
    )


def _parameters(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> dict[str, tuple[str | None, Any]]:
    """The parameters of a query, each as type, where one is given, and value."""
    rows: Iterable[tuple[Any, Any, Any]]
    if isinstance(given, Mapping):
        rows = [(name, None, value) for name, value in given.items()]
    elif isinstance(given, Sequence) and all(isinstance(row, Mapping) for row in given):
        rows = [
            (
                row.get("name"),
                _parameter_type(f"params[{place}].type", row.get("type")),
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
    for name, kind, given_value in rows:
        value = plain_number(given_value)
        field = f"params[{name!r}]"
        key = text(field, name, "a name")
        if kind == "Table":
            found[key] = kind, to_input(field, value, Resource.TABLE)
        elif kind == "Layer":
            found[key] = kind, to_input(field, value, *LAYERS)
        elif kind is None and (isinstance(value, ByName) or hasattr(value, "uuid")):
            found[key] = kind, to_input(field, value, *LAYERS, Resource.TABLE)
        elif value is None or isinstance(value, (str, int, float)):
            found[key] = kind, value
        else:
            raise InvalidArgumentError(
                f"{field} must be a text, a number or an asset; got {value!r}"
            )
    return found


def _parameter_type(field: str, value: Any) -> Any:
    return None if value is None else choice(field, value, ParameterType)


def _type_of(request: Request, name: str, value: Any) -> str:
    if isinstance(value, Input):
        # A name may have turned out to be that of a table.
        found = request.inputs[value.field]
        return "Table" if found.resource is Resource.TABLE else "Layer"
    for kind, word in ((bool, "Boolean"), (int, "Integer"), (float, "Float"), (str, "Text")):
        if isinstance(value, kind):
            return word
    raise InvalidArgumentError(f"params[{name!r}] must have a value or a type; got neither")


def _bound(query: Input, values: Mapping[str, Any]) -> list[dict[str, Any]]:
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
