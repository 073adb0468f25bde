"""One wait on a clock of its own: how many looks it makes, and how late it sees the end."""

from __future__ import annotations

import random
import statistics

from prefect_geobox.client.models import TaskProgress
from prefect_geobox.client.policy import WaitPolicy
from prefect_geobox.client.watch import Watch

#: Waits over whose random jitter the figures are means.
ROLLS = 300


def one_wait(seconds: float, *, with_progress: bool) -> tuple[int, float]:
    """The looks of one wait for a remote task of this length, and how late it saw the end."""
    watch = Watch(
        "u", WaitPolicy(), 0.0, 0.0, lambda *_: None, lambda _: None, with_progress=with_progress
    )
    looks, now = 0, 0.0
    while not watch.is_over:
        now, looks = watch.due, looks + 1
        watch.look_begins(now)
        state = "SUCCESS" if now >= seconds else "PROGRESS"
        watch.saw({"uuid": "u", "state": state, "result": {}}, now)
        if watch.wants_progress(now):
            watch.progress_begins(now)
            watch.progressed(TaskProgress(current=now, total=seconds), now)
    return looks, now - seconds


def plain_line(seconds: float) -> tuple[int, float]:
    """The same for looks after exactly a tenth of the time waited, 1 to 30 s: count and mean.

    The mean latency is half the pause at the end, as an end may come at any moment of it.
    """
    looks, now = 1, 0.0
    while now < seconds:
        pause = min(30.0, max(1.0, 0.1 * now))
        now, looks = now + pause, looks + 1
    return looks, min(30.0, max(1.0, 0.1 * seconds)) / 2


def measured(seconds: float, *, with_progress: bool) -> tuple[float, float]:
    """Mean looks and mean latency over remote tasks of about this length."""
    roll = random.Random(3)
    found = [
        one_wait(seconds * roll.uniform(0.9, 1.1), with_progress=with_progress)
        for _ in range(ROLLS)
    ]
    return statistics.mean(f[0] for f in found), statistics.mean(f[1] for f in found)


def schedules() -> list[str]:
    """A line of figures for each length of remote task."""
    lines = []
    for seconds in (2.0, 20.0, 600.0):
        looks, late = measured(seconds, with_progress=False)
        most, mean = plain_line(seconds)
        line = f"{seconds:g} s: {looks:.1f} looks, {late:.2f} s late; line: {most}, {mean:.2f} s"
        looks, late = measured(seconds, with_progress=True)
        lines.append(f"{line}; with progress: {looks:.1f} looks, {late:.2f} s late")
    return lines


if __name__ == "__main__":
    for text in schedules():
        print(text)
