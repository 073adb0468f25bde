"""The official SDK's two halves behind one face, so that a test is written once for both."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from geobox import GeoboxClient
from geobox.aio import AsyncGeoboxClient

from prefect_geobox.emulator import GeoboxEmulator

from .until import HANGING


async def settled(value: Any) -> Any:
    """What a method or property of either half gives."""
    return await value if inspect.isawaitable(value) else value


async def ended(task: Any) -> Any:
    """Waits for a task of either half; the task with its last state."""
    task = await settled(task)
    await settled(task.wait(interval=0.005, progress_bar=False, timeout=HANGING))
    await settled(task.refresh_data())
    return task


@asynccontextmanager
async def official_client(half: str, geobox: GeoboxEmulator) -> AsyncIterator[Any]:
    """The SDK's client, blocking or asynchronous."""
    if half == "async":
        login = {"username": geobox.username, "password": geobox.password}
        async with AsyncGeoboxClient(host=geobox.url, **login) as client:
            yield client
        return
    client = GeoboxClient(host=geobox.url, username=geobox.username, password=geobox.password)
    # Otherwise each request looks for a proxy in all variables of the environment.
    client.session.trust_env = False
    try:
        yield client
    finally:
        client.session.close()
