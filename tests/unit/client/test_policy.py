"""The poll schedule and the backoff, as arithmetic."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from prefect_geobox.client import RetryPolicy
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.polling.policy import PollPolicy, WaitPolicy

SCHEDULE = [(0, 1), (5, 1), (10, 1), (20, 2), (120, 12), (299, 29.9), (300, 30), (1e6, 30)]


@pytest.mark.parametrize(("waited", "pause"), SCHEDULE)
def test_pause_is_a_tenth_of_the_time_waited(waited: float, pause: float) -> None:
    """The pause grows from the interval with a tenth of the time waited, up to its maximum."""
    assert PollPolicy().delay(waited) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("remaining", "pause"), [(None, 20), (50, 20), (15, 15), (3, 3), (0.2, 1), (0, 1)]
)
def test_known_end_pulls_the_look_in(remaining: float | None, pause: float) -> None:
    """An expected end before the next poll brings it forward, not below the interval."""
    assert PollPolicy(jitter=0).delay(200, remaining=remaining) == pytest.approx(pause)


@given(st.floats(2, 19), st.floats(0, 1))
def test_jitter_never_puts_a_look_behind_the_expected_end(remaining: float, roll: float) -> None:
    """Where the end is known, the jitter only brings the poll forward, not below the interval."""
    assert 1 <= PollPolicy().delay(200, remaining=remaining, roll=roll) <= remaining


def test_maximum_wins_over_interval() -> None:
    """An interval beyond the maximum is cut to it."""
    assert PollPolicy(interval=50, max_interval=5).delay(0) == 5


@given(
    waited=st.floats(0, 1e7),
    remaining=st.none() | st.floats(0, 1e7),
    roll=st.floats(0, 1),
    interval=st.floats(0.001, 100),
    maximum=st.floats(0.001, 100),
)
def test_jitter_stays_in_bounds(
    waited: float, remaining: float | None, roll: float, interval: float, maximum: float
) -> None:
    """A jittered pause lies within a tenth of the plain one, never above the maximum."""
    policy = PollPolicy(interval=interval, max_interval=maximum)
    pause = policy.delay(waited, remaining=remaining, roll=roll)
    plain = max(interval, 0.1 * waited)
    if remaining is not None:
        plain = min(plain, max(interval, remaining))
    assert min(0.9 * plain, maximum) <= pause * (1 + 1e-9)
    assert pause <= min(1.1 * plain, maximum) * (1 + 1e-9)


def test_backoff_doubles_to_its_maximum() -> None:
    """The n-th pause doubles from a quarter of a second to five, at any number of failures."""
    pauses = [RetryPolicy().delay(failures) for failures in (1, 2, 3, 4, 5, 6, 5000)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 5, 5]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_jitter_takes_off_half_at_most(failures: int, roll: float) -> None:
    """The jitter takes off up to half of a pause and adds nothing."""
    plain = RetryPolicy().delay(failures)
    assert plain / 2 <= RetryPolicy().delay(failures, roll=roll) <= plain


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        (None, 0.25),
        (7.0, 7.0),
        (3600.0, 3600.0),
        (0.1, 0.25),
        (0.0, 0.25),
        (-5.0, 0.25),
        (3601.0, 0.25),
        (math.inf, 0.25),
        (math.nan, 0.25),
    ],
)
def test_longer_retry_after_wins(retry_after: float | None, pause: float) -> None:
    """A longer Retry-After replaces the pause; a shorter or an absurd one does not."""
    assert RetryPolicy().delay(1, retry_after) == pause


def test_budget_and_attempts_end_the_retries() -> None:
    """The budget counts seconds; a number of attempts replaces it."""
    by_time, by_count = RetryPolicy(budget=10), RetryPolicy(budget=10, attempts=3)
    assert [by_time.is_exhausted(99, seconds) for seconds in (0, 9.9, 10, 11)] == [
        False,
        False,
        True,
        True,
    ]
    assert [by_count.is_exhausted(failures, 1e9) for failures in (1, 2, 3)] == [False, False, True]
    assert RetryPolicy(budget=0).is_exhausted(1, 0.0)
    assert not RetryPolicy(budget=math.inf).is_exhausted(10**6, 1e12)


def test_last_pause_is_cut_to_the_budget() -> None:
    """The last pause is cut so that an attempt is made as the budget ends."""
    policy = RetryPolicy(budget=10)
    assert policy.pause(10, 9.5, None) == pytest.approx(0.5)
    assert policy.pause(10, 9.5, 60.0) == pytest.approx(0.5)
    assert RetryPolicy(attempts=5).pause(1, 9.5, 60.0) == 60.0


BAD_OPTIONS: list[tuple[str, Any]] = [
    ("timeout", -1),
    ("timeout", -0.001),
    ("timeout", math.nan),
    ("timeout", "5"),
    ("timeout", True),
    ("timeout", -math.inf),
    ("interval", 0),
    ("interval", -1),
    ("interval", math.nan),
    ("interval", math.inf),
    ("timeout", 10**400),
    ("interval", 10**400),
    ("interval", None),
    ("interval", "1"),
    ("max_interval", 0),
    ("max_interval", -3),
    ("outage", -1),
    ("outage", math.nan),
    ("outage", None),
    ("retry", 0),
    ("retry", -1),
    ("retry", True),
    ("retry", 1.5),
    ("retry", "3"),
    ("on_cancel", "stop"),
    ("on_cancel", None),
    ("on_timeout", "kill"),
]


@pytest.mark.parametrize(("field", "value"), BAD_OPTIONS)
def test_bad_option_is_refused_by_name(field: str, value: Any) -> None:
    """An invalid option raises a ValueError that names it and the value."""
    with pytest.raises(InvalidArgumentError, match=rf"\b{field}\b.*{value!r}"):
        WaitPolicy.of(**{field: value})


@pytest.mark.parametrize("timeout", [None, 0, 0.5, 10, math.inf])
def test_good_timeouts(timeout: float | None) -> None:
    """No limit, a single poll, and any number of seconds are timeouts."""
    assert WaitPolicy.of(timeout=timeout).timeout == timeout
