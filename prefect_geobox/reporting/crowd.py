"""How many steps of a flow run end close together, which decides how much is shown of each."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from prefect_geobox.ownership.interruption import flow_run_id

#: Steps that have a summary and log lines of their own at most, where they end close together.
MAX_SEPARATE: Final = 20

#: Seconds within which steps end close together.
_CLOSE_SECONDS: Final = 20.0

#: Flow runs whose steps are counted at most.
_MAX_RUNS: Final = 1000


class Crowd:
    """The steps of one flow run in this process that run now or ended a moment ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active = 0
        self._ended: deque[float] = deque(maxlen=MAX_SEPARATE)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Counts a step while it runs."""
        with self._lock:
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                self._ended.append(time.monotonic())

    @property
    def is_large(self) -> bool:
        """Whether more than 20 steps run or ended within the last 20 s."""
        with self._lock:
            since = time.monotonic() - _CLOSE_SECONDS
            return self._active + sum(ended >= since for ended in self._ended) > MAX_SEPARATE

    @property
    def detail_level(self) -> int:
        """The level of the log lines on the way of a step: in a crowd they are for debugging."""
        return logging.DEBUG if self.is_large else logging.INFO


_crowds: OrderedDict[UUID | None, Crowd] = OrderedDict()
_lock = threading.Lock()


def crowd_of_run() -> Crowd:
    """The steps of the current flow run; those without one count together."""
    run_id = flow_run_id()
    with _lock:
        crowd = _crowds.setdefault(run_id, Crowd())
        _crowds.move_to_end(run_id)
        if len(_crowds) > _MAX_RUNS:
            _crowds.popitem(last=False)
        return crowd
