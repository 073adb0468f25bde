"""Limits on the requests to one host: how many at once, and how many polls a second."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.retry import LONGEST_RETRY_AFTER
from prefect_geobox.client.model.errors import ApiRequestError, GeoboxError, RateLimitError

#: Requests in flight at once to one host.
IN_FLIGHT: Final = 8

#: Polls a second to one host, unless a client sets another rate.
DEFAULT_RATE: Final = 20.0

#: Of those, reads of the progress.
PROGRESS_RATE: Final = 5.0

#: The rate after a server has asked for fewer requests, as a share of the rate that is set.
_SLOW_SHARE: Final = 1 / 4

#: Seconds of the lower rate where the server names no time, and the longest time that it can name.
_SLOW_TIME: Final = 5.0
_LONGEST_SLOW_TIME: Final = 60.0

#: The window of the rate in seconds: longer than one, as requests bunch up on their way.
_MARGIN: Final = 1.05


class RateLimiter:
    """Limits the requests in any second, further once the server asks for fewer.

    Args:
        rate: Requests a second; above 0.
    """

    def __init__(self, rate: float) -> None:
        self._fastest = rate
        self._sent: deque[float] = deque()
        self._slow_until = float("-inf")

    def rate(self, now: float) -> float:
        """Requests a second at a moment of the clock."""
        return self._fastest * (_SLOW_SHARE if now < self._slow_until else 1)

    def limit(self, rate: float) -> None:
        """Lowers the rate for good where another client of the host has set a lower one."""
        self._fastest = min(self._fastest, rate)

    def next_at(self, now: float, *, is_urgent: bool = False) -> float:
        """The moment from which a request may be sent.

        Args:
            now: The moment of the clock.
            is_urgent: Whether it is sent at the full rate although the server asks for fewer.
        """
        rate = self._fastest if is_urgent else self.rate(now)
        count = max(1, int(rate))
        while len(self._sent) > self._fastest:
            self._sent.popleft()
        if len(self._sent) < count:
            return now
        return max(now, self._sent[-count] + _MARGIN * count / rate)

    def take(self, now: float) -> None:
        """Records a request."""
        self._sent.append(now)

    def slow_down(self, now: float, retry_after: float | None) -> None:
        """Lowers the rate for a while: for `retry_after` seconds where the server names a time."""
        seconds = _SLOW_TIME if retry_after is None else min(retry_after, _LONGEST_SLOW_TIME)
        self._slow_until = max(self._slow_until, now + seconds)

    def adapt(self, error: GeoboxError | None, now: float) -> None:
        """Lowers the rate where a request has failed because there were too many requests."""
        retry_after = error.retry_after if isinstance(error, ApiRequestError) else None
        if retry_after is not None and not 0 < retry_after <= LONGEST_RETRY_AFTER:
            retry_after = None
        if retry_after is not None or isinstance(error, RateLimitError):
            self.slow_down(now, retry_after)

    async def turn(self, clock: Clock) -> None:
        """Waits until one more request is allowed, and records it."""
        while (at := self.next_at(now := clock.monotonic())) > now:
            await clock.sleep(at - now)
        self.take(now)


class HostRateLimits:
    """The limits that all connections of a process to one host share. Lives on the I/O thread.

    Args:
        rate: Polls a second.
    """

    def __init__(self, rate: float) -> None:
        self.in_flight = asyncio.Semaphore(IN_FLIGHT)
        self.limiter = RateLimiter(rate)
        self.progress_limiter = RateLimiter(min(rate, PROGRESS_RATE))
        self.users = 0


_Key = tuple[str, Clock, asyncio.AbstractEventLoop]
_limits: dict[_Key, HostRateLimits] = {}


def join_limits(host: str, rate: float, clock: Clock) -> HostRateLimits:
    """The limits for a host, shared by all that use it; the lowest rate that is set counts.

    Args:
        host: Host and port.
        rate: Polls a second.
        clock: Measures the rate.
    """
    limits = _limits.setdefault((host, clock, asyncio.get_running_loop()), HostRateLimits(rate))
    limits.users += 1
    limits.limiter.limit(rate)
    limits.progress_limiter.limit(rate)
    return limits


def leave_limits(limits: HostRateLimits) -> None:
    """Records that a connection no longer uses its limits."""
    limits.users -= 1
    if limits.users <= 0:
        for key in [key for key, known in _limits.items() if known is limits]:
            del _limits[key]
