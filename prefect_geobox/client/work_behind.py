"""Does on the I/O thread, a moment later, what callers leave there and do not wait for.

Such as the events and summaries of steps: what steps that end close together leave is done in one
go. The end of a flow run waits for what is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final

from prefect_geobox.client.http.io_thread import io_thread

logger = logging.getLogger(__name__)

#: Seconds until work that was left is done.
_PAUSE: Final = 0.02

Work = Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class _Left:
    work: Work
    context: Context
    is_possible_at_exit: bool


class WorkBehind:
    """Work that is still to be done, in the order in which it was left."""

    def __init__(self) -> None:
        self._left: deque[_Left] = deque()
        self._is_scheduled = False
        self._doing: asyncio.Task[None] | None = None

    def leave(self, work: Work, *, is_possible_at_exit: bool = True) -> None:
        """Leaves work to be done in a moment, in the context of the calling code.

        Args:
            work: Does it. A failure is logged.
            is_possible_at_exit: Whether it can still be done while the process ends.
        """
        self._left.append(_Left(work, copy_context(), is_possible_at_exit))
        # Set after work was added and unset before any is taken: none is overlooked.
        if not self._is_scheduled:
            self._is_scheduled = True
            io_thread().loop.call_soon_threadsafe(self._schedule)

    async def flush(self, *, is_exit: bool = False) -> None:
        """Does all work that is left, and waits for what is being done. Runs on the I/O thread.

        Args:
            is_exit: Whether the process ends.
        """
        doing = self._doing
        if doing is not None and doing.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([doing])
        await self._do(is_exit=is_exit)

    async def _do(self, *, is_exit: bool = False) -> None:
        self._is_scheduled = False
        while self._left:
            left = self._left.popleft()
            if left.is_possible_at_exit or not is_exit:
                await left.context.run(asyncio.ensure_future, _done(left.work))

    def clear(self) -> None:
        """Forgets all work, in the child of a fork: it is the parent's."""
        self._left.clear()
        self._is_scheduled, self._doing = False, None

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_later(_PAUSE, self._begin)

    def _begin(self) -> None:
        # The event loop keeps only a weak reference to its tasks. One that goes on takes this too.
        if self._doing is None or self._doing.done():
            self._doing = asyncio.get_running_loop().create_task(self._do())


async def _done(work: Work) -> None:
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        logger.warning("Work left behind has failed: %s: %s", type(error).__name__, error)


#: That of this process.
work_behind: Final = WorkBehind()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=work_behind.clear)
