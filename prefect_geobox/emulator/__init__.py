"""A local Geobox for demos and tests: `python -m prefect_geobox.emulator`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_geobox.emulator.http.recording import RecordedRequest
    from prefect_geobox.emulator.server import GeoboxEmulator

__all__ = ["GeoboxEmulator", "RecordedRequest"]


def __getattr__(name: str) -> Any:
    # Every pytest run of every user loads this package, so it does not import the web server.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"GeoboxEmulator": "server", "RecordedRequest": "http.recording"}[name]
    return getattr(import_module(f"{__name__}.{module}"), name)
