"""Any endpoint that starts remote tasks and has no step of its own."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

start_task, astart_task = steps_of(operations.start_task)
