"""The two run modes of the Prefect tasks: blocking and awaiting."""

from __future__ import annotations

from typing import Final

from prefect_geobox.client.api.run_mode import AsyncMode, RunMode, SyncMode
from prefect_geobox.ownership.interruption import classify_awaiting, classify_blocking
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.run_monitor import monitored


def _log_unknown_start(error: Exception) -> None:
    run_logger().error(
        "The step was interrupted while it started a remote task, and it is not known whether the "
        "remote task was started; a retry of this run looks it up. %s: %s",
        type(error).__name__,
        error,
    )


SYNC_MODE: Final[RunMode] = SyncMode(
    classify=classify_blocking, monitored=monitored, on_unknown_start=_log_unknown_start
)

ASYNC_MODE: Final[RunMode] = AsyncMode(
    classify=classify_awaiting, monitored=monitored, on_unknown_start=_log_unknown_start
)
