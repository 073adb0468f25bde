"""A lock that many may hold together, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedLock:
    """Held by any number of holders together, or by one alone. Lives on one event loop.

    Who wants it alone comes before those that want to share it later.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._sharing = 0
        self._is_alone = False
        self._waiting_alone = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Holds it together with others."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_alone and not self._waiting_alone)
            self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1
            await self._notify()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Holds it alone."""
        async with self._changed:
            self._waiting_alone += 1
            try:
                await self._changed.wait_for(lambda: not self._is_alone and not self._sharing)
            finally:
                self._waiting_alone -= 1
                self._changed.notify_all()
            self._is_alone = True
        try:
            yield
        finally:
            self._is_alone = False
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
