"""The order in which waits are due, and what a poll leaves in memory."""

from __future__ import annotations

import gc
from typing import Any
from uuid import UUID

from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.schedule import PollSchedule
from prefect_geobox.client.polling.subscription import Subscription
from tests.kit.payloads import task

WAITS = 300


def running(uuid: str) -> dict[str, Any]:
    """A row that is new each time and says the same."""
    return {**task("PROGRESS", uuid), "result": {}, "params": {"layer": {"uuid": uuid}}}


def test_polls_that_read_nothing_new_leave_no_new_objects() -> None:
    """Polls that read nothing new leave no new objects to the garbage collector."""
    # It scans all objects of a process once a quarter as many new ones have come and stayed.
    queue, now = PollSchedule(), 0.0
    subscriptions = [
        Subscription(str(UUID(int=number)), WaitPolicy(), 0.0, now, lambda *_: None)
        for number in range(WAITS)
    ]
    for subscription in subscriptions:
        queue.begin(subscription)

    def look() -> None:
        nonlocal now
        now += 60
        taken = queue.take_nearly_due(WAITS, now)
        assert len(taken) == WAITS
        for subscription in taken:
            subscription.begin_poll(now)
        for subscription in taken:
            subscription.is_reading = False
            subscription.record_state(running(subscription.uuid), now)
            queue.put(subscription)

    look()
    gc.collect()
    gc.freeze()
    try:
        for _ in range(5):
            look()
        gc.collect()
        new = len(gc.get_objects())
    finally:
        gc.unfreeze()
    assert new < WAITS / 10


def test_a_changed_row_replaces_what_was_seen() -> None:
    """The last known state of a remote task is that of the newest row."""
    subscription = Subscription(str(UUID(int=1)), WaitPolicy(), 0.0, 0.0, lambda *_: None)
    for name in ("first", "second"):
        subscription.record_state({**running(subscription.uuid), "name": name}, 0.0)
        assert subscription.task.name == name
