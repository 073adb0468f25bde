"""Waiting for a condition, with a limit that only catches a hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

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
