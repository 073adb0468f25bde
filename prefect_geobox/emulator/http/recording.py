"""The outermost middleware of the emulator: reads each request once and records it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import ClientDisconnect, Request

from prefect_geobox.emulator.http.request_body import BODY_KEY, read_body

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_APIKEY = "prefect_geobox.emulator.apikey"
_RECORD = "prefect_geobox.emulator.record"
_MARK_UNANSWERED = "prefect_geobox.emulator.mark_unanswered"

#: Seconds after which a request that still waits counts as in flight.
_SHORTEST_IN_FLIGHT = 0.02


@dataclass(frozen=True)
class RecordedRequest:
    """One request that the emulator received.

    Attributes:
        method: `GET`, `POST` and so on.
        path: The path as it was sent, such as `/v1/tasks/`.
        query: The query as pairs, without the API key.
        body: A JSON value, or the pairs of a form with passwords hidden; None for none. An uploaded
            file is replaced by its filename and size.
        status: The status of the answer; None if the connection ended before it.
        at: When it arrived, by `time.monotonic()`.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    status: int | None
    at: float


class InFlight:
    """Counts the requests that wait for their answer. A context manager around each.

    A request that ends within `_SHORTEST_IN_FLIGHT` seconds is not counted. Otherwise a request
    that a client has just abandoned would count until the server notices.

    Attributes:
        most: The most at one time.
    """

    def __init__(self) -> None:
        self.most = 0
        self._now = 0

    def __enter__(self) -> None:
        self._now += 1
        asyncio.get_running_loop().call_later(_SHORTEST_IN_FLIGHT, self._update_most)

    def __exit__(self, *_: object) -> None:
        self._now -= 1

    def _update_most(self) -> None:
        self.most = max(self.most, self._now)


def apikey_of(scope: Scope) -> str | None:
    """The API key of a request that passed `RequestLog`, or None."""
    apikey: str | None = scope[_APIKEY]
    return apikey


def record_of(scope: Scope) -> RecordedRequest | None:
    """The record of a request that passed `RequestLog`; None for what is not HTTP."""
    record: RecordedRequest | None = scope.get(_RECORD)
    return record


def mark_unanswered(scope: Scope) -> None:
    """Records that a request got no answer, unless it has got one already."""
    mark: Callable[[], None] = scope[_MARK_UNANSWERED]
    mark()


class RequestLog:
    """ASGI middleware that records each request and the status of its answer.

    All requests pass it before anything else is done. `FaultMiddleware`, which makes the emulator
    misbehave, comes between this and the application.
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
        # The server keeps this scope and may log its query: the key must be removed before that.
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = [(key, value) for key, value in pairs if key != "apikey"]
        scope["query_string"] = urlencode(query).encode()
        try:
            body = await read_body(Request(scope, receive))
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

        # The API answers `tasks/x` and `tasks/x/` alike. A redirect would turn a POST into a GET.
        path = "/".join(part for part in scope["path"].split("/") if part)
        inner: Scope = {
            **scope,
            "path": f"/{path}",
            BODY_KEY: body,
            _APIKEY: dict(pairs).get("apikey"),
            _RECORD: record,
            _MARK_UNANSWERED: lambda: keep(None),
        }
        try:
            with self._in_flight:
                await self._app(inner, receive, send_recorded)
        finally:
            keep(None)
