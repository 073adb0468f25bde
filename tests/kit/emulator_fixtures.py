"""Fixtures of a running emulator, and of clients of its API that are not this package's.

A `conftest.py` imports those that its folder uses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from prefect_geobox.emulator import GeoboxEmulator

from .plain_api import Api, http_client
from .sample_data import CITIES, COUNTRIES


@pytest.fixture(scope="session")
def cities() -> bytes:
    """243 points in WGS 84."""
    return CITIES.read_bytes()


@pytest.fixture(scope="session")
def countries() -> bytes:
    """177 polygons in WGS 84."""
    return COUNTRIES.read_bytes()


@pytest.fixture(scope="module")
def geobox() -> Iterator[GeoboxEmulator]:
    """A running emulator whose tasks are quick; the tests of a module share it."""
    with GeoboxEmulator(seconds=0.005) as emulator:
        yield emulator


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, geobox: GeoboxEmulator) -> AsyncIterator[Any]:
    """Either half of the official SDK, logged in."""
    # Imported late: without the SDK the other tests run all the same.
    from .official_sdk import official_client

    async with official_client(request.param, geobox) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def api(geobox: GeoboxEmulator) -> Iterator[Api]:
    """A client of the API over plain HTTP, with the emulator's key."""
    with http_client(geobox.url, params={"apikey": geobox.apikey}) as http:
        yield Api(http)
