"""The bodies of requests, as the API reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

Form = Mapping[str, Any]


def _encoded(value: Any) -> str | list[str]:
    """Writes a value the way the API reads forms: `True`, `False`, and lists as repeated keys."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return str(value)


def encoded_body(form: Form | None, json_body: Any) -> tuple[dict[str, str], bytes | None]:
    """The headers and the content of a request with a form, or JSON, or nothing."""
    if form is not None:
        fields = {key: _encoded(value) for key, value in form.items() if value is not None}
        encoded = str(httpx.QueryParams(fields)).encode()
        return {"Content-Type": "application/x-www-form-urlencoded"}, encoded
    if json_body is not None:
        return {"Content-Type": "application/json"}, json.dumps(json_body).encode()
    return {}, None
