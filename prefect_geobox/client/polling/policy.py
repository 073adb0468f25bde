"""The options and policies of a wait: its schedule, its deadline and what it does at its end.

The policies are frozen values that compute pauses. They do no I/O and read no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from typing_extensions import TypedDict, Unpack

from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.options import complete_options, flat_signature
from prefect_geobox.client.model.plain_values import plain_number
from prefect_geobox.client.model.validation import positive_seconds, seconds_or_none

#: What to do with the remote task when a wait is cancelled or its timeout ends.
Action = Literal["abort", "leave"]


class WaitOptions(TypedDict, total=False):
    """How to wait for a remote task.

    Attributes:
        timeout: Seconds from the call until the wait ends; None for no limit, 0 for a single poll.
        interval: The shortest pause between polls, in seconds; above 0.
        max_interval: The longest pause, in seconds; above 0.
        outage: Seconds of unbroken failure that are tolerated.
        retry: Instead of `outage`: the number of attempts that may fail in a row.
        progress_bar: Whether to read the progress too, and show it: as a bar in a terminal, as an
            artifact of a flow run.
        on_cancel: "abort" or "leave" the remote task when the wait is cancelled.
        on_timeout: "abort" or "leave" it when the timeout ends.
    """

    timeout: float | None
    interval: float
    max_interval: float
    outage: float
    retry: int | None
    progress_bar: bool
    on_cancel: Action
    on_timeout: Action


#: The defaults of a wait. A step that has started its remote task itself aborts it on a timeout.
WAIT_DEFAULTS: Final[WaitOptions] = {
    "timeout": None,
    "interval": 1.0,
    "max_interval": 30.0,
    "outage": 300.0,
    "retry": None,
    "progress_bar": True,
    "on_cancel": "abort",
    "on_timeout": "leave",
}

#: Tolerates five minutes without contact.
_OUTAGE_RETRY: Final = RetryPolicy(budget=300.0)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """When a wait polls its remote task again.

    The next poll is due after `max(interval, growth * waited)` seconds, at most `max_interval`,
    spread by `jitter` so that waits that began together drift apart. Where the progress of the
    remote task is known, its estimated end pulls the poll forward, but never below `interval`.

    Attributes:
        interval: Seconds before the second poll; above 0.
        max_interval: The longest pause in seconds; above 0. It wins over `interval`.
        growth: The pause as a share of the time waited so far; 0 or more.
        jitter: How far a pause is spread to both sides, as a share of it; 0 to 1.
        slack: By what share of its pause a poll may be pulled forward to share a request with
            others; 0 to 1. No poll is ever put off for that.

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
        """Seconds until the next poll.

        Args:
            waited: Seconds since the wait began.
            remaining: Seconds until the expected end of the remote task, if known.
            roll: A random number from 0 to 1 that places the poll within the jitter.
        """
        pause = max(self.interval, self.growth * waited)
        if remaining is not None and remaining < pause:
            # A little before the expected end, and once more, is better than after it.
            pause = max(self.interval, remaining * (1 - self.jitter * roll))
        else:
            pause *= 1 + self.jitter * (2 * roll - 1)
        return min(pause, self.max_interval)


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """The options of a wait in their checked form, made before the first request.

    Attributes:
        timeout: Seconds until the wait ends; None for no limit, 0 for a single poll.
        poll: When to poll again.
        retry: How long an outage is tolerated.
        on_cancel: What to do with the remote task when the wait is cancelled.
        on_timeout: What to do with it when the timeout ends.
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
    @flat_signature(WaitOptions, WAIT_DEFAULTS)
    def of(**options: Unpack[WaitOptions]) -> WaitPolicy:
        """Builds the policy from the options of a public method.

        Args:
            **options: As in `WaitOptions`; `progress_bar` is not part of the policy.

        Raises:
            InvalidArgumentError: An option is invalid; the message names it.
            TypeError: There is no such option.
        """
        complete = complete_options(WAIT_DEFAULTS, options)
        del complete["progress_bar"]
        complete = {name: plain_number(value) for name, value in complete.items()}
        try:
            return _policy(**complete)
        except TypeError:
            # An option that cannot be hashed is invalid; its own check says so.
            return _policy.__wrapped__(**complete)


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
