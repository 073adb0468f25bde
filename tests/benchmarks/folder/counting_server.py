"""A Prefect server that counts what it is sent: requests by route, events by name, log lines.

Run as `uvicorn --factory tests.benchmarks.folder.counting_server:make_app`. `GET /bench/counts`
answers with the counts so far, as JSON; that request is not counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

COUNTS_PATH = "/bench/counts"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: The part of a path after one of these is a name.
_NAMED = re.compile(r"(?<=/)(name|slug|key)/[^/]+")

_INFO = 20


class CountingServer:
    """Counts, and hands on to the Prefect server.

    Args:
        app: The server.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._counts: dict[str, Counter[str]] = {
            "requests": Counter(),
            "events": Counter(),
            "logs": Counter(),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves a request or a connection."""
        if scope["type"] == "http" and scope["path"] == COUNTS_PATH:
            await _answer(send, self._counts)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        route, body = _route(scope["path"]), bytearray()
        is_read = (scope["method"], route) in {("POST", "/logs/"), ("POST", "/events")}

        async def receive_counted() -> Any:
            message = await receive()
            if is_read:
                body.extend(message.get("body", b""))
            return message

        async def send_counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                failed = f" ({status})" if status >= 400 else ""
                self._counts["requests"][f"{scope['method']} {route}{failed}"] += 1
            await send(message)

        await self._app(scope, receive_counted, send_counted)
        if is_read:
            sent = json.loads(bytes(body))
            if route == "/events":
                self._counts["events"].update(event["event"] for event in sent)
            else:
                self._counts["logs"].update(
                    "INFO" if log["level"] == _INFO else f"level {log['level']}" for log in sent
                )

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        route = _route(scope["path"])
        self._counts["requests"][f"WS {route}"] += 1

        async def receive_counted() -> Any:
            message = await receive()
            if route == "/events/in" and message["type"] == "websocket.receive":
                sent = json.loads(message.get("text") or message.get("bytes") or "{}")
                # The first message of a connection may be its authentication.
                if "event" in sent:
                    self._counts["events"][sent["event"]] += 1
            return message

        await self._app(scope, receive_counted, send)


def _route(path: str) -> str:
    return _NAMED.sub(r"\1/{name}", _UUID.sub("{id}", path.removeprefix("/api")))


async def _answer(send: Any, value: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


def make_app() -> CountingServer:
    """The Prefect server that the environment describes, counted."""
    from prefect.server.api.server import create_app

    return CountingServer(create_app())
