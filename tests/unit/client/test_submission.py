"""Starts are never carried out twice: sent again only where nothing was started."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    AmbiguousSubmissionError,
    ApiRequestError,
    AsyncGeoboxClient,
    GeoboxConnectionError,
    GeoboxError,
    LostContactError,
)
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import OTHER, TASK, THIRD, task
from tests.kit.raw_server import raw_server, reset
from tests.kit.wire import Wire, reply

POST = "POST x/"
LIST = "GET tasks/"

NOT_DONE: list[Any] = [
    reply(408),
    reply(425),
    reply(429),
    reply(503),
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
]
UNCLEAR: list[Any] = [
    reply(500),
    reply(502),
    reply(504),
    httpx.ReadError("reset"),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("broken"),
    httpx.RemoteProtocolError("hung up"),
    reply(text="<html>"),
    reply(204),
]


@pytest.mark.parametrize("failure", NOT_DONE)
async def test_start_that_was_not_done_is_sent_again(
    call: Caller, wire: Wire, failure: Any
) -> None:
    """A start is sent again where the failure proves that nothing was started."""
    wire.lists()
    wire.on("POST", "x/", failure, failure, {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    assert (await call("start_task", "POST", "x/", form={"a": 1})).uuid == TASK
    assert wire.count(POST) == 3
    assert {request.content for request in wire.work[:3]} == {b"a=1"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 418, 422, 501])
async def test_refused_start_is_sent_once(
    call: Caller, wire: Wire, clock: FakeClock, status: int
) -> None:
    """A start that the server refuses is sent once, and its reason raised at once."""
    wire.lists()
    wire.on("POST", "x/", reply(status, json={"detail": "not like this"}))
    with pytest.raises(ApiRequestError, match="not like this") as caught:
        await call("start_task", "POST", "x/", form={})
    assert (caught.value.status_code, caught.value.path) == (status, "x/")
    assert wire.count(POST) == 1
    assert clock.slept == []


@pytest.mark.parametrize("failure", UNCLEAR)
async def test_unclear_start_is_sent_once_where_the_server_cannot_tell(
    call: Caller, wire: Wire, failure: Any
) -> None:
    """A start is sent exactly once where it stays open whether the server acted on it."""
    wire.on("GET", "tasks/", reply(403, json={"detail": "no list for you"}))
    wire.on("POST", "x/", failure)
    with pytest.raises(AmbiguousSubmissionError, match=POST):
        await call("start_task", "POST", "x/", form={})
    assert wire.count(POST) == 1


@pytest.mark.parametrize("failure", UNCLEAR)
async def test_task_that_is_newly_there_is_taken_over(
    call: Caller, wire: Wire, failure: Any
) -> None:
    """After an unclear failure the one remote task that is newly there is what was started."""
    old = task("SUCCESS", OTHER)
    wire.on("GET", "tasks/", [old], [old], [task("PENDING"), old])
    wire.on("POST", "x/", failure)
    assert (await call("start_task", "POST", "x/", form={})).uuid == TASK
    assert wire.count(POST) == 1


async def test_several_new_tasks_are_ambiguous(call: Caller, wire: Wire) -> None:
    """Where several remote tasks are new, all are named and none is adopted."""
    new = [task("PENDING"), task("PENDING", THIRD)]
    wire.on("GET", "tasks/", [], new)
    wire.on("POST", "x/", reply(502))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        await call("start_task", "POST", "x/", form={})
    assert {found.uuid for found in caught.value.tasks} == {TASK, THIRD}
    assert wire.count(POST) == 1


async def test_look_up_that_fails_is_ambiguous(call: Caller, wire: Wire) -> None:
    """A list that cannot be read any more after an unclear failure settles nothing."""
    wire.on("GET", "tasks/", [], reply(403))
    wire.on("POST", "x/", httpx.ReadError("reset"))
    with pytest.raises(AmbiguousSubmissionError, match="could not be looked up"):
        await call("start_task", "POST", "x/", form={})
    assert wire.count(POST) == 1


@pytest.mark.parametrize("failure", UNCLEAR)
async def test_no_start_is_repeated_blindly(call: Caller, wire: Wire, failure: Any) -> None:
    """Between two sends of the same start the list is read several times."""
    wire.lists()
    wire.on("POST", "x/", failure)
    with pytest.raises(GeoboxError):
        await call("start_task", "POST", "x/", form={})
    posts = [number for number, line in enumerate(wire.lines) if line == POST]
    assert 1 <= len(posts) <= 3
    for first, second in pairwise(posts):
        assert wire.lines[first + 1 : second].count(LIST) >= 3
    assert wire.lines[posts[-1] + 1 :].count(LIST) >= 3


async def test_server_error_on_a_start_is_final(call: Caller, wire: Wire) -> None:
    """A start that the server itself failed on is sent once, and raises that failure."""
    wire.lists()
    wire.on("POST", "x/", reply(500, json={"detail": "bug"}))
    with pytest.raises(ApiRequestError, match="bug"):
        await call("start_task", "POST", "x/", form={})
    assert wire.count(POST) == 1


@pytest.mark.parametrize("answer", [{}, {"status": "ok"}, [1, 2, 3], {"task_id": None}])
async def test_start_that_was_answered_is_not_sent_again(
    call: Caller, wire: Wire, answer: Any
) -> None:
    """A start that the API answered with a 200 has been taken: it is never sent again."""
    wire.lists()
    wire.on("POST", "x/", answer)
    with pytest.raises(GeoboxError, match=POST):
        await call("start_task", "POST", "x/", form={})
    assert wire.count(POST) == 1


async def test_started_task_that_cannot_be_read_is_not_lost(call: Caller, wire: Wire) -> None:
    """Where a start succeeded and its first read fails, the error carries the remote task."""
    wire.lists()
    wire.on("POST", "x/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", reply(503, json={"detail": "later"}))
    with pytest.raises(LostContactError, match=TASK) as caught:
        await call("start_task", "POST", "x/", form={})
    assert caught.value.task.uuid == TASK
    assert wire.count(POST) == 1


async def test_concurrent_starts_do_not_take_each_others_tasks(
    client: AsyncGeoboxClient, wire: Wire
) -> None:
    """The remote task of one start is never adopted by another start that failed."""
    import asyncio

    wire.on("GET", "tasks/", [], [], [task("PENDING", OTHER)])
    wire.on("POST", "good/", {"task_id": OTHER})
    wire.on("GET", f"tasks/{OTHER}/", task("PENDING", OTHER))
    wire.on("POST", "x/", reply(500))
    good, bad = await asyncio.gather(
        client.start_task("POST", "good/", form={}),
        client.start_task("POST", "x/", form={}),
        return_exceptions=True,
    )
    assert good.uuid == OTHER
    assert isinstance(bad, GeoboxError)


async def test_start_over_a_broken_connection_is_posted_once(
    call: Caller, make: Callable[..., Any]
) -> None:
    """On a real socket a start whose connection breaks reaches the server exactly once."""
    seen: list[bytes] = []

    def serve(connection: Any) -> None:
        seen.append(connection.recv(65536, 2).split(b" ")[0])
        reset(connection)

    with raw_server(serve) as url:
        client = Caller(make(type(call.client), host=url))
        with pytest.raises(GeoboxError, match=POST):
            await client("start_task", "POST", "x/", form={"a": "b"})
    assert seen.count(b"POST") == 1


async def test_start_that_reaches_nobody_is_a_connection_error(
    call: Caller, wire: Wire, clock: FakeClock
) -> None:
    """A start that provably reached no server raises a connection error within its budget."""
    wire.lists()
    wire.on("POST", "x/", httpx.ConnectError("refused"))
    began = clock.now
    with pytest.raises(GeoboxConnectionError, match="was not reached"):
        await call("start_task", "POST", "x/", form={})
    assert clock.now - began == pytest.approx(30, abs=0.1)
