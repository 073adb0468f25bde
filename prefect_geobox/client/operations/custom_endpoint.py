"""Starts remote tasks through endpoints that have no operation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from json import dumps
from typing import Annotated, Any, Final, cast

from typing_extensions import Unpack

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.plain_values import plain_tree
from prefect_geobox.client.model.validation import checked_method, checked_params, checked_path
from prefect_geobox.client.operations._operation import edits_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.polling.policy import WaitOptions

_SECRET: Final = re.compile("passw|pwd|secret|token|api_?key|credential", re.IGNORECASE)


#: An HTTP method that can start something.
Method = Annotated[str, lambda _, value: checked_method(value)]

#: A path below the API's version.
Path = Annotated[str, lambda _, value: checked_path(value)]

#: The names and values of a query; reaches an operation as a list of pairs.
Query = Annotated[
    Mapping[str, Any] | Iterable[tuple[str, Any]], lambda _, value: checked_params(value)
]


@edits_asset(endpoint="any that answers with a `task_id`")
def start_task(
    method: Method,
    path: Path,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    params: Query = (),
    **_: Unpack[WaitOptions],
) -> Request:
    """Starts a remote task through any endpoint that answers with a `task_id`, and waits for it.

    Args:
        method: "POST", "PUT", "PATCH" or "DELETE".
        path: Below the API's version, such as `vectorLayers/UUID/export/`.
        json: A JSON body. As in a form, fields with a name like `password` or `token` appear in no
            log, message or record.
        form: A form body; booleans are sent as `True` and `False`, None is left out.
        params: The query.

    Example:
        ```python
        form = {"out_format": "GPKG", "out_filename": "roads"}
        path = f"vectorLayers/{layer.uuid}/export/"
        task = start_task(credentials, "POST", path, form=form)
        file = get_output_asset(credentials, task)
        ```
    """
    if json is not None and form is not None:
        raise InvalidArgumentError("json and form must not be given together")
    if form is not None and not isinstance(form, Mapping):
        raise InvalidArgumentError(f"form must be names and values; got {str(form)[:80]!r}")
    json, form = plain_tree(json), plain_tree(form)
    body = json if form is None else form
    try:
        # The body and the record of the submission are both JSON.
        dumps(body, allow_nan=False)
    except (TypeError, ValueError) as error:
        field = "json" if form is None else "form"
        raise InvalidArgumentError(f"{field} must have JSON values only: {error}") from None
    named = body if isinstance(body, Mapping) else {}
    return Request(
        f"Start {method} {literally(path)}",
        literally(path),
        method=method,
        form=form,
        json=json,
        params=cast("Sequence[tuple[str, str]]", params),
        secrets=frozenset(name for name in named if _SECRET.search(str(name))),
    )
