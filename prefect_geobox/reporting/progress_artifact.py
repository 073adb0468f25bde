"""The progress artifact of a wait, an upload or a download."""

from __future__ import annotations

import time
from typing import Final
from uuid import UUID

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.ownership.run_context import is_in_run, run_logger
from prefect_geobox.reporting.artifact_writer import create_progress, update_progress
from prefect_geobox.reporting.crowd import crowd_of_run

#: The shortest pause between two updates of a progress artifact, in seconds.
UPDATE_PAUSE: Final = 2.0

#: The longest. A tenth of its age in between: who looks at a wait of an hour waits half a minute.
_LONGEST_PAUSE: Final = 30.0
_PAUSE_PER_AGE: Final = 0.1

#: Writes of progress artifacts a second, for all waits and transfers of a process, and how many may
#: come at once. Prefect Cloud counts the requests of an account by the minute.
_WRITES_PER_SECOND: Final = 1.0
_WRITES_AT_ONCE: Final = 5.0


class _WriteBudget:
    """How many writes of progress artifacts are left for the process at present."""

    def __init__(self) -> None:
        self._left = _WRITES_AT_ONCE
        self._at = time.monotonic()

    def take(self) -> bool:
        """Takes one if there is one; threads that meet here may take one too many."""
        now = time.monotonic()
        self._left = min(_WRITES_AT_ONCE, self._left + _WRITES_PER_SECOND * (now - self._at))
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


_write_budget = _WriteBudget()


class ProgressArtifact:
    """One progress artifact of the current run, created by its first write, updated in place.

    It is written at most every 2 s, and less often as it grows old, down to every 30 s. A write
    that fails is logged, ends the reporting, and never raises.

    Args:
        mode: How the artifact is written.
        delay: Seconds before the first write.
    """

    def __init__(self, mode: RunMode, *, delay: float = 0.0) -> None:
        self._mode = mode
        self._is_shown = is_in_run()
        self._crowd = crowd_of_run()
        self._began = time.monotonic()
        self._due_at = self._began + delay
        self._artifact: UUID | None = None
        self._written: tuple[float, str] | None = None

    @property
    def exists(self) -> bool:
        """Whether it has been created."""
        return self._artifact is not None

    @property
    def is_due(self) -> bool:
        """Whether it is shown at all and the pause since the last write is over."""
        return self._is_shown and time.monotonic() >= self._due_at

    async def write(self, percent: float, description: str, *, is_last: bool = False) -> None:
        """Creates or updates it, if that is due and changes anything.

        Args:
            percent: 0 to 100.
            description: What the page says above it.
            is_last: Whether nothing is written after this, so that it may not be left out.
        """
        content = (percent, description)
        if not self._is_shown or content == self._written:
            return
        if self._artifact is None and self._crowd.is_large:
            # Among many steps, the progress of each is of no use.
            return
        if not is_last and not (self.is_due and _write_budget.take()):
            return
        now = time.monotonic()
        self._due_at, self._written = now + _pause_at_age(now - self._began), content
        try:
            if self._artifact is None:
                self._artifact = await create_progress(self._mode, percent, description)
            else:
                await update_progress(self._mode, self._artifact, percent, description)
        except Exception as error:  # noqa: BLE001 - nothing fails because it cannot be shown
            self._is_shown = False
            run_logger().warning("The progress is no longer shown: %s", type(error).__name__)


def _pause_at_age(age: float) -> float:
    """Seconds between two updates of a progress artifact that is this many seconds old."""
    return min(_LONGEST_PAUSE, max(UPDATE_PAUSE, _PAUSE_PER_AGE * age))
