"""Clocks that code or tests move, so that hours of waiting take no time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Real seconds before a clock leaps, in which event loops and threads do what is due.
_BEFORE_A_LEAP = 0.001


class FakeClock:
    """A clock that moves only when code sleeps on it, or when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Its time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Moves its time and lets others run."""
        self.slept.append(seconds)
        if len(self.slept) > 20_000:
            raise AssertionError("somebody sleeps for ever on this clock")
        # No sleep takes no time at all; a rounding error must not stop the clock.
        self.now += max(1e-6, seconds)
        await asyncio.sleep(0)


class HookClock(FakeClock):
    """A fake clock that does something before each sleep."""

    def __init__(self, hook: Callable[[int], None]) -> None:
        super().__init__()
        self._hook = hook

    async def sleep(self, seconds: float) -> None:
        """Calls the hook with the number of the sleep, from 1, and moves the time."""
        self._hook(len(self.slept) + 1)
        await super().sleep(seconds)


class LeapingClock:
    """A clock that leaps to the next moment that somebody sleeps until.

    Those who sleep on it side by side wake in the order of their moments. Before each leap all
    event loops have a little real time to do what is due.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self._moments: list[float] = []
        self._holds: list[None] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps it from leaping while what a test begins is on its way to another thread."""
        self._holds.append(None)
        try:
            yield
        finally:
            self._holds.pop()

    def monotonic(self) -> float:
        """Its time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleeps until all who sleep until an earlier moment have gone on."""
        moment = self.now + max(1e-6, seconds)
        self._moments.append(moment)
        try:
            while self.now < moment:
                await asyncio.sleep(_BEFORE_A_LEAP)
                if not self._holds and moment <= min(self._moments):
                    self.now = max(self.now, moment)
        finally:
            self._moments.remove(moment)


class ShiftedClock:
    """The real monotonic clock, a time ahead that a test sets.

    Attributes:
        ahead: How many seconds.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        """The real time and what the clock is ahead."""
        return time.monotonic() + self.ahead
