"""When to look again: the poll schedule of a wait, and the backoff after a failure.

Both are frozen values with their own arithmetic. They do no I/O and read no clock.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from prefect_geobox.client.errors import InvalidArgumentError

#: What to do with the remote task when a wait is cancelled or runs out of time.
Action = Literal["abort", "leave"]

#: Seconds by which sums of pauses may miss the moment that they were cut to.
ROUNDING: Final = 1e-6

#: A Retry-After beyond this many seconds is taken for nonsense and ignored.
LONGEST_RETRY_AFTER: Final = 3600.0


def seconds_or_none(field: str, value: float | None) -> None:
    """Refuses what is neither None nor a number of seconds from 0 on."""
    if value is None:
        return
    if not _is_number(value) or math.isnan(value) or value < 0:
        raise InvalidArgumentError(
            f"{field} must be None or a number of seconds, 0 or more; got {value!r}"
        )


def positive_seconds(field: str, value: float) -> None:
    """Refuses what is no finite number of seconds above 0."""
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        raise InvalidArgumentError(f"{field} must be a number of seconds above 0; got {value!r}")


def positive_rate(field: str, value: float) -> None:
    """Refuses what is no finite number above 0."""
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        raise InvalidArgumentError(f"{field} must be a number above 0; got {value!r}")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # No float can hold a whole number beyond that.
    return isinstance(value, float) or abs(value) <= sys.float_info.max


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """When a wait looks at its remote task again.

    The next look comes after `max(interval, growth * waited)` seconds, at most `max_interval`,
    spread by `jitter` so that waits that began together drift apart. Where the progress of the
    remote task is known, its estimated end pulls the look in, but never below `interval`.

    Attributes:
        interval: Seconds before the second look; above 0.
        max_interval: The longest pause in seconds; above 0. It wins over `interval`.
        growth: The pause as a share of the time waited so far; 0 or more.
        jitter: How far a pause is spread to both sides, as a share of it; 0 to 1.
        slack: By what share of its pause a look may be pulled forward to share a request with
            others; 0 to 1. No look is ever put off for that.

    Example:
        >>> PollPolicy(jitter=0).delay(waited=120.0)
        12.0
    """

    interval: float = 1.0
    max_interval: float = 30.0
    growth: float = 0.1
    jitter: float = 0.1
    slack: float = 0.25

    def __post_init__(self) -> None:
        positive_seconds("interval", self.interval)
        positive_seconds("max_interval", self.max_interval)

    def delay(self, waited: float, *, remaining: float | None = None, roll: float = 0.5) -> float:
        """Seconds until the next look.

        Args:
            waited: Seconds since the wait began.
            remaining: Seconds that the remote task is expected to need still, if known.
            roll: A random number from 0 to 1 that places the look within the jitter.
        """
        pause = max(self.interval, self.growth * waited)
        if remaining is not None and remaining < pause:
            # Rather a little before the expected end, and once more, than behind it.
            pause = max(self.interval, remaining * (1 - self.jitter * roll))
        else:
            pause *= 1 + self.jitter * (2 * roll - 1)
        return min(pause, self.max_interval)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a read that failed for a passing reason is repeated.

    The n-th pause is `initial * 2 ** (n - 1)` seconds, at most `maximum`, of which a random part,
    up to half, is taken off; a longer Retry-After of the server replaces it. The budget counts
    unbroken failure only and starts anew with every success.

    Attributes:
        initial: The first pause in seconds.
        maximum: The longest pause in seconds.
        budget: Seconds of unbroken failure after which the read gives up; may be infinite.
        attempts: Where given, the number of attempts that replaces the budget; 1 or more.
    """

    initial: float = 0.25
    maximum: float = 5.0
    budget: float = 30.0
    attempts: int | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None and (
            isinstance(self.attempts, bool)
            or not isinstance(self.attempts, int)
            or self.attempts < 1
        ):
            raise InvalidArgumentError(
                f"retry must be a whole number of attempts, 1 or more, or None; got "
                f"{self.attempts!r}"
            )
        if not _is_number(self.budget) or math.isnan(self.budget) or self.budget < 0:
            raise InvalidArgumentError(
                f"outage must be a number of seconds, 0 or more; got {self.budget!r}"
            )

    def delay(self, failures: int, retry_after: float | None = None, roll: float = 1.0) -> float:
        """Seconds before the attempt that follows `failures` failures in a row.

        Args:
            failures: Failures in a row so far; 1 or more.
            retry_after: What the server asked for, if it did.
            roll: A random number from 0 to 1; 1 takes nothing off.
        """
        # The exponent is bounded: a long outage must not end in an overflow.
        growth = 2.0 ** min(failures - 1, 30)
        pause = min(self.maximum, self.initial * growth) * (0.5 + roll / 2)
        if retry_after is not None and 0 <= retry_after <= LONGEST_RETRY_AFTER:
            return max(pause, retry_after)
        return pause

    def pause(self, failures: int, failing_for: float, retry_after: float | None) -> float:
        """The jittered delay, cut so that a last attempt is made just as the budget ends."""
        pause = self.delay(failures, retry_after, random.random())  # noqa: S311
        return pause if self.attempts else min(pause, max(0.0, self.budget - failing_for))

    def is_exhausted(self, failures: int, failing_for: float) -> bool:
        """Whether to give up after so many failures in a row over so many seconds."""
        if self.attempts:
            return failures >= self.attempts
        return failing_for >= self.budget - ROUNDING


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """All that a wait may be told, checked before the first request.

    Attributes:
        timeout: Seconds until the wait gives up; None for no limit, 0 for a single look.
        poll: When to look again.
        retry: How long an outage is borne.
        on_cancel: What becomes of the remote task when the wait is cancelled.
        on_timeout: What becomes of it when the time is up.
    """

    timeout: float | None = None
    poll: PollPolicy = PollPolicy()
    retry: RetryPolicy = RetryPolicy(budget=300.0)
    on_cancel: Action = "abort"
    on_timeout: Action = "leave"

    def __post_init__(self) -> None:
        seconds_or_none("timeout", self.timeout)
        for field in ("on_cancel", "on_timeout"):
            value = getattr(self, field)
            if value not in ("abort", "leave"):
                raise InvalidArgumentError(f'{field} must be "abort" or "leave"; got {value!r}')

    @staticmethod
    def of(
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        on_cancel: Action = "abort",
        on_timeout: Action = "leave",
    ) -> WaitPolicy:
        """Builds the policy from the options of the public verbs.

        Raises:
            InvalidArgumentError: An option makes no sense; the message names it.
        """
        options = (timeout, interval, max_interval, outage, retry, on_cancel, on_timeout)
        try:
            return _policy(*options)
        except TypeError:
            # Something that cannot be hashed, and that is refused for what it is.
            return _policy.__wrapped__(*options)


@lru_cache(maxsize=256, typed=True)
def _policy(
    timeout: float | None,
    interval: float,
    max_interval: float,
    outage: float,
    retry: int | None,
    on_cancel: Action,
    on_timeout: Action,
) -> WaitPolicy:
    # Thousands of waits with the same options share one policy.
    return WaitPolicy(
        timeout=timeout,
        poll=PollPolicy(interval=interval, max_interval=max_interval),
        retry=RetryPolicy(budget=outage, attempts=retry),
        on_cancel=on_cancel,
        on_timeout=on_timeout,
    )
