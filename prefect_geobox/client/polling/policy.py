"""How a wait polls: its schedule, its deadline and what it does at its end.

The policies are frozen values with their own arithmetic. They do no I/O and read no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from typing_extensions import TypedDict

from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.validation import positive_seconds, seconds_or_none

#: What to do with the remote task when a wait is cancelled or runs out of time.
Action = Literal["abort", "leave"]


class WaitOptions(TypedDict, total=False):
    """How to wait for remote tasks.

    Attributes:
        timeout: Seconds from now until the wait ends; None, the default, for no limit.
        interval: The shortest pause between polls, in seconds; above 0; 1 by default.
        max_interval: The longest pause, in seconds; above 0; 30 by default.
        outage: Seconds of unbroken failure that are tolerated; 300 by default.
        retry: Instead of `outage`: the number of attempts that may fail in a row.
        progress_bar: Whether to read the progress too and show it; True by default.
        on_cancel: "abort", the default, or "leave" the remote task when the wait is cancelled.
        on_timeout: "abort" or "leave" the remote task when the time is up. By default the one that
            an operation has started is aborted, and one that is only waited for is left.
    """

    timeout: float | None
    interval: float
    max_interval: float
    outage: float
    retry: int | None
    progress_bar: bool
    on_cancel: Action
    on_timeout: Action


#: Tolerates five minutes without contact.
_OUTAGE_RETRY: Final = RetryPolicy(budget=300.0)


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
    retry: RetryPolicy = _OUTAGE_RETRY
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
