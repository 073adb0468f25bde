"""Many waits at once, a third of all answers failing: right verdicts and few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from prefect_geobox.client import AsyncGeoboxClient
from prefect_geobox.client.http.transport import IN_FLIGHT

from .storm import Server, closing, storm, storm_server
from .storm_server import OUTCOMES


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server in another process."""
    with storm_server() as server:
        yield server


@pytest.mark.parametrize(
    ("waits", "seconds", "interval"),
    [(100, (0.3, 1.2), 0.5), pytest.param(1000, (3.0, 8.0), 2.0, marks=pytest.mark.slow)],
    ids=["100", "1000"],
)
async def test_waits_in_a_storm(
    server: Server,
    record_property: Callable[..., None],
    waits: int,
    seconds: tuple[float, float],
    interval: float,
) -> None:
    """Each of many waits ends in the right state, for fewer requests than there are waits."""
    calm = await storm(server, waits, 0.0, seconds, interval)
    rough = await storm(server, waits, 0.3, seconds, interval)
    faults = sum(rough.report["faults"].values())
    figures = {
        "waits": waits,
        "faults": faults,
        "kinds of faults": len(rough.report["faults"]),
        "requests per wait": (calm.requests_per_wait, rough.requests_per_wait),
        "most in flight": (calm.report["most_in_flight"], rough.report["most_in_flight"]),
    }
    print(figures)
    for name, value in figures.items():
        record_property(name, value)
    for run in (calm, rough):
        assert set(run.verdicts.values()) == set(OUTCOMES)
        assert run.report["most_in_flight"] <= IN_FLIGHT
        assert run.report["posts"] == 0
    answers = rough.report["polls"] + rough.report["progress"]
    assert 0.1 < faults / answers < 0.5
    assert rough.requests_per_wait < 1


async def test_no_more_than_eight_requests_are_in_flight(server: Server) -> None:
    """However many ask, a slow server never has more than eight requests at once."""
    order = server(start=80, share=0.0, seconds=(0.1, 0.2), delay=0.08)
    with closing(AsyncGeoboxClient(host=order["url"], apikey=order["apikey"])) as client:
        await asyncio.gather(*map(client.get_task, order["uuids"]))
    assert IN_FLIGHT / 2 <= server(report=True)["most_in_flight"] <= IN_FLIGHT
