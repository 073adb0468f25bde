"""What a fault acts on: one request, its answer and the connection underneath."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import Self
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from prefect_geobox.emulator.faults import Fault
    from prefect_geobox.emulator.http.recording import RecordedRequest

_TRANSPORT: Final = "prefect_geobox.emulator.transport"
_RECORD: Final = "prefect_geobox.emulator.record"
_LOSE: Final = "prefect_geobox.emulator.lose"

#: On, with no time to linger: closing sends a reset in place of a farewell.
_NO_LINGER: Final = struct.pack("ii", 1, 0)

#: Seconds for the part of an answer that was sent to leave before a reset would discard it.
_FLUSH: Final = 0.002


class FaultyProtocol(H11Protocol):
    """The server's HTTP protocol, which shows its connection to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection."""
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[_TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


class _OverError(Exception):
    """The client has gone, or the emulator stops: there is nobody left to answer."""


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
        """The same answer after a change of its JSON; any other than a 200 of JSON stays."""
        if self.status != 200:
            return self
        try:
            value = json.loads(self.body)
        except ValueError:
            return self
        return replace(self, body=json.dumps(change(value)).encode())


class FaultSwitch:
    """The plan of one emulator, and the end of all that hangs when it stops.

    Attributes:
        plan: Asked for each request; None for a server without faults.
    """

    def __init__(self) -> None:
        self.plan: Callable[[RecordedRequest], Fault | None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def begin(self) -> None:
        """Readies it for a server that starts."""
        self._loop, self._stopping = None, asyncio.Event()

    def end(self) -> None:
        """Ends what hangs. Called from another thread than the server's."""
        if self._loop is None:
            self._stopping.set()
        else:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def joined(self) -> asyncio.Event:
        """The event that ends what hangs. Called in the server's thread."""
        self._loop = asyncio.get_running_loop()
        return self._stopping


class FaultGate:
    """ASGI middleware that asks the plan for each request and has its fault act.

    Args:
        app: The application.
        switch: Holds the plan.
    """

    def __init__(self, app: ASGIApp, switch: FaultSwitch) -> None:
        self._app = app
        self._switch = switch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or lets a fault act on it."""
        stopping = self._switch.joined()
        plan = self._switch.plan
        fault = plan(scope[_RECORD]) if plan is not None and _RECORD in scope else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        async with Exchange(self._app, scope, receive, send, stopping) as exchange:
            if fault.carries_out:
                await exchange.answer()
            await fault.act(exchange)


def remember(scope: Scope, record: RecordedRequest, lose: Callable[[], None]) -> None:
    """Keeps what a fault needs of the log.

    Args:
        scope: The request.
        record: What is known of it, for the plan.
        lose: Records that it got no answer, unless it has got one.
    """
    scope[_RECORD], scope[_LOSE] = record, lose


class Exchange:
    """One request and its answer, down to the socket. A fault acts through it.

    Leaving the context closes what was left open and waits until the connection is gone.
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
        self._watches: list[asyncio.Task[Any]] = []

    async def answer(self) -> Answer:
        """Has the emulator carry the request out, once, and keeps the answer back."""
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
        """Says that all of the body has been sent."""
        await self._send({"type": "http.response.body", "body": b""})
        self._is_complete = True

    async def pause(self, seconds: float | None = None) -> None:
        """Lets time pass; for ever where None. Ends early where nobody is left to answer."""
        if seconds is None:
            self._scope[_LOSE]()
        if not self._watches:
            self._watches = [
                asyncio.create_task(self._until_gone()),
                asyncio.create_task(self._stopping.wait()),
            ]
        over, _ = await asyncio.wait(
            self._watches, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if over:
            raise _OverError

    async def flush(self) -> None:
        """Gives what was written the time to leave."""
        await self.pause(_FLUSH)

    def reset(self) -> None:
        """Breaks the connection: the other side gets a TCP reset."""
        self._scope[_LOSE]()
        connection = self._transport.get_extra_info("socket")
        if connection is not None and not self._transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def close(self) -> None:
        """Closes the connection once what was written has left."""
        self._scope[_LOSE]()
        self._transport.close()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        is_over = isinstance(error, _OverError)
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        if is_over:
            self._transport.abort()
        elif not self._is_complete:
            self._transport.close()
        # The server takes an answer that was left open for a defect, until the client is gone.
        if not self._is_complete:
            await self._until_gone()
        return is_over
