"""A scripted wire, a clock and clients of both sorts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import respx

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import HOST, secret
from tests.kit.wire import Wire


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when code sleeps on it."""
    return FakeClock()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A scripted server in place of all connections."""
    with respx.mock(assert_all_called=False) as router:
        yield Wire(router)


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Callable[..., Any]]:
    """Makes clients on the fake clock, with a key of their own, and closes them at the end."""
    made: list[GeoboxClient | AsyncGeoboxClient] = []

    def make(kind: type = AsyncGeoboxClient, **options: Any) -> Any:
        if not {"access_token", "apikey", "password"} & set(options):
            options["apikey"] = secret("key")
        made.append(kind(**{"host": HOST, "clock": clock, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make: Callable[..., Any]) -> AsyncGeoboxClient:
    """An asyncio client on the fake clock."""
    return make()


@pytest.fixture
def blocking(make: Callable[..., Any]) -> GeoboxClient:
    """A blocking client on the fake clock."""
    return make(GeoboxClient)


@pytest.fixture(params=[GeoboxClient, AsyncGeoboxClient], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, make: Callable[..., Any]) -> Caller:
    """Calls the verbs of each client in turn."""
    return Caller(make(request.param))
