"""Reports an upload or a download while it goes on, as one progress artifact."""

from __future__ import annotations

import asyncio

from prefect_geobox.ownership.run_modes import ASYNC_MODE
from prefect_geobox.reporting.progress_artifact import UPDATE_PAUSE, ProgressArtifact


class TransferReport:
    """Called on the I/O thread with the bytes transferred so far.

    A transfer of less than 2 s has no artifact.

    Args:
        title: The description of the artifact, such as `Upload of roads.gpkg`.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        # It is written on the I/O thread, whatever the mode of the step is.
        self._progress = ProgressArtifact(ASYNC_MODE, delay=UPDATE_PAUSE)
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Starts a write of the progress if one is due; the transfer does not wait for it."""
        is_busy = self._writing is not None and not self._writing.done()
        if total <= 0 or is_busy or not self._progress.is_due:
            return
        percent = min(100.0, 100 * done / total)
        self._writing = asyncio.get_running_loop().create_task(
            self._progress.write(percent, self._title)
        )

    async def finish(self) -> None:
        """Writes 100 %, if the artifact exists. Runs on the I/O thread."""
        if self._writing is not None:
            await self._writing
        if self._progress.exists:
            await self._progress.write(100.0, self._title, is_last=True)
