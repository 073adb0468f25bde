"""The outermost layer of the emulator: reads each request once and records it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from prefect_geobox.emulator.http.connection import remember

if TYPE_CHECKING:
    from collections import deque

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY = "prefect_geobox.emulator.body"
_APIKEY = "prefect_geobox.emulator.apikey"
_SECRETS = frozenset({"password", "apikey"})
_HIDDEN = "********"
_BRIEF = 0.02


@dataclass(frozen=True)
class RecordedRequest:
    """One request that the emulator got.

    Attributes:
        method: `GET`, `POST` and so on.
        path: The path as it came, such as `/v1/tasks/`.
        query: The query as pairs, without the API key.
        body: A JSON value, or the pairs of a form with passwords hidden; None for none. An uploaded
            file stands there as its filename and size.
        status: The status of the answer; None where the connection ended before it.
        at: When it came, by `time.monotonic()`.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    status: int | None
    at: float


class InFlight:
    """Counts the requests that wait for their answer. A context manager around each.

    Those that are over within `_BRIEF` seconds do not count: a request that a client has just given
    up would, until the server has noticed.

    Attributes:
        most: The most there were at once.
    """

    def __init__(self) -> None:
        self.most = 0
        self._now = 0

    def __enter__(self) -> None:
        self._now += 1
        asyncio.get_running_loop().call_later(_BRIEF, self._look)

    def __exit__(self, *_: object) -> None:
        self._now -= 1

    def _look(self) -> None:
        self.most = max(self.most, self._now)


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Body:
    """A request's body. A JSON object and a form are read alike, as the API takes both."""

    value: Any = None
    pairs: list[tuple[str, str]] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value of a field, or None."""
        if isinstance(self.value, dict):
            return self.value.get(name)
        return next((value for key, value in self.pairs if key == name), None)

    def text(self, name: str) -> str | None:
        """The value of a field as text; None where it is missing or empty."""
        value = self.get(name)
        return None if value is None or value == "" else str(value)

    def params(self) -> QueryParams:
        """The fields as a query has them: repeated ones repeated, empty and missing ones left out.

        A list of a JSON body is read as repeated fields.
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
        """What may be kept of it: neither passwords nor the content of files."""
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
    body: Body = request.scope[_BODY]
    return body


def apikey_of(scope: Scope) -> str | None:
    """The API key of a request that passed `RequestLog`, or None."""
    apikey: str | None = scope[_APIKEY]
    return apikey


class RequestLog:
    """ASGI middleware that records each request and what was answered.

    The one place where all requests pass before anything is done. `FaultGate`, which makes the
    emulator misbehave, comes between this and the application.
    """

    def __init__(self, app: ASGIApp, records: deque[RecordedRequest], in_flight: InFlight) -> None:
        self._app = app
        self._records = records
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Records a request and passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at = time.monotonic()
        # The server keeps this scope and may log its query: the key must be gone by then.
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = [(key, value) for key, value in pairs if key != "apikey"]
        scope["query_string"] = urlencode(query).encode()
        try:
            body = await _read(Request(scope, receive))
        except ClientDisconnect:
            return
        record = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=query,
            body=body.recorded(),
            status=None,
            at=at,
        )
        # The API answers `tasks/x` and `tasks/x/` alike. A redirect would turn a POST into a GET.
        path = "/".join(part for part in scope["path"].split("/") if part)
        apikey = dict(pairs).get("apikey")
        inner: Scope = {**scope, "path": f"/{path}", _BODY: body, _APIKEY: apikey}
        is_recorded = False

        def keep(status: int | None) -> None:
            nonlocal is_recorded
            if not is_recorded:
                is_recorded = True
                self._records.append(replace(record, status=status))

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                keep(message["status"])
            await send(message)

        remember(inner, record, lambda: keep(None))
        try:
            with self._in_flight:
                await self._app(inner, receive, send_recorded)
        finally:
            keep(None)


async def _read(request: Request) -> Body:
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
        # One thread of the official SDK can send a form under the content type of another.
        return Body(pairs=parse_qsl(text, keep_blank_values=True))


async def _read_multipart(request: Request) -> Body:
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
        # What it lacks is refused where it is needed.
        return Body()
    return Body(pairs=pairs, uploads=uploads)
