"""Shows an upload or a download while it goes on, as one progress artifact."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from prefect_geobox.ownership.run_context import is_in_run, run_logger

#: Seconds before the first artifact, and between two updates of it.
_PAUSE: Final = 2.0


class TransferReport:
    """Told on the I/O thread how many bytes have gone; a short transfer leaves no artifact.

    Args:
        title: What goes, such as `Upload of roads.gpkg`.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._logger = run_logger()
        self._is_shown = is_in_run()
        self._at = time.monotonic()
        self._artifact: UUID | None = None
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Takes up how far it is."""
        now = time.monotonic()
        is_busy = self._writing is not None and not self._writing.done()
        if not self._is_shown or total <= 0 or is_busy or now - self._at < _PAUSE:
            return
        self._at = now
        percent = min(100.0, 100 * done / total)
        # Written beside the transfer, which does not wait for it.
        self._writing = asyncio.get_running_loop().create_task(self._write(percent))

    async def finish(self) -> None:
        """Writes the end, where a progress was shown. Runs on the I/O thread."""
        if self._writing is not None:
            await self._writing
        if self._artifact is not None:
            await self._write(100.0)

    async def _write(self, percent: float) -> None:
        try:
            if self._artifact is None:
                self._artifact = await acreate_progress_artifact(percent, description=self._title)
            else:
                await aupdate_progress_artifact(self._artifact, percent, description=self._title)
        except Exception as error:  # noqa: BLE001 - a transfer does not fail for not being shown
            self._is_shown = False
            self._logger.warning("The progress is no longer shown: %s", type(error).__name__)
