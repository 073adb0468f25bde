"""A running emulator, and clients on real and fake clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prefect_geobox.client import AsyncGeoboxClient
from prefect_geobox.client.http.clock import SYSTEM_CLOCK
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.clients import close_now
from tests.kit.fake_clock import FakeClock


@pytest.fixture(scope="module")
def shared_geobox() -> Iterator[GeoboxEmulator]:
    """One emulator for all tests of a module."""
    with GeoboxEmulator(seconds=0.02) as emulator:
        yield emulator


@pytest.fixture
def geobox(shared_geobox: GeoboxEmulator) -> Iterator[GeoboxEmulator]:
    """A running emulator without faults and requests."""
    shared_geobox.clear_requests()
    yield shared_geobox
    shared_geobox.faults = None
    shared_geobox.reissue_apikey()
    shared_geobox.seconds = 0.02
    shared_geobox.start()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when code sleeps on it."""
    return FakeClock()


@pytest.fixture
def make(geobox: GeoboxEmulator) -> Iterator[Callable[..., Any]]:
    """Makes clients of the emulator with its key, and closes them and their connections."""
    made: list[Any] = []

    def make(kind: type = AsyncGeoboxClient, **options: Any) -> Any:
        if not {"access_token", "apikey", "password"} & set(options):
            options["apikey"] = geobox.apikey
        made.append(kind(**{"host": geobox.url, "clock": SYSTEM_CLOCK, "timeout": 5.0, **options}))
        return made[-1]

    yield make
    for client in made:
        close_now(client)
