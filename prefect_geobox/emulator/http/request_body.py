"""The body of a request: JSON, a form, or a form with uploaded files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams, UploadFile
from starlette.formparsers import MultiPartException

if TYPE_CHECKING:
    from starlette.requests import Request

#: The key of the scope under which `RequestLog` keeps the body.
BODY_KEY = "prefect_geobox.emulator.body"

_SECRETS = frozenset({"password", "apikey"})
_HIDDEN = "********"


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Body:
    """A request's body. A JSON object and a form are read alike, because the API accepts both."""

    value: Any = None
    pairs: list[tuple[str, str]] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value of a field, or None."""
        if isinstance(self.value, dict):
            return self.value.get(name)
        return next((value for key, value in self.pairs if key == name), None)

    def text(self, name: str) -> str | None:
        """The value of a field as text; None if it is missing or empty."""
        value = self.get(name)
        return None if value is None or value == "" else str(value)

    def params(self) -> QueryParams:
        """The fields in the form of a query, without empty and missing ones.

        A list in a JSON body becomes repeated fields.
        """
        pairs = self.pairs
        if isinstance(self.value, dict):
            pairs = [
                (key, str(one))
                for key, value in self.value.items()
                for one in (value if isinstance(value, list) else [value])
                if one is not None
            ]
        return QueryParams([(key, value) for key, value in pairs if value != ""])

    def recorded(self) -> Any:
        """The body for the record: without passwords and the content of files."""
        if isinstance(self.value, dict):
            return {k: _HIDDEN if k in _SECRETS else v for k, v in self.value.items()}
        if self.value is not None:
            return self.value
        pairs: list[tuple[str, Any]] = [
            (key, _HIDDEN if key in _SECRETS else value) for key, value in self.pairs
        ]
        pairs += [
            (key, {"filename": upload.filename, "size": len(upload.content)})
            for key, upload in self.uploads.items()
        ]
        return pairs or None


def body_of(request: Request) -> Body:
    """The body of a request that passed `RequestLog`."""
    body: Body = request.scope[BODY_KEY]
    return body


async def read_body(request: Request) -> Body:
    """Reads the body of a request once.

    Raises:
        ClientDisconnect: The client disconnected before the body was complete.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _read_multipart(request)
    content = await request.body()
    if not content:
        return Body()
    text = content.decode("utf-8", errors="replace")
    if content_type == "application/x-www-form-urlencoded":
        return Body(pairs=parse_qsl(text, keep_blank_values=True))
    try:
        return Body(value=json.loads(text))
    except (ValueError, RecursionError):
        # In the official SDK, threads can send a form with the content type of another request.
        return Body(pairs=parse_qsl(text, keep_blank_values=True))


async def _read_multipart(request: Request) -> Body:
    if find_spec("python_multipart") is None:
        # Starlette cannot read the form. The route of uploads says what to install.
        return Body()
    pairs: list[tuple[str, str]] = []
    uploads: dict[str, Upload] = {}
    try:
        async with request.form() as form:
            for key, value in form.multi_items():
                if isinstance(value, UploadFile):
                    uploads[key] = Upload(value.filename or "", await value.read())
                else:
                    pairs.append((key, value))
    except MultiPartException:
        # The fields that are missing then are refused where they are needed.
        return Body()
    return Body(pairs=pairs, uploads=uploads)
