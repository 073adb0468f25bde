"""One wait with a fake clock: how often it polls, and how late it sees the end."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from functools import partial

from prefect_geobox.client.model.tasks import TaskProgress
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.subscription import Subscription

#: Waits over whose lengths and random jitter the figures are means.
ROLLS = 1500


def one_wait(seconds: float, *, with_progress: bool) -> tuple[int, float]:
    """The polls of one wait for a remote task of this length, and how late it saw the end."""
    subscription = Subscription(
        "u", WaitPolicy(), 0.0, 0.0, lambda *_: None, lambda _: None, with_progress=with_progress
    )
    polls, now = 0, 0.0
    while not subscription.is_over:
        now, polls = subscription.due, polls + 1
        subscription.begin_poll(now)
        state = "SUCCESS" if now >= seconds else "PROGRESS"
        subscription.record_state({"uuid": "u", "state": state, "result": {}}, now)
        if subscription.wants_progress(now):
            subscription.begin_progress_read(now)
            subscription.record_progress(TaskProgress(current=now, total=seconds), now)
    return polls, now - seconds


def plain_line(seconds: float) -> tuple[int, float]:
    """The same for polls after exactly a tenth of the time waited, 1 to 30 s."""
    polls, now = 1, 0.0
    while now < seconds:
        pause = min(30.0, max(1.0, 0.1 * now))
        now, polls = now + pause, polls + 1
    return polls, now - seconds


def means(
    wait: Callable[[float], tuple[int, float]], seconds: float, rolls: int
) -> tuple[float, float]:
    """Mean polls and mean latency over remote tasks of this length, a tenth more or less."""
    found = [wait(seconds * (0.9 + 0.2 * (number + 0.5) / rolls)) for number in range(rolls)]
    return statistics.mean(f[0] for f in found), statistics.mean(f[1] for f in found)


def measure(rolls: int = ROLLS) -> list[dict[str, float]]:
    """The figures for each length of remote task, in seconds and polls."""
    random.seed(5)
    found = []
    for seconds in (2.0, 20.0, 600.0):
        polls, late = means(partial(one_wait, with_progress=False), seconds, rolls)
        line_polls, line_late = means(plain_line, seconds, rolls)
        progress_polls, progress_late = means(partial(one_wait, with_progress=True), seconds, rolls)
        found.append(
            {
                "seconds": seconds,
                "polls": polls,
                "late": late,
                "line_polls": line_polls,
                "line_late": line_late,
                "progress_polls": progress_polls,
                "progress_late": progress_late,
            }
        )
    return found
