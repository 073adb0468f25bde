"""The repetition of reads after transient failures."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.model.errors import GeoboxError, InvalidArgumentError
from prefect_geobox.client.model.validation import is_number

#: Tolerance, in seconds, for the rounding of sums of pauses that were cut to a moment.
ROUNDING: Final = 1e-6

#: A Retry-After of more seconds than this is ignored as implausible.
LONGEST_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Backoff and budget of a read that failed for a passing reason.

    The n-th pause is `initial * 2 ** (n - 1)` seconds, at most `maximum`, minus a random part of up
    to half of it; a longer Retry-After of the server replaces it. The budget counts unbroken
    failure only: every success resets it.

    Attributes:
        initial: The first pause in seconds.
        maximum: The longest pause in seconds.
        budget: Seconds of unbroken failure after which the read fails; may be infinite.
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
        if not is_number(self.budget) or math.isnan(self.budget) or self.budget < 0:
            raise InvalidArgumentError(
                f"outage must be a number of seconds, 0 or more; got {self.budget!r}"
            )

    def delay(self, failures: int, retry_after: float | None = None, roll: float = 1.0) -> float:
        """Seconds before the attempt that follows `failures` failures in a row.

        Args:
            failures: Failures in a row so far; 1 or more.
            retry_after: Seconds of the server's Retry-After, if it sent one.
            roll: A random number from 0 to 1; with 1 the pause is the longest.
        """
        # The exponent is bounded: a long outage must not end in an overflow.
        growth = 2.0 ** min(failures - 1, 30)
        pause = min(self.maximum, self.initial * growth) * (0.5 + roll / 2)
        if retry_after is not None and 0 <= retry_after <= LONGEST_RETRY_AFTER:
            return max(pause, retry_after)
        return pause

    def pause(self, failures: int, failing_for: float, retry_after: float | None) -> float:
        """The delay with jitter, cut so that a last attempt is made just as the budget ends."""
        pause = self.delay(failures, retry_after, random.random())  # noqa: S311
        return pause if self.attempts else min(pause, max(0.0, self.budget - failing_for))

    def is_exhausted(self, failures: int, failing_for: float) -> bool:
        """Whether these failures in a row, over these seconds, exceed the policy."""
        if self.attempts:
            return failures >= self.attempts
        return failing_for >= self.budget - ROUNDING


T = TypeVar("T")


class _Timeline:
    """When a read and its latest attempt began, by the clock of the connection.

    Args:
        clock: Measures.
        deadline: A moment of the clock at which the last attempt begins at the latest, if any.
    """

    def __init__(self, clock: Clock, deadline: float | None) -> None:
        self.clock = clock
        self.deadline = deadline
        self.began = self.attempt_began = clock.monotonic()


class _RetryTransient(retry_base):
    """Repeats what failed for a passing reason."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        return isinstance(error, GeoboxError) and error.transient


class _WaitWithBackoff(wait_base):
    """Pauses as the policy says; the pause before the last attempt ends at the deadline."""

    def __init__(self, policy: RetryPolicy, timeline: _Timeline) -> None:
        self._policy = policy
        self._timeline = timeline

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        retry_after = error.retry_after if isinstance(error, GeoboxError) else None
        now, deadline = self._timeline.clock.monotonic(), self._timeline.deadline
        failing_for = now - self._timeline.began
        seconds = self._policy.pause(retry_state.attempt_number, failing_for, retry_after)
        return seconds if deadline is None else min(seconds, max(0.0, deadline - now))


class _StopWhenExhausted(stop_base):
    """Ends with the policy, or with the attempt that began at the deadline."""

    def __init__(self, policy: RetryPolicy, timeline: _Timeline) -> None:
        self._policy = policy
        self._timeline = timeline

    def __call__(self, retry_state: RetryCallState) -> bool:
        timeline = self._timeline
        # An attempt that began before the deadline is followed by a last one at the deadline.
        if timeline.deadline is not None and timeline.attempt_began >= timeline.deadline - ROUNDING:
            return True
        failing_for = timeline.clock.monotonic() - timeline.began
        return self._policy.is_exhausted(retry_state.attempt_number, failing_for)


async def retry_read(
    attempt: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    clock: Clock,
    *,
    deadline: float | None = None,
) -> T:
    """Calls `attempt` until it succeeds, fails for good, or the policy or the deadline ends it.

    Args:
        attempt: Makes one attempt; raises `GeoboxError` with `transient` set where another one
            may succeed.
        policy: Backoff and budget.
        clock: Measures the budget and sleeps.
        deadline: A moment of the clock: the last attempt begins then, at the latest, and the pause
            before it is cut to that end.

    Raises:
        GeoboxError: The last failure.
    """
    timeline = _Timeline(clock, deadline)

    async def timed_attempt() -> T:
        timeline.attempt_began = clock.monotonic()
        return await attempt()

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        stop=_StopWhenExhausted(policy, timeline),
        wait=_WaitWithBackoff(policy, timeline),
        retry=_RetryTransient(),
        reraise=True,
    )
    return await retrying(timed_attempt)
