"""Faults for the emulator, and plans that decide which request gets which.

They act on the real connection, so that a client under test gets what a broken network or server
would send. A plan is called for each request and returns a fault or None:

    >>> from prefect_geobox.emulator import GeoboxEmulator
    >>> from prefect_geobox.emulator.faults import first, on, reset, status
    >>> with GeoboxEmulator() as geobox:
    ...     geobox.faults = on(first(2, status(503, retry_after=1)), path="tasks/*")

A fault replaces the request: nothing is carried out. `fault.after()` carries the request out and
applies the fault to the answer, as when a start succeeds and its answer is lost. Faults in the
middle of an answer, and changes of it, need one: they always carry the request out.
"""

from prefect_geobox.emulator.faults.fault import Fault
from prefect_geobox.emulator.faults.kinds import (
    body,
    changed,
    close,
    delay,
    drip,
    half_body,
    hang,
    json_body,
    progress,
    repeated,
    reset,
    result,
    state,
    status,
    without,
)
from prefect_geobox.emulator.faults.plans import Plan, always, either, first, on, sequence, share

__all__ = [
    "Fault",
    "Plan",
    "always",
    "body",
    "changed",
    "close",
    "delay",
    "drip",
    "either",
    "first",
    "half_body",
    "hang",
    "json_body",
    "on",
    "progress",
    "repeated",
    "reset",
    "result",
    "sequence",
    "share",
    "state",
    "status",
    "without",
]
