"""Writes the records of a flow run, those of many steps with one request.

Intents that come while a write is under way go with the next one, as in the group commit of a
database. An intent is on the server before its submission is sent. What has become of it is written
without anyone waiting: if a crash comes first, a look-up finds what the record would name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient

from prefect_geobox.client.read_once import ReadOnce
from prefect_geobox.ownership.prefect_api import put_artifact
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_records import (
    RECORD_TYPE,
    Record,
    Segment,
    merged,
    read_heads,
    read_segments,
    segment_data,
)

#: Bytes of a segment at most: each write of the head sends all of it.
_SEGMENT_BYTES: Final = 30_000

#: Bytes of waits in one segment at most, and what a uuid takes of them.
_WAIT_BYTES: Final = 20_000
_UUID_BYTES: Final = 40

#: Seconds before a change that no step waits for is written, so that others can go with it.
_DELAY: Final = 0.25


@dataclass
class _Part:
    """A segment of this process: what it holds, and whether the server has that."""

    records: dict[str, Record] = field(default_factory=dict)
    waits: list[Mapping[str, Any]] = field(default_factory=list)
    bytes: int = 0
    artifact_id: UUID | None = None
    is_dirty: bool = False


class RunLedger:
    """The records of one flow run in this process. Lives on the I/O thread.

    Args:
        run_id: The outermost flow run.
    """

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self._prefect: PrefectClient | None = None
        self._process = uuid4().hex
        self._order: tuple[datetime, UUID] | None = None
        # What this process has written or changed, and all it knows, oldest first.
        self._head = _Part()
        self._full: list[_Part] = []
        self._wait_parts: list[_Part] = []
        self._mine: set[str] = set()
        self._waits: dict[UUID, Sequence[Mapping[str, Any]]] = {}
        self._theirs: list[Segment] = []
        self._records: dict[str, Record] = {}
        self._by_slot: dict[str, dict[str, None]] = {}
        self._opening: ReadOnce[UUID, None] = ReadOnce(1)
        self._intents: list[tuple[Record, asyncio.Future[None]]] = []
        self._is_urgent = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._is_writing = asyncio.Lock()
        # What was read earlier never takes the place of what was read later.
        self._is_reading = asyncio.Lock()

    async def open(self, prefect: PrefectClient) -> None:
        """Reads what other processes have recorded for the run, the first time.

        Args:
            prefect: Reads and writes from now on.
        """
        self._prefect = prefect
        await self._opening.get(self.run_id, self.refresh)

    def records(self) -> list[Record]:
        """All records of the run, oldest first."""
        return list(self._records.values())

    def find(self, slot: str) -> Record | None:
        """The oldest record of a submission; None if there is none."""
        ids = self._by_slot.get(slot)
        return self._records[next(iter(ids))] if ids else None

    def get(self, record_id: str) -> Record | None:
        """A record as it is known now; None if it is deleted."""
        return self._records.get(record_id)

    def rival_of(self, intent: Record) -> Record | None:
        """The record of another process for the same submission; None if there is none."""
        for record_id in self._by_slot.get(intent.slot, ()):
            if self._part_of(record_id) is None:
                return self._records[record_id]
        return None

    def is_older_than(self, rival: Record) -> bool:
        """Whether this process began to record before the one with the rival did."""
        processes = {
            segment.process
            for segment in self._theirs
            if any(record.id == rival.id for record in segment.records)
        }
        orders = [head.order for head in self._theirs if head.process in processes and head.is_head]
        return self._order is not None and all(self._order < order for order in orders)

    async def refresh(self, *, is_thorough: bool = True) -> None:
        """Reads what other processes have recorded.

        Args:
            is_thorough: Whether segments that are known are read again: they only change by the
                ends of submissions.
        """
        async with self._is_reading:
            await self._read(is_thorough=is_thorough)

    async def _read(self, *, is_thorough: bool) -> None:
        heads = await read_heads(self._api, self.run_id)
        self._order = next((h.order for h in heads if h.process == self._process), self._order)
        others = [head for head in heads if head.process != self._process]
        if not others:
            return
        known = {} if is_thorough else {each.artifact_id: each for each in self._theirs}
        self._theirs = await read_segments(self._api, others, known)
        self._records, self._by_slot = merged(self._theirs), {}
        for part in self._parts:
            self._records.update(part.records)
        for record in list(self._records.values()):
            if record.is_deleted:
                del self._records[record.id]
            else:
                self._by_slot.setdefault(record.slot, {})[record.id] = None

    async def add(self, record: Record) -> None:
        """Adds an intent, and returns when it is on the server.

        Raises:
            PrefectApiError: It could not be written, and is not kept.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._mine.add(record.id)
        self._put(record)
        self._intents.append((record, written))
        self._is_urgent.set()
        self._wake()
        try:
            await written
        except BaseException:
            # Nothing of it has been sent yet.
            self.delete(record)
            raise

    def change(self, record: Record) -> None:
        """Replaces a record, or adds one that nothing depends on; it is written soon."""
        if record.id not in self._records:
            self._mine.add(record.id)
        self._put(record)
        self._wake()

    def delete(self, record: Record) -> None:
        """Deletes a record: nothing was started, or it has to be started again."""
        self._records.pop(record.id, None)
        self._by_slot.get(record.slot, {}).pop(record.id, None)
        part = self._part_of(record.id)
        if record.id not in self._mine:
            # The segments of another process are left as they are.
            gone = replace(record, is_deleted=True)
            part = part or self._room_for(gone)
            part.records[record.id] = gone
        elif part is not None:
            del part.records[record.id]
        if part is not None:
            part.is_dirty = True
        self._wake()

    def note_waits(self, run_id: UUID, waits: Sequence[Mapping[str, Any]]) -> None:
        """Replaces what a flow run waits for besides its own submissions; it is written soon.

        Args:
            run_id: The flow run.
            waits: The uuids of each account, with the flow run and its ancestor runs.
        """
        self._waits[run_id] = waits
        owned = {
            uuid
            for record in self._records.values()
            if record.uuid is not None
            for uuid in (record.uuid, *record.companions)
        }
        pages = _pages(
            {**wait, "uuids": [uuid for uuid in wait["uuids"] if uuid not in owned]}
            for each in self._waits.values()
            for wait in each
        )
        while len(self._wait_parts) < len(pages) - 1:
            self._wait_parts.append(_Part())
        pages += [[]] * (1 + len(self._wait_parts) - len(pages))
        for part, page in zip((self._head, *self._wait_parts), pages, strict=True):
            if part.waits != page:
                part.waits, part.is_dirty = page, True
        self._wake()

    async def flush(self) -> None:
        """Writes what is not written yet."""
        while self._is_dirty or self._intents or self._is_writing.locked():
            await self._commit()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be written."""
        return not (self._is_dirty or self._intents or self._is_writing.locked())

    @property
    def _api(self) -> PrefectClient:
        assert self._prefect is not None  # noqa: S101 - `open` comes first
        return self._prefect

    @property
    def _parts(self) -> tuple[_Part, ...]:
        """What this process writes, the head last."""
        return (*self._wait_parts, *self._full, self._head)

    @property
    def _is_dirty(self) -> bool:
        return any(part.is_dirty for part in self._parts)

    def _wake(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._is_dirty or self._intents:
            if not self._intents:
                self._is_urgent.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._is_urgent.wait(), _DELAY)
            try:
                await self._commit()
            except Exception as error:  # noqa: BLE001 - a look-up finds what is not recorded
                run_logger().warning(
                    "What has become of the steps could not be recorded on the Prefect server: %s",
                    error,
                )
                return

    async def _commit(self) -> None:
        async with self._is_writing:
            intents, self._intents = self._intents, []
            try:
                await self._write_parts()
                if intents:
                    # Now it is sure that of two processes at least one sees the other's intent.
                    await self.refresh(is_thorough=False)
            except Exception as error:
                _settle(intents, error)
                if not intents:
                    raise
            except BaseException:
                # Who has made the write is cancelled; the others still wait for theirs.
                left = [each for each in intents if not each[1].done()]
                if left:
                    self._intents[:0] = left
                    self._wake()
                raise
            else:
                _settle(intents, None)

    async def _write_parts(self) -> None:
        # The head comes last: what it names is there, and what has left it is there too.
        for part in self._parts[:-1]:
            await self._save(part)
        # More may have left it meanwhile.
        while new := [each for each in self._full if each.is_dirty and each.artifact_id is None]:
            await self._save(new[0])
        await self._save(self._head)

    async def _save(self, part: _Part) -> None:
        if not part.is_dirty:
            return
        part.is_dirty, known = False, part.artifact_id
        try:
            await self._write_part(part)
        except BaseException:
            part.is_dirty = True
            raise
        if part is not self._head and part.artifact_id != known:
            self._head.is_dirty = True

    async def _write_part(self, part: _Part) -> None:
        is_head = part is self._head
        named = [each.artifact_id for each in self._parts if each is not part] if is_head else []
        more = [each for each in named if each is not None]
        data = segment_data(self._process, part.records.values(), part.waits, more)
        content: dict[str, Any] = {"data": data}
        if is_head:
            content["description"] = self._description()
        fixed = {"type": RECORD_TYPE} | ({"flow_run_id": str(self.run_id)} if is_head else {})
        part.artifact_id = await put_artifact(self._api, part.artifact_id, content, fixed)

    def _description(self) -> str:
        mine = [record for record in self._records.values() if record.id in self._mine]
        kinds = [record.data.get("kind") for record in mine]
        files = kinds.count("file")
        counts = [(len(kinds) - files, "remote task"), (files, "file")]
        parts = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count]
        what = "Bookkeeping of this run, by which a retry finds what it has started"
        return f"{what}: {' and '.join(parts) or 'what it waits for'}"

    def _part_of(self, record_id: str) -> _Part | None:
        return next((part for part in reversed(self._parts) if record_id in part.records), None)

    def _put(self, record: Record) -> None:
        self._records[record.id] = record
        self._by_slot.setdefault(record.slot, {})[record.id] = None
        part = self._part_of(record.id) or self._room_for(record)
        part.records[record.id] = record
        part.is_dirty = True

    def _room_for(self, record: Record) -> _Part:
        """The head; where it would grow too large, what it holds makes way first."""
        size = len(json.dumps(segment_data("", [replace(record, before=None)])["records"]))
        if record.before is not None and all(
            other.before != record.before for other in self._head.records.values()
        ):
            size += sum(len(uuid) + 4 for uuid in record.before)
        if self._head.records and self._head.bytes + size > _SEGMENT_BYTES:
            self._full.append(_Part(self._head.records, bytes=self._head.bytes, is_dirty=True))
            self._head.records, self._head.bytes = {}, 0
        self._head.bytes += size
        return self._head


def _pages(waits: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Divides waits so that no segment grows too large."""
    pages: list[list[Mapping[str, Any]]] = [[]]
    room = _WAIT_BYTES
    for wait in waits:
        uuids = wait["uuids"]
        frame = len(json.dumps({**wait, "uuids": []}))
        while uuids:
            if room < frame + _UUID_BYTES:
                pages.append([])
                room = _WAIT_BYTES
            number = max(1, (room - frame) // _UUID_BYTES)
            pages[-1].append({**wait, "uuids": uuids[:number]})
            room -= frame + _UUID_BYTES * len(uuids[:number])
            uuids = uuids[number:]
    return pages


def _settle(
    intents: Iterable[tuple[Record, asyncio.Future[None]]], error: Exception | None
) -> None:
    for _, written in intents:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
