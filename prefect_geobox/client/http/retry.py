"""How a read is repeated after a transient failure."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.model.errors import GeoboxError, InvalidArgumentError
from prefect_geobox.client.model.validation import is_number

#: Seconds by which sums of pauses may miss the moment that they were cut to.
ROUNDING: Final = 1e-6

#: A Retry-After beyond this many seconds is taken for nonsense and ignored.
LONGEST_RETRY_AFTER: Final = 3600.0


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
        if not is_number(self.budget) or math.isnan(self.budget) or self.budget < 0:
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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, for those who want to count or show it.

    Attributes:
        error: What went wrong.
        failures: Failures in a row, this one included.
        failing_for: Seconds since the first attempt of that row began.
    """

    error: GeoboxError
    failures: int
    failing_for: float


async def retry_read(
    attempt: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    clock: Clock,
    *,
    deadline: float | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> T:
    """Calls `attempt` until it succeeds, fails for good, or the policy or the deadline ends it.

    Args:
        attempt: Makes one attempt; raises `GeoboxError` with `transient` set where another one
            may succeed.
        policy: Backoff and budget.
        clock: Measures the budget and sleeps.
        deadline: A moment of the clock: the last attempt begins then, at the latest, and the pause
            before it is cut to that end.
        on_failure: Told of each failure that another attempt follows.

    Raises:
        GeoboxError: The last failure.
    """
    began = started = clock.monotonic()
    first: GeoboxError | None = None
    try:
        # Most reads succeed at once, and there are many: they do without the machinery below.
        return await attempt()
    except GeoboxError as error:
        if not error.transient:
            raise
        first = error

    async def timed_attempt() -> T:
        nonlocal started, first
        if first is not None:
            error, first = first, None
            raise error
        started = clock.monotonic()
        return await attempt()

    def is_transient(error: BaseException) -> bool:
        return isinstance(error, GeoboxError) and error.transient

    def stop(state: RetryCallState) -> bool:
        # An attempt that began before the deadline is followed by a last one at the deadline.
        if deadline is not None and started >= deadline - ROUNDING:
            return True
        return policy.is_exhausted(state.attempt_number, clock.monotonic() - began)

    def error_of(state: RetryCallState) -> GeoboxError:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, GeoboxError)  # noqa: S101 - no other error is retried
        return error

    def pause(state: RetryCallState) -> float:
        now = clock.monotonic()
        seconds = policy.pause(state.attempt_number, now - began, error_of(state).retry_after)
        return seconds if deadline is None else min(seconds, max(0.0, deadline - now))

    def report(state: RetryCallState) -> None:
        if on_failure:
            failing_for = clock.monotonic() - began
            on_failure(Failure(error_of(state), state.attempt_number, failing_for))

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        stop=stop,
        wait=pause,
        before_sleep=report,
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
    return await retrying(timed_attempt)
