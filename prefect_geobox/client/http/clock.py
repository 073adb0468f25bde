"""The source of time, which tests can replace."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock and a way to sleep on it."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds that never decrease and do not depend on the wall clock."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Sleeps for a number of seconds of this clock."""


@dataclass(frozen=True)
class SystemClock:
    """The machine's monotonic clock and asyncio's sleep."""

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps without blocking the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
