"""Work that callers leave to be done a moment later."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.work_behind import WorkBehind

_place: ContextVar[str] = ContextVar("place")


@pytest.fixture
def behind():
    """Of its own, with no work left."""
    return WorkBehind()


def test_work_is_done_in_order_and_in_the_context_of_its_caller(behind, monkeypatch):
    """Work is done by itself after a moment, in the context of the code that left it."""
    monkeypatch.setattr("prefect_geobox.client.work_behind._PAUSE", 0.0)
    made = []
    has_made_both = threading.Event()

    async def report():
        made.append(_place.get())
        if len(made) == 2:
            has_made_both.set()

    for place in ("first", "second"):
        token = _place.set(place)
        behind.leave(report)
        _place.reset(token)
    assert has_made_both.wait(60)

    assert made == ["first", "second"]


def test_a_flush_does_what_is_left_and_waits_for_what_is_being_done(behind, monkeypatch):
    """After a flush nothing is left, also where work was being done already."""
    monkeypatch.setattr("prefect_geobox.client.work_behind._PAUSE", 0.0)
    made = []
    has_begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        has_begun.set()
        await may_go_on.wait()
        made.append("slow")

    async def quick():
        made.append("quick")

    async def flush_meanwhile():
        await has_begun.wait()
        behind.leave(quick)
        asyncio.get_running_loop().call_soon(may_go_on.set)
        await behind.flush()
        return list(made)

    behind.leave(slow)
    assert io_thread().run(flush_meanwhile()) == ["slow", "quick"]


def test_work_that_fails_is_logged_and_the_next_is_done(behind, caplog):
    """A failure reaches neither the caller nor other work."""
    made = []

    async def fail():
        raise ValueError("too large")

    async def succeed():
        made.append("next")

    behind.leave(fail)
    behind.leave(succeed)
    io_thread().run(behind.flush())

    assert made == ["next"]
    assert "Work left behind has failed: ValueError: too large" in caplog.text


def test_the_exit_leaves_out_what_is_not_possible_any_more(behind):
    """At the exit of the process only that work is done that is still possible then."""
    made = []

    async def event():
        made.append("event")

    async def summary():
        made.append("summary")

    behind.leave(event, is_possible_at_exit=False)
    behind.leave(summary)
    io_thread().run(behind.flush(is_exit=True))

    assert made == ["summary"]
