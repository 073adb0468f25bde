"""What an emulator was asked for, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_geobox.client import GeoboxError
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import Fault
from tests.kit.until import until_async


def seen(geobox: GeoboxEmulator) -> list[str]:
    """Method and path below the version of each request at the server."""
    return [f"{r.method} {r.path.removeprefix('/v1/')}" for r in geobox.requests]


async def all_seen(geobox: GeoboxEmulator, least: int) -> list[str]:
    """The same, once there are so many: a server may notice late that a client has given up."""
    await until_async(lambda: len(geobox.requests) >= least)
    return seen(geobox)


def count(geobox: GeoboxEmulator, line: str) -> int:
    """How many requests at the server had this method and path."""
    return seen(geobox).count(line)


async def outcome(work: Any) -> Any:
    """What came of an awaitable: its value or its `GeoboxError`."""
    try:
        return await work
    except GeoboxError as error:
        return error


class Reads:
    """A plan that remembers which requests it was asked about, in the order in which they came.

    Args:
        plan: Decides.
    """

    def __init__(self, plan: Callable[[Any], Fault | None] = lambda _: None) -> None:
        self._plan = plan
        self.given: list[tuple[str, str, Fault | None]] = []

    def __call__(self, request: Any) -> Fault | None:
        """The fault that the plan has for a request."""
        fault = self._plan(request)
        self.given.append((request.method, request.path, fault))
        return fault

    def carried_out(self, method: str, path: str) -> int:
        """How many requests to a path got through to the server's own work."""
        return sum(
            (seen_method, seen_path) == (method, path) and (fault is None or fault.carries_out)
            for seen_method, seen_path, fault in self.given
        )
