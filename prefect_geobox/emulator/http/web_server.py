"""The web server under an emulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    import socket

#: Seconds between two checks of what still runs while the server stops.
_CHECK_PERIOD: Final = 0.002


class WebServer(uvicorn.Server):
    """A uvicorn server that stops at once.

    uvicorn itself looks ten times a second whether it is to stop, and gives connections a tenth of
    a second to close: most of the time of a test that starts an emulator of its own.

    Args:
        config: As of `uvicorn.Server`.
        stop_seconds: Seconds that requests may take to end once the server stops.
    """

    def __init__(self, config: uvicorn.Config, stop_seconds: float) -> None:
        super().__init__(config)
        self._stop_seconds = stop_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def end(self) -> None:
        """Has the server stop. Called from another thread than the server's."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        """Runs until the server is to stop."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), 0.1)
            except asyncio.TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes all connections, those of requests once these have ended."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        state, loop = self.server_state, asyncio.get_running_loop()
        for connection in list(state.connections):
            connection.shutdown()
        deadline = loop.time() + self._stop_seconds
        while (state.connections or state.tasks) and loop.time() < deadline:  # noqa: ASYNC110 - plain sets
            await asyncio.sleep(_CHECK_PERIOD)
        for task in state.tasks:
            task.cancel()
