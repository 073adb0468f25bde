"""Reads the progress of remote tasks, as far as the limits of the host leave room for that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from prefect_geobox.client.http.rate_limit import HostRateLimits
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.tasks import TaskProgress
from prefect_geobox.client.polling.subscription import Subscription

#: Waits up to which the progress is read. With more, at five requests a second, each progress would
#: be a minute old when it is shown.
_MAX_WAITS: Final = 100


class ProgressReader:
    """Reads the progress for waits that want it. A failure never harms the wait.

    Args:
        transport: The connection.
        limits: The rate limits of the host.
        waits: Returns how many waits there are now.
    """

    def __init__(
        self, transport: Transport, limits: HostRateLimits, waits: Callable[[], int]
    ) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._limits = limits
        self._waits = waits

    def is_possible(self, now: float) -> bool:
        """Whether there are few enough waits, and the limits allow one more request."""
        return (
            self._waits() <= _MAX_WAITS
            and self._limits.progress_limiter.next_at(now) <= now
            and self._limits.limiter.next_at(now) <= now
        )

    async def read(self, subscription: Subscription, now: float) -> None:
        """Reads the progress of one remote task and records it, unless the wait ends meanwhile."""
        self._limits.progress_limiter.take(now)
        self._limits.limiter.take(now)
        seconds = subscription.begin_progress_read(now)
        progress: TaskProgress | None = None
        with contextlib.suppress(Exception):
            progress = await self._transport.attempt_json(
                "GET",
                f"tasks/{subscription.uuid}/status/",
                TaskProgress.from_payload,
                within=seconds,
            )
        subscription.is_reading = False
        if not subscription.is_over:
            subscription.record_progress(progress, self._clock.monotonic())
