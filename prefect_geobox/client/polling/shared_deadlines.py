"""Deadlines within a request that many waits share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prefect_geobox.client.polling.subscription import Subscription


class SharedReadDeadlines:
    """Ends the parts of waits in a read that their deadlines do not allow to last longer.

    Args:
        subscriptions: Those that have a part in it.
        began: When it began.
        detach: Ends the part of one.
    """

    def __init__(
        self,
        subscriptions: list[Subscription],
        began: float,
        detach: Callable[[Subscription, str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._detach = detach
        self._gone: set[Subscription] = set()
        self._timer: asyncio.TimerHandle | None = None
        start = loop.time()
        self._ends = sorted(
            (
                (start + within, number, subscription)
                for number, subscription in enumerate(subscriptions)
                if (within := subscription.within(began)) is not None
            ),
            reverse=True,
        )
        self._set()

    def holds(self, subscription: Subscription) -> bool:
        """Whether a wait still has a part in it."""
        return subscription not in self._gone

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
            subscription = self._ends.pop()[2]
            self._gone.add(subscription)
            self._detach(subscription, "GET tasks/")
        self._set()
