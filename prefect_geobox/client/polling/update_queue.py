"""Passes the updates of a wait from the I/O thread to the event loop of the caller."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable

from prefect_geobox.client.polling.subscription import WaitUpdate


class UpdateQueue:
    """Updates of a wait, in the order of their arrival. Lives on the caller's event loop.

    Not an `asyncio.Queue`: that needs an open event loop where it is destroyed with its coroutine.

    Args:
        ended: Done once no more updates come.
    """

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self._ended = ended
        self._updates: deque[WaitUpdate] = deque()
        self._changed = asyncio.Event()
        ended.add_done_callback(lambda _: self._changed.set())

    def put(self, update: WaitUpdate) -> None:
        """Adds an update."""
        self._updates.append(update)
        self._changed.set()

    async def pass_on(self, listener: Callable[[WaitUpdate], Awaitable[None] | None]) -> None:
        """Calls a listener with all updates, until no more come."""
        while self._updates or not self._ended.done():
            if not self._updates:
                self._changed.clear()
                await self._changed.wait()
                continue
            result = listener(self._updates.popleft())
            if inspect.isawaitable(result):
                await result
