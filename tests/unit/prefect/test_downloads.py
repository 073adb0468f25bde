"""Downloads as steps of a flow, on a real Prefect server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelling

from prefect_geobox import TransferTimeoutError, adownload_file, download_file, upload_file
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import always, hang, on
from tests.kit.until import until


@pytest.fixture
def slow(geobox_emulator: GeoboxEmulator) -> GeoboxEmulator:
    """An emulator whose downloads stop after their first half."""
    geobox_emulator.faults = on(always(hang(in_body=True)), method="GET", path="files/*/download")
    return geobox_emulator


def sample(folder: Path) -> Path:
    """A small file."""
    path = folder / "a.gpkg"
    path.write_bytes(b"x" * 1000)
    return path


def cancel_once_begun(folder: Path) -> threading.Thread:
    """Cancels the flow run that calls this, as the UI does, once its download has begun."""
    run_id = flow_run.id

    def cancel() -> None:
        until(lambda: any(folder.rglob("*.part")))
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelling(), force=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    return thread


@pytest.mark.parametrize("how", ["called", "submitted", "async"])
def test_a_cancel_of_the_run_ends_its_download(
    credentials: Any, slow: GeoboxEmulator, tmp_path: Path, how: str
) -> None:
    """A run in a script that is cancelled in the UI ends its download, and nothing is left."""
    target = tmp_path / "out"
    file_path = sample(tmp_path)

    @flow
    def script() -> Path:
        file = upload_file(credentials, file_path)
        thread = cancel_once_begun(tmp_path)
        try:
            if how == "called":
                return download_file(credentials, file, f"{target}/")
            return download_file.submit(credentials, file, f"{target}/").result()
        finally:
            thread.join()

    @flow
    async def async_script() -> Path:
        file = upload_file(credentials, file_path)
        thread = cancel_once_begun(tmp_path)
        try:
            return await adownload_file(credentials, file, f"{target}/")
        finally:
            thread.join()

    with pytest.raises((asyncio.CancelledError, CancelledRun)):
        asyncio.run(async_script()) if how == "async" else script()
    assert not target.exists()


def test_a_download_that_takes_too_long_fails(
    credentials: Any, slow: GeoboxEmulator, tmp_path: Path
) -> None:
    """A step with a timeout fails with it, and leaves no folder."""
    file_path = sample(tmp_path)

    @flow
    def script() -> Path:
        file = upload_file(credentials, file_path)
        return download_file(credentials, file, tmp_path / "out" / "x", timeout=0.5)

    state = script(return_state=True)
    with pytest.raises(TransferTimeoutError, match="of 1,000 bytes when the timeout ended"):
        state.result()
    assert not (tmp_path / "out").exists()
