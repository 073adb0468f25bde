"""Both clients behind one call, and closing one without the time for which sessions are kept."""

from __future__ import annotations

import inspect
from typing import Any

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient
from prefect_geobox.client.api import session
from prefect_geobox.client.http.io_thread import io_thread


class Caller:
    """One of the two clients, called alike."""

    def __init__(self, client: GeoboxClient | AsyncGeoboxClient) -> None:
        self.client = client

    async def __call__(self, verb: str, *args: Any, **options: Any) -> Any:
        """Calls a verb; blocks the test's event loop where the client is the blocking one."""
        outcome = getattr(self.client, verb)(*args, **options)
        return await outcome if inspect.isawaitable(outcome) else outcome


def close_now(client: Any) -> None:
    """Closes a client and its connections now, without the time for which they would be kept."""
    joined = client if isinstance(client, AsyncGeoboxClient) else client.aio

    async def close() -> None:
        found = joined._session
        await joined._leave()
        if found is not None and found.users <= 0:
            await session._close(found)

    io_thread().run(close())
