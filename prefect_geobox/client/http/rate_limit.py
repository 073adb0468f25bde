"""How much one host is asked: requests under way at once, and reads of waits a second."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.retry import LONGEST_RETRY_AFTER
from prefect_geobox.client.model.errors import ApiRequestError, GeoboxError, RateLimitError

#: Requests under way at once for one host.
IN_FLIGHT: Final = 8

#: Reads of waits a second for one host, unless a client asks for another number.
DEFAULT_RATE: Final = 20.0

#: Of those, reads of progress.
PROGRESS_RATE: Final = 5.0

#: The rate while a server asks for fewer requests, as a share of the one asked for.
_SLOW_SHARE: Final = 1 / 4

#: Seconds for which a server that asks for fewer requests gets them, if it does not say for how
#: long; and the longest that it can say.
_SLOW_TIME: Final = 5.0
_LONGEST_SLOW_TIME: Final = 60.0

#: By how much longer than its second a window is, as requests bunch up on their way.
_MARGIN: Final = 1.05


class RateLimiter:
    """At most so many requests in any second, fewer once the server asks for that.

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
        """Lowers the rate for good where another client of the host asks for less."""
        self._fastest = min(self._fastest, rate)

    def next_at(self, now: float, *, is_pressing: bool = False) -> float:
        """The moment from which a request may be sent.

        Args:
            now: The moment of the clock.
            is_pressing: Whether it cannot wait until the server wants more again.
        """
        rate = self._fastest if is_pressing else self.rate(now)
        count = max(1, int(rate))
        while len(self._sent) > self._fastest:
            self._sent.popleft()
        if len(self._sent) < count:
            return now
        return max(now, self._sent[-count] + _MARGIN * count / rate)

    def take(self, now: float) -> None:
        """Takes note of a request."""
        self._sent.append(now)

    def slow_down(self, now: float, retry_after: float | None) -> None:
        """Lowers the rate for a while, as long as the server says where it does."""
        seconds = _SLOW_TIME if retry_after is None else min(retry_after, _LONGEST_SLOW_TIME)
        self._slow_until = max(self._slow_until, now + seconds)

    def adapt(self, error: GeoboxError | None, now: float) -> None:
        """Lowers the rate where a request has failed because there were too many."""
        asked_for = error.retry_after if isinstance(error, ApiRequestError) else None
        if asked_for is not None and not 0 < asked_for <= LONGEST_RETRY_AFTER:
            asked_for = None
        if asked_for is not None or isinstance(error, RateLimitError):
            self.slow_down(now, asked_for)

    async def turn(self, clock: Clock) -> None:
        """Waits until one more request is allowed, and takes note of it."""
        while (at := self.next_at(now := clock.monotonic())) > now:
            await clock.sleep(at - now)
        self.take(now)


class HostRateLimits:
    """What all connections of a process to one host share. Lives on the I/O thread.

    Args:
        rate: Reads of waits a second.
    """

    def __init__(self, rate: float) -> None:
        self.in_flight = asyncio.Semaphore(IN_FLIGHT)
        self.limiter = RateLimiter(rate)
        self.progress_limiter = RateLimiter(min(rate, PROGRESS_RATE))
        self.users = 0


_Key = tuple[str, Clock, asyncio.AbstractEventLoop]
_limits: dict[_Key, HostRateLimits] = {}


def join_limits(host: str, rate: float, clock: Clock) -> HostRateLimits:
    """The limits for a host, shared while anybody uses them; the lowest rate asked for counts.

    Args:
        host: Host and port.
        rate: Reads of waits a second.
        clock: By which they are counted.
    """
    limits = _limits.setdefault((host, clock, asyncio.get_running_loop()), HostRateLimits(rate))
    limits.users += 1
    limits.limiter.limit(rate)
    limits.progress_limiter.limit(rate)
    return limits


def leave_limits(limits: HostRateLimits) -> None:
    """Takes note that a connection no longer uses its limits."""
    limits.users -= 1
    if limits.users <= 0:
        for key in [key for key, known in _limits.items() if known is limits]:
            del _limits[key]
