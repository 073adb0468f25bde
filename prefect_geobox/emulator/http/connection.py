"""The connection of one request down to the socket, which faults act on."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import Self
from uvicorn.protocols.http.h11_impl import H11Protocol

from prefect_geobox.emulator.http.recording import mark_unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRANSPORT: Final = "prefect_geobox.emulator.transport"

#: SO_LINGER on with zero seconds: closing sends a TCP reset instead of a FIN.
_NO_LINGER: Final = struct.pack("ii", 1, 0)

#: Seconds for sent bytes to leave the socket before a reset would discard them.
_FLUSH_SECONDS: Final = 0.002


class ConnectionProtocol(H11Protocol):
    """The server's HTTP protocol; it passes its connection to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection."""
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[_TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


class _NoClientError(Exception):
    """The client has disconnected or the emulator stops: no client waits for the answer."""


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        status: The HTTP status.
        headers: Names and values; the length of the body is added.
        body: The body.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> Answer:
        """An answer of JSON; `NaN` and lone surrogates are written as Python writes them."""
        return cls(status, [("content-type", "application/json")], json.dumps(value).encode())

    def changed(self, change: Callable[[Any], Any]) -> Answer:
        """The same answer with its JSON changed; an answer that is not a 200 of JSON stays."""
        if self.status != 200:
            return self
        try:
            value = json.loads(self.body)
        except ValueError:
            return self
        return replace(self, body=json.dumps(change(value)).encode())


class Connection:
    """One request, its answer and the socket under both. A fault acts through it.

    Leaving the context closes what is still open and waits until the connection has ended.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event
    ) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = scope[_TRANSPORT]
        self._stopping = stopping
        self._answer: Answer | None = None
        self._is_complete = False
        self._stop_tasks: list[asyncio.Task[Any]] = []

    async def answer(self) -> Answer:
        """Carries the request out, once, and holds the answer back."""
        if self._answer is None:
            status, headers, parts = 500, [], []

            async def keep(message: Message) -> None:
                nonlocal status, headers
                if message["type"] == "http.response.start":
                    status, headers = message["status"], list(message.get("headers", ()))
                elif message["type"] == "http.response.body":
                    parts.append(message.get("body", b""))

            await self._app(self._scope, self._receive, keep)
            decoded = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in headers]
            kept = [pair for pair in decoded if pair[0].lower() != "content-length"]
            self._answer = Answer(status, kept, b"".join(parts))
        return self._answer

    async def send(self, answer: Answer) -> None:
        """Sends a whole answer."""
        await self.begin(answer)
        await self.write(answer.body)
        await self.end()

    async def begin(self, answer: Answer) -> None:
        """Sends the head of an answer, with the length of all of its body."""
        pairs = [*answer.headers, ("content-length", str(len(answer.body)))]
        headers = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in pairs]
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )

    async def write(self, part: bytes) -> None:
        """Sends a part of the body."""
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self) -> None:
        """Ends the body: all of it has been sent."""
        await self._send({"type": "http.response.body", "body": b""})
        self._is_complete = True

    async def pause(self, seconds: float | None = None) -> None:
        """Waits some seconds, or without limit if None. Ends early when no client waits."""
        if seconds is None:
            mark_unanswered(self._scope)
        if not self._stop_tasks:
            self._stop_tasks = [
                asyncio.create_task(self._until_disconnect()),
                asyncio.create_task(self._stopping.wait()),
            ]
        stopped, _ = await asyncio.wait(
            self._stop_tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if stopped:
            raise _NoClientError

    async def flush(self) -> None:
        """Waits until what was written has left the socket."""
        await self.pause(_FLUSH_SECONDS)

    def reset(self) -> None:
        """Breaks the connection: the client gets a TCP reset."""
        mark_unanswered(self._scope)
        tcp_socket = self._transport.get_extra_info("socket")
        if tcp_socket is not None and not self._transport.is_closing():
            tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def close(self) -> None:
        """Closes the connection once what was written has left."""
        mark_unanswered(self._scope)
        self._transport.close()

    async def _until_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        has_no_client = isinstance(error, _NoClientError)
        for task in self._stop_tasks:
            task.cancel()
        await asyncio.gather(*self._stop_tasks, return_exceptions=True)
        if has_no_client:
            self._transport.abort()
        elif not self._is_complete:
            self._transport.close()
        # uvicorn logs an unfinished answer as an error unless the client has disconnected.
        if not self._is_complete:
            await self._until_disconnect()
        return has_no_client
