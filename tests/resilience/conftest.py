"""A running emulator, clients on real and fake clocks, and the profiles of Hypothesis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from prefect_geobox.client import AsyncGeoboxClient
from prefect_geobox.client.http.clock import SYSTEM_CLOCK
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.clients import close_now
from tests.kit.fake_clock import FakeClock

#: Ten verbs take as many examples each. The profiles name the numbers for one verb.
_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("geobox-default", max_examples=30, **_COMMON)
settings.register_profile("ci", max_examples=1_050, **_COMMON)


def profile() -> str:
    """The profile that the environment asks for."""
    named = os.environ.get("HYPOTHESIS_PROFILE")
    return named or ("ci" if os.environ.get("CI") == "true" else "geobox-default")


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
    """A clock that moves only when somebody sleeps on it."""
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
