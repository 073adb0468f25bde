"""The fixture `geobox_emulator`, which pytest loads if `prefect-geobox` is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefect_geobox import emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect_geobox.emulator import GeoboxEmulator


@pytest.fixture
def geobox_emulator() -> Iterator[GeoboxEmulator]:
    """A running local Geobox whose remote tasks take milliseconds."""
    with emulator.GeoboxEmulator(seconds=0.05) as geobox:
        yield geobox
