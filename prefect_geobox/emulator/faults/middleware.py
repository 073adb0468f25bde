"""Applies the plan of an emulator: asks it about each request and lets the fault act."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prefect_geobox.emulator.http.connection import Connection
from prefect_geobox.emulator.http.recording import record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from prefect_geobox.emulator.faults.fault import Fault
    from prefect_geobox.emulator.http.recording import RecordedRequest


class FaultControl:
    """The plan of one emulator, and the signal that ends hanging requests when it stops.

    Attributes:
        plan: Called for each request; None for a server without faults.
    """

    def __init__(self) -> None:
        self.plan: Callable[[RecordedRequest], Fault | None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Prepares it for a server that starts."""
        self._loop, self._stopping = None, asyncio.Event()

    def stop(self) -> None:
        """Ends hanging requests. Called from another thread than the server's."""
        if self._loop is None:
            self._stopping.set()
        else:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def stopping_event(self) -> asyncio.Event:
        """The event that ends hanging requests. Called in the server's thread."""
        self._loop = asyncio.get_running_loop()
        return self._stopping


class FaultMiddleware:
    """ASGI middleware that asks the plan about each request and lets its fault act.

    Args:
        app: The application.
        control: Holds the plan.
    """

    def __init__(self, app: ASGIApp, control: FaultControl) -> None:
        self._app = app
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or lets a fault act on it."""
        stopping = self._control.stopping_event()
        plan, record = self._control.plan, record_of(scope)
        fault = plan(record) if plan is not None and record is not None else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        async with Connection(self._app, scope, receive, send, stopping) as connection:
            if fault.carries_out:
                await connection.answer()
            await fault.act(connection)
