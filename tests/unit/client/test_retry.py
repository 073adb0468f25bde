"""What is sent again, how often, and after which pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    ApiRequestError,
    AsyncGeoboxClient,
    GeoboxConnectionError,
    InvalidResponseError,
    RetryPolicy,
)
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import TASK, task
from tests.kit.raw_server import hang, raw_server
from tests.kit.wire import Wire, reply

READ = f"GET tasks/{TASK}/"
TRANSIENT = [408, 425, 429, 500, 502, 503, 504]
BROKEN: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("broken"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("hung up"),
    httpx.PoolTimeout("busy"),
    reply(text="<html>"),
    reply(204),
]
PASSING = [*(reply(status, text="later") for status in TRANSIENT), *BROKEN]
NAMES = [*map(str, TRANSIENT), *(type(failure).__name__ for failure in BROKEN)]


@pytest.mark.parametrize("failure", PASSING, ids=NAMES)
@pytest.mark.parametrize("failures", [1, 3])
async def test_reads_bear_passing_failures(
    call: Caller, wire: Wire, clock: FakeClock, failure: Any, failures: int
) -> None:
    """A read that fails so many times in passing costs that many requests and one more."""
    wire.on("GET", f"tasks/{TASK}/", *[failure] * failures, task())
    assert (await call("get_task", TASK)).succeeded
    assert len(wire.seen) == failures + 1
    for pause, longest in zip(clock.slept, (0.25, 0.5, 1.0), strict=False):
        assert longest / 2 <= pause <= longest
    assert len(clock.slept) == failures


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 418, 422, 501])
async def test_lasting_failures_cost_one_request(
    call: Caller, wire: Wire, clock: FakeClock, status: int
) -> None:
    """A failure that will not pass is raised after one request, without a pause."""
    wire.on("GET", f"tasks/{TASK}/", reply(status, json={"detail": "no"}))
    for verb in ("get_task", "wait_for_task"):
        with pytest.raises(ApiRequestError) as caught:
            await call(verb, TASK)
        assert caught.value.status_code == status
    assert len(wire.seen) == 2
    assert clock.slept == []


async def test_read_gives_up_after_its_budget(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A read that has failed for 30 seconds raises the last failure."""
    wire.on("GET", f"tasks/{TASK}/", reply(500), reply(503, json={"detail": "still down"}))
    began = clock.now
    with pytest.raises(ApiRequestError, match="still down"):
        await call("get_task", TASK)
    assert clock.now - began == pytest.approx(30)
    assert len(wire.seen) == len(clock.slept) + 1
    assert 10 <= len(wire.seen) <= 20


async def test_read_with_attempts_makes_just_as_many(make: Any, wire: Wire) -> None:
    """A number of attempts caps the requests of a read."""
    wire.on("GET", f"tasks/{TASK}/", reply(500))
    with pytest.raises(ApiRequestError):
        await make(retry=RetryPolicy(attempts=4)).get_task(TASK)
    assert len(wire.seen) == 4


def in_seconds(seconds: float) -> Callable[[], dict[str, str]]:
    """A Retry-After as a date that lies so far in the server's future."""

    def headers() -> dict[str, str]:
        # Far from this machine's clock: the server's own Date is what counts.
        now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
        later = now + timedelta(seconds=seconds)
        return {
            "Date": format_datetime(now, usegmt=True),
            "Retry-After": format_datetime(later, usegmt=True),
        }

    return headers


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        (lambda: {"Retry-After": "7"}, 7),
        (lambda: {"Retry-After": " 12.5 "}, 12.5),
        (in_seconds(20), 20),
        (lambda: {"Retry-After": "0"}, None),
        (lambda: {"Retry-After": "-3"}, None),
        (lambda: {"Retry-After": "soon"}, None),
        (lambda: {"Retry-After": "nan"}, None),
        (lambda: {"Retry-After": "inf"}, None),
        (lambda: {"Retry-After": "1e9"}, None),
        (lambda: {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        (lambda: {"Retry-After": "Fri, 99 Foo 2001"}, None),
        (in_seconds(-50), None),
        (in_seconds(86_400 * 30), None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after(
    client: AsyncGeoboxClient,
    wire: Wire,
    clock: FakeClock,
    status: int,
    headers: Callable[[], dict[str, str]],
    pause: float | None,
) -> None:
    """Seconds and dates of Retry-After are kept to; absurd values are ignored."""
    wire.on("GET", f"tasks/{TASK}/", reply(status, headers=headers()), task())
    await client.get_task(TASK)
    (slept,) = clock.slept
    if pause is None:
        assert slept <= 0.25
    else:
        assert slept == pytest.approx(pause)


# The answer to an abort holds no JSON that could be missing.
@pytest.mark.parametrize("failure", PASSING[:-2], ids=NAMES[:-2])
async def test_abort_is_safe_to_repeat(call: Caller, wire: Wire, failure: Any) -> None:
    """An abort that fails in passing is sent again until it is taken."""
    wire.on("POST", f"tasks/{TASK}/abort/", failure, failure, reply(204))
    wire.on("GET", f"tasks/{TASK}/", task("ABORTED"))
    assert (await call("abort_task", TASK)).state == "ABORTED"
    assert wire.count(f"POST tasks/{TASK}/abort/") == 3


async def test_refused_connection_proves_that_nothing_was_reached(make: Any) -> None:
    """The error of a refused connection names the host and what to check."""
    with raw_server(hang) as url:
        pass
    with pytest.raises(GeoboxConnectionError, match=r"was not reached.*Check the host") as caught:
        await make(host=url, retry=RetryPolicy(attempts=2)).get_task(TASK)
    assert not caught.value.reached


async def test_request_timeout_is_kept_by_a_server_that_drips(make: Any) -> None:
    """A server that sends an endless answer drop by drop is cut off by the request timeout."""

    def drip(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(0.02)
        while True:
            connection.sendall(b" ")
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    with raw_server(drip) as url:
        client = make(host=url, timeout=0.2, retry=RetryPolicy(attempts=1))
        with pytest.raises(GeoboxConnectionError, match=r"within 0\.2 s"):
            await client.get_task(TASK)


async def test_invalid_answer_is_raised_after_the_budget(make: Any, wire: Wire) -> None:
    """A server that never sends the JSON expected ends in an InvalidResponseError."""
    wire.on("GET", "tasks/", {"detail": "no list"})
    with pytest.raises(InvalidResponseError, match="GET tasks/"):
        await make(retry=RetryPolicy(budget=3)).list_tasks()
    assert len(wire.seen) > 3
