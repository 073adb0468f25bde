"""Deadlines of waits within one request that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prefect_geobox.client.polling.subscription import Subscription


class SharedReadDeadlines:
    """Detaches waits from a shared read as their deadlines pass.

    Args:
        subscriptions: The waits that share the read.
        began: When it began.
        detach: Called with each wait whose deadline passes, and the request for messages.
    """

    def __init__(
        self,
        subscriptions: list[Subscription],
        began: float,
        detach: Callable[[Subscription, str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._detach = detach
        self._detached: set[Subscription] = set()
        self._timer: asyncio.TimerHandle | None = None
        start = loop.time()
        self._ends = sorted(
            (
                (start + seconds, number, subscription)
                for number, subscription in enumerate(subscriptions)
                if (seconds := subscription.seconds_left(began)) is not None
            ),
            reverse=True,
        )
        self._set()

    def holds(self, subscription: Subscription) -> bool:
        """Whether a wait still shares the read."""
        return subscription not in self._detached

    def close(self) -> None:
        """Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self) -> None:
        if self._ends:
            self._timer = asyncio.get_running_loop().call_at(self._ends[-1][0], self._detach_late)

    def _detach_late(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._ends and self._ends[-1][0] <= now + 0.005:
            subscription = self._ends.pop()[2]
            self._detached.add(subscription)
            self._detach(subscription, "GET tasks/")
        self._set()
