"""One layer of retries: n failures cost n + 1 requests, and a sane Retry-After is followed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from prefect_geobox.client import (
    GeoboxClient,
    GeoboxConnectionError,
    RetryPolicy,
    ServerError,
    TaskTimeoutError,
)
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import always, body, first, on, sequence, status
from tests.kit.emulator_requests import all_seen, count, outcome, seen
from tests.kit.fake_clock import FakeClock, HookClock

from .fault_table import ABSURD, FAULTS, ROUNDING, SLOW_FAULTS, timeout_for


@pytest.mark.parametrize("name", FAULTS)
async def test_failures_cost_one_request_each(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, name: str
) -> None:
    """N failures of any fault cost N + 1 requests, for a read and for a poll."""
    uuid = geobox.add_task(seconds=0)
    client = make(clock=clock, timeout=timeout_for(name))
    n = 1 if name in SLOW_FAULTS else 3
    geobox.faults = first(n, FAULTS[name])
    await client.get_task(uuid)
    assert await all_seen(geobox, n + 1) == [f"GET tasks/{uuid}/"] * (n + 1)
    geobox.clear_requests()
    geobox.faults = first(n, FAULTS[name])
    await client.wait_for_task(uuid, progress_bar=False)
    assert await all_seen(geobox, n + 1) == [f"GET tasks/{uuid}/"] * (n + 1)
    assert client.requests == 2 * (n + 1)


@pytest.mark.parametrize("name", FAULTS)
async def test_failed_logins_cost_one_request_each(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, name: str
) -> None:
    """A login that fails for a passing reason is repeated, once per failure."""
    uuid = geobox.add_task(seconds=0)
    n = 1 if name in SLOW_FAULTS else 3
    geobox.faults = on(first(n, FAULTS[name]), path="auth/token")
    client = make(
        username=geobox.username,
        password=geobox.password,
        clock=clock,
        timeout=timeout_for(name),
    )
    await client.get_task(uuid)
    wanted = ["POST auth/token/"] * (n + 1) + [f"GET tasks/{uuid}/"]
    assert await all_seen(geobox, n + 2) == wanted


async def test_refused_connections_cost_one_attempt_each(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """Refused connections are counted and repeated like other failures."""
    uuid = geobox.add_task(seconds=0)
    geobox.stop()
    client = make(clock=HookClock(lambda number: number == 4 and geobox.start()))
    await client.get_task(uuid)
    assert client.requests == 5
    assert len(seen(geobox)) == 1


def test_blocking_reads_retry_alike(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """The blocking client has the same single layer."""
    geobox.faults = sequence(status(503), status(502, html=True), body(b""))
    make(GeoboxClient, clock=clock).list_tasks()
    assert seen(geobox) == ["GET tasks/"] * 4


@pytest.mark.parametrize("code", [400, 403, 404, 405, 409, 410, 418, 422, 501, 505])
async def test_lasting_errors_cost_one_request(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, code: int
) -> None:
    """What another attempt cannot mend is raised at once, by reads and waits."""
    uuid = geobox.add_task(seconds=60)
    geobox.faults = always(status(code))
    client = make(clock=clock)
    for work in (client.get_task(uuid), client.wait_for_task(uuid, progress_bar=False)):
        error = await outcome(work)
        assert error.status_code == code
    assert seen(geobox) == [f"GET tasks/{uuid}/"] * 2
    assert clock.slept == []


async def test_a_read_gives_up_when_its_budget_ends(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A read that fails for 30 s raises its last failure, after a bounded number of requests."""
    geobox.faults = always(status(503))
    began = clock.now
    with pytest.raises(ServerError):
        await make(clock=clock).list_tasks()
    assert 30 - ROUNDING <= clock.now - began < 31
    assert 8 <= len(seen(geobox)) <= 20
    geobox.clear_requests()
    with pytest.raises(ServerError):
        await make(clock=clock, retry=RetryPolicy(attempts=2)).list_tasks()
    assert len(seen(geobox)) == 2


# Dates are whole seconds, and a busy server may date its answers a little late.
@pytest.mark.parametrize(
    ("said", "least", "most"),
    [(7, 7, 7.001), (90, 90, 90.001), (timedelta(seconds=40), 38.5, 45), (0.01, 0.1, 0.26)],
    ids=["seconds", "many seconds", "date", "less than the backoff"],
)
async def test_retry_after_is_followed(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    said: Any,
    least: float,
    most: float,
) -> None:
    """The next poll comes when the server asked for it, and never sooner than the backoff."""
    uuid = geobox.add_task(seconds=0)
    geobox.faults = first(1, status(503, retry_after=said))
    await make(clock=clock).wait_for_task(uuid, progress_bar=False)
    (pause,) = clock.slept
    assert least <= pause <= most


@pytest.mark.parametrize("name", ABSURD)
async def test_absurd_retry_after_is_harmless(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, name: str
) -> None:
    """An invalid Retry-After leaves the backoff as it is."""
    uuid = geobox.add_task(seconds=0)
    geobox.faults = first(6, status(429, retry_after=ABSURD[name]))
    await make(clock=clock).wait_for_task(uuid, progress_bar=False)
    assert len(clock.slept) == 6
    assert all(0 < pause <= 5 for pause in clock.slept)


@pytest.mark.parametrize("said", [600, timedelta(seconds=600), 10**9, timedelta(days=9)])
async def test_retry_after_never_outlives_the_deadline(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, said: Any
) -> None:
    """A deadline that comes before Retry-After is met, with a last poll."""
    uuid = geobox.add_task(seconds=3600)
    geobox.faults = always(status(503, retry_after=said))
    began = clock.now
    with pytest.raises(TaskTimeoutError):
        await make(clock=clock).wait_for_task(uuid, timeout=60, progress_bar=False)
    assert 60 - ROUNDING <= clock.now - began < 60.5


async def test_retry_after_never_outlives_the_budget(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A Retry-After beyond the budget of a read is cut to a last attempt at its end."""
    geobox.faults = always(status(503, retry_after=1000))
    began = clock.now
    with pytest.raises(ServerError):
        await make(clock=clock).count_tasks()
    assert 30 - ROUNDING <= clock.now - began < 30.5
    assert count(geobox, "GET tasks/") == 2


async def test_an_unknown_host_is_tried_until_the_budget_ends(
    make: Callable[..., Any], clock: FakeClock
) -> None:
    """A read from a host that DNS does not know fails with a connection error."""
    client = make(host="http://nowhere.invalid", clock=clock, retry=RetryPolicy(budget=3))
    with pytest.raises(GeoboxConnectionError, match=r"nowhere\.invalid was not reached"):
        await client.count_tasks()
    assert 3 <= client.requests <= 8
