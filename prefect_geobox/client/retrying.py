"""The one retry layer: how a read is repeated after a passing failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from prefect_geobox.client.clock import Clock
from prefect_geobox.client.errors import GeoboxError
from prefect_geobox.client.policy import ROUNDING, RetryPolicy

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
