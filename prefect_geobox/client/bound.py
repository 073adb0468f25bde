"""Deadlines within a request that many waits share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prefect_geobox.client.watch import Watch


class Bound:
    """Ends the parts of waits in a read that their deadlines do not allow to last longer.

    Args:
        watches: Those that have a part in it.
        began: When it began.
        detach: Ends the part of one.
    """

    def __init__(
        self, watches: list[Watch], began: float, detach: Callable[[Watch, str], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._detach = detach
        self._gone: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None
        start = loop.time()
        self._ends = sorted(
            (
                (start + within, number, watch)
                for number, watch in enumerate(watches)
                if (within := watch.within(began)) is not None
            ),
            reverse=True,
        )
        self._set()

    def holds(self, watch: Watch) -> bool:
        """Whether a wait still has a part in it."""
        return watch not in self._gone

    def close(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self) -> None:
        if self._ends:
            self._timer = asyncio.get_running_loop().call_at(self._ends[-1][0], self._end)

    def _end(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._ends and self._ends[-1][0] <= now + 0.005:
            watch = self._ends.pop()[2]
            self._gone.add(watch)
            self._detach(watch, "GET tasks/")
        self._set()
