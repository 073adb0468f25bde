"""Writes the summaries of steps behind them, in order, so that no step waits for its page.

They are on the server before the flow run ends: a hook of the run waits for what is left. The end
of the process waits too, for some seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate

from prefect_geobox.client.http.io_thread import on_stop
from prefect_geobox.client.work_behind import work_behind
from prefect_geobox.ownership.prefect_api import prefect_api, put_artifact
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.reporting.steps_table import (
    TABLE_KEY,
    StepRow,
    table_description,
    table_markdown,
)

#: Seconds of an outage of the Prefect server that a write tolerates.
_OUTAGE_SECONDS: Final = 60.0

#: Seconds between two writes of a table: at least, and as a share of its age.
_TABLE_PAUSE: Final = 2.0
_PAUSE_PER_AGE: Final = 0.25

#: Seconds for the last writes of a process.
_LAST_WRITES_SECONDS: Final = 3.0

#: Tables that a process keeps at most.
_MAX_TABLES: Final = 1000


@dataclass
class _Table:
    run_id: UUID
    api: PrefectClient
    rows: list[StepRow] = field(default_factory=list)
    artifact_id: UUID | None = None
    written: int = 0
    has_failed: bool = False
    began: float = field(default_factory=time.monotonic)
    written_at: float = field(default_factory=time.monotonic)

    @property
    def due_at(self) -> float:
        """When it is written next, on the monotonic clock."""
        return self.written_at + max(_TABLE_PAUSE, _PAUSE_PER_AGE * (self.written_at - self.began))


class SummaryQueue:
    """The summaries of this process that are not written yet. Lives on the I/O thread."""

    def __init__(self) -> None:
        self._artifacts: deque[tuple[PrefectClient, ArtifactCreate]] = deque()
        self._tables: OrderedDict[UUID, _Table] = OrderedDict()
        self._changed = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._is_writing = asyncio.Lock()

    async def put(self, artifact: ArtifactCreate) -> None:
        """Adds a summary of a step."""
        self._artifacts.append((await prefect_api(_OUTAGE_SECONDS), artifact))
        self._wake()

    async def put_row(self, run_id: UUID, row: StepRow) -> None:
        """Adds a row to the table of a flow run."""
        api = await prefect_api(_OUTAGE_SECONDS)
        table = self._tables.setdefault(run_id, _Table(run_id, api))
        table.api = api
        table.rows.append(row)
        self._wake()

    async def flush(self) -> None:
        """Writes all that is left."""
        while self._artifacts:
            await self._write_next()
        for table in list(self._tables.values()):
            await self._write_table(table, is_last=True)
        async with self._is_writing:
            # What another task was writing is written now.
            pass
        while len(self._tables) > _MAX_TABLES:
            self._tables.popitem(last=False)

    def _wake(self) -> None:
        self._changed.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while True:
            self._changed.clear()
            while self._artifacts:
                await self._write_next()
            open_tables = [each for each in self._tables.values() if each.written < len(each.rows)]
            if not open_tables and not self._artifacts:
                return
            now = time.monotonic()
            for table in open_tables:
                if table.due_at <= now:
                    await self._write_table(table)
            pause = min((table.due_at for table in open_tables), default=now) - time.monotonic()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.05, pause))

    async def _write_next(self) -> None:
        async with self._is_writing:
            if not self._artifacts:
                return
            api, artifact = self._artifacts.popleft()
            try:
                await _tolerated(lambda: api.create_artifact(artifact))
            except BaseException:
                # Whoever is cancelled leaves it to the next one.
                self._artifacts.appendleft((api, artifact))
                raise

    async def _write_table(self, table: _Table, *, is_last: bool = False) -> None:
        async with self._is_writing:
            # One that could not be written is tried again with the next row, and at the end.
            if table.written == len(table.rows) and not (is_last and table.has_failed):
                return
            rows, before = list(table.rows), table.written
            table.written, table.written_at = len(rows), time.monotonic()
            content: dict[str, Any] = {
                "data": table_markdown(rows),
                "description": f"Geobox: {table_description(rows)}",
            }
            try:
                table.has_failed = not await _tolerated(lambda: self._send_table(table, content))
            except BaseException:
                table.written = before
                raise

    async def _send_table(self, table: _Table, content: Mapping[str, Any]) -> None:
        fixed = {"key": TABLE_KEY, "type": "markdown", "flow_run_id": str(table.run_id)}
        table.artifact_id = await put_artifact(table.api, table.artifact_id, content, fixed)


async def _tolerated(write: Callable[[], Awaitable[object]]) -> bool:
    """Whether a write has succeeded; a failure is logged."""
    try:
        await write()
    except Exception as error:  # noqa: BLE001 - a step does not fail because it cannot be shown
        run_logger().warning("The summary could not be saved: %s: %s", type(error).__name__, error)
        return False
    return True


_queues: dict[asyncio.AbstractEventLoop, SummaryQueue] = {}

if hasattr(os, "register_at_fork"):
    # What the parent has not written is the parent's.
    os.register_at_fork(after_in_child=_queues.clear)


def summary_queue() -> SummaryQueue:
    """The queue of this process. Called on the I/O thread."""
    return _queues.setdefault(asyncio.get_running_loop(), SummaryQueue())


async def _flush_at_end() -> None:
    await work_behind.flush(is_exit=True)
    queue = _queues.pop(asyncio.get_running_loop(), None)
    if queue is not None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(queue.flush(), _LAST_WRITES_SECONDS)


on_stop(_flush_at_end)
