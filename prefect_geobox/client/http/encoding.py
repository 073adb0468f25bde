"""The bodies and queries of requests, as the API reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import httpx

Form = Mapping[str, Any]
Params = Sequence[tuple[str, str]]

#: The characters of which a filter by many uuids has most. Python quotes a text without special
#: characters fast, and any other text character by character.
_FREQUENT: Final = {"'": "%27", ",": "%2C", "(": "%28", ")": "%29"}


def _encoded(value: Any) -> str | list[str]:
    """Encodes a value as the API reads forms: `True`, `False`, and lists as repeated keys."""
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


def encoded_query(params: Params) -> bytes:
    """The query of a request."""
    text = urlencode(params, safe="".join(_FREQUENT))
    for character, quoted in _FREQUENT.items():
        text = text.replace(character, quoted)
    return text.encode("ascii")
