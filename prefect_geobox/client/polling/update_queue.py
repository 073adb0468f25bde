"""What a wait tells an event loop that is not the one on which it is watched."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable

from prefect_geobox.client.polling.subscription import WaitUpdate


class UpdateQueue:
    """Updates of a wait, in the order in which they came. Lives on the caller's event loop.

    It is no queue of asyncio's: one that is destroyed with its coroutine needs an open event loop.

    Args:
        ended: Done once nothing more comes.
    """

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self._ended = ended
        self._updates: deque[WaitUpdate] = deque()
        self._is_there = asyncio.Event()
        ended.add_done_callback(lambda _: self._is_there.set())

    def put(self, update: WaitUpdate) -> None:
        """Takes an update."""
        self._updates.append(update)
        self._is_there.set()

    async def pass_on(self, listener: Callable[[WaitUpdate], Awaitable[None] | None]) -> None:
        """Hands all updates to a listener, until nothing more comes."""
        while self._updates or not self._ended.done():
            if not self._updates:
                self._is_there.clear()
                await self._is_there.wait()
                continue
            shown = listener(self._updates.popleft())
            if inspect.isawaitable(shown):
                await shown
