"""A folder, an account and a block, as the documents' examples find them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.prefect_connections import allow_open_connections

from .documents import ROOT


@pytest.fixture
def geobox(monkeypatch: pytest.MonkeyPatch) -> Iterator[GeoboxEmulator]:
    """A running emulator that the environment names, with a remote task under way."""
    with GeoboxEmulator(seconds=0) as emulator:
        emulator.add_task(name="an import", seconds=600, pending=0)
        monkeypatch.setenv("GEOBOX_HOST", emulator.url)
        monkeypatch.setenv("GEOBOX_APIKEY", emulator.apikey)
        monkeypatch.setenv("GEOBOX_USERNAME", emulator.username)
        monkeypatch.setenv("GEOBOX_PASSWORD", emulator.password)
        yield emulator


@pytest.fixture
def block(prefect_server: None, geobox: GeoboxEmulator) -> str:
    """The block `my-geobox` for that emulator, saved on the Prefect server."""
    from prefect_geobox import GeoboxCredentials

    credentials = GeoboxCredentials(host=geobox.url, apikey=geobox.apikey)
    credentials.save("my-geobox", overwrite=True)
    return "my-geobox"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own with the sample files where a clone has them."""
    shutil.copytree(ROOT / "flows" / "data", tmp_path / "flows" / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves connections of its own open."""
    allow_open_connections(items, Path(__file__).with_name("test_examples.py"))
