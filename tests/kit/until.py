"""Waiting for a condition, with a limit that only catches a hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds that only a hang lasts: far beyond `HANGING`, for what a test expects to be cut short.
FOREVER = 3600.0

#: Seconds after which a test counts as hanging, on the slowest machine.
HANGING = 180.0


def until(read: Callable[[], Any], seconds: float = HANGING, pause: float = 0.05) -> Any:
    """Reads until something true is found; None where it is not found in that time."""
    deadline = time.monotonic() + seconds
    while not (found := read()):
        if time.monotonic() > deadline:
            return None
        time.sleep(pause)
    return found


async def until_async(condition: Callable[[], bool]) -> None:
    """Lets other coroutines run until something holds, and fails if it never does."""
    deadline = time.monotonic() + HANGING
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.005)


async def in_time(work: Awaitable[T]) -> T:
    """The result of an awaitable; fails where it hangs, even if it ignores its cancellation."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=HANGING)
    assert done, "it hangs"
    return task.result()
