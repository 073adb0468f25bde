"""A running emulator, and a client of its API that knows no SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator

from .plain_api import Api

DATA = Path(__file__).parents[3] / "flows" / "data"


@pytest.fixture(scope="session")
def cities() -> bytes:
    """243 points in WGS 84."""
    return (DATA / "cities.geojson").read_bytes()


@pytest.fixture(scope="session")
def countries() -> bytes:
    """177 polygons in WGS 84."""
    return (DATA / "countries.geojson").read_bytes()


@pytest.fixture(scope="module")
def geobox() -> Iterator[GeoboxEmulator]:
    """A running emulator whose tasks are quick; the tests of a module share it."""
    with GeoboxEmulator(seconds=0.005) as emulator:
        yield emulator


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, geobox: GeoboxEmulator) -> AsyncIterator[Any]:
    """Either half of the official SDK, logged in."""
    # Imported late: without the SDK the other tests run all the same.
    from .official import official_client

    async with official_client(request.param, geobox) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def api(geobox: GeoboxEmulator) -> Iterator[Api]:
    """A client that may in."""
    with httpx.Client(base_url=f"{geobox.url}/v1/", params={"apikey": geobox.apikey}) as http:
        yield Api(http)
