"""The records of one submission of a flow run, and the ledgers that write them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.context import FlowRunContext, TaskRunContext

from prefect_geobox.client.http.io_thread import on_stop
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_ledger import RunLedger
from prefect_geobox.ownership.submission_records import Record
from prefect_geobox.ownership.submission_slots import (
    RunPlace,
    read_run_place,
    submission_counter,
)

#: Seconds between two signs that a submission is still being sent: fewer than a look-up takes.
_SIGN_PAUSE: Final = 4.0

#: Seconds without a sign after which another process is taken to have ended.
_RIVAL_TIMEOUT: Final = 10.0

#: Seconds between two reads in that time.
_RIVAL_PAUSE: Final = 0.5

#: Seconds for the last writes of a process, of all its ledgers together.
_LAST_WRITES_SECONDS: Final = 3.0

#: Ledgers that a process keeps at most, where flow runs do not end in it.
_MAX_LEDGERS: Final = 100


class SubmissionLog:
    """The records of one submission of a flow run. Lives on the I/O thread.

    Args:
        prefect: Reads and writes.
        ledger: The records of the outermost flow run.
        place: Where the step is called.
        task_run_id: The task run that sends the submission.
        slot: Which submission of the run it is.
    """

    def __init__(
        self,
        prefect: PrefectClient,
        ledger: RunLedger,
        place: RunPlace,
        task_run_id: UUID | None,
        slot: str = "",
    ) -> None:
        self.prefect = prefect
        self.run_id = place.root_id
        self.place = place
        self.slot = slot
        self._ledger = ledger
        self._task_run_id = task_run_id

    async def read(self) -> list[Record]:
        """All records of the run, oldest first, those of other processes as they are now."""
        await self._ledger.refresh()
        return self._ledger.records()

    def find(self) -> Record | None:
        """The oldest record of the submission; None if there is none."""
        record = self._ledger.find(self.slot)
        if record is not None:
            submission_counter().claim(self.place, record.id)
        return record

    def find_from(self, path: str, likeness: Mapping[str, Any]) -> Record | None:
        """Returns the record of an earlier attempt that names a local file.

        Args:
            path: The file, as the step was given it.
            likeness: What else the record must say.

        Raises:
            InvalidArgumentError: There are several, and the contents of the file differed.
        """
        counter = submission_counter()
        wanted = {**likeness, "flow_path": list(self.place.path)}
        records = [
            record
            for record in self._ledger.records()
            if (record.data.get("source") or {}).get("path") == path
            and all(record.data.get(name) == value for name, value in wanted.items())
            and counter.is_free(self.place, record.id)
        ]
        if len({record.data["source"].get("sha256") for record in records}) > 1:
            uuids = [str(record.uuid or "one without an answer") for record in records]
            raise InvalidArgumentError(
                f"Earlier attempts of this run have uploaded {len(records)} files with different "
                f"contents from {path!r}: {', '.join(uuids)}. "
                "It cannot be determined which of them is meant. Give each upload its own key, "
                "or start a new run."
            )
        if not records:
            return None
        # One whose answer was not recorded says less than one that names the uploaded file.
        chosen = next((record for record in records if record.uuid is not None), records[0])
        counter.claim(self.place, chosen.id)
        return chosen

    async def add_intent(self, data: Mapping[str, Any], before: frozenset[str] | None) -> Record:
        """Adds an intent, and returns when it is on the server."""
        record = self._new(data, before)
        await self._ledger.add(record)
        return record

    def add_known(self, data: Mapping[str, Any], uuid: str) -> None:
        """Adds the record of a submission whose uuid is known; it is written soon."""
        self._ledger.change(replace(self._new(data, None), uuid=uuid))

    def complete(self, record: Record, uuid: str, companions: Sequence[str] = ()) -> None:
        """Adds the uuids of what was started to an intent; they are written soon."""
        data = {**record.data, "companions": list(companions)}
        self._ledger.change(Record(record.id, record.slot, uuid, None, data))

    def delete(self, record: Record) -> None:
        """Deletes a record: nothing was started, or it has to be started again."""
        self._ledger.delete(record)

    async def settle_with_rival(self, intent: Record) -> tuple[bool, Record | None]:
        """Decides between two processes that have recorded an intent for the same submission.

        The process that began to record first has the right to send. Where the other one had not
        seen its intent, it has sent already, which is waited for.

        Args:
            intent: The intent of this process, which is on the server.

        Returns:
            Whether the intent is still valid, and the record of the other process; None where this
            process is to send.
        """
        rival = self._ledger.rival_of(intent)
        if rival is None:
            return True, None
        is_first = self._ledger.is_older_than(rival)
        if not is_first:
            # On the server, too: the other process may wait for it.
            self.delete(intent)
            await self._ledger.flush()
        latest = await self._outcome_of(self._ledger.get(rival.id))
        if is_first and latest is not None:
            self.delete(intent)
        if latest is not None:
            submission_counter().claim(self.place, latest.id)
        return is_first and latest is None, latest

    @contextlib.asynccontextmanager
    async def sending(self, intent: Record) -> AsyncIterator[None]:
        """Shows other processes that a submission is being sent, however long that takes."""
        signs = asyncio.get_running_loop().create_task(self._give_signs(intent.id))
        try:
            yield
        finally:
            signs.cancel()

    async def settled(self, record: Record) -> Record | None:
        """An intent as it is now; one that a process still sends, once that has ended.

        Args:
            record: The intent as it was before it was looked up.

        Returns:
            Its record; None if it is deleted.
        """
        await self._ledger.refresh()
        latest = self._ledger.get(record.id)
        is_sent = latest is not None and _signs(latest) != _signs(record)
        return await self._outcome_of(latest) if is_sent else latest

    async def _outcome_of(self, intent: Record | None) -> Record | None:
        latest, silent = intent, 0.0
        while latest is not None and latest.uuid is None and silent < _RIVAL_TIMEOUT:
            signs = _signs(latest)
            await asyncio.sleep(_RIVAL_PAUSE)
            await self._ledger.refresh()
            latest = self._ledger.get(latest.id)
            is_silent = latest is not None and _signs(latest) == signs
            silent = silent + _RIVAL_PAUSE if is_silent else 0.0
        return latest

    async def _give_signs(self, record_id: str) -> None:
        while True:
            await asyncio.sleep(_SIGN_PAUSE)
            latest = self._ledger.get(record_id)
            if latest is None or latest.uuid is not None:
                return
            signed = {**latest.data, "signs": _signs(latest) + 1}
            self._ledger.change(replace(latest, data=signed))

    def _new(self, data: Mapping[str, Any], before: frozenset[str] | None) -> Record:
        known = {
            **data,
            "flow_path": list(self.place.path),
            "task_run": str(self._task_run_id) if self._task_run_id is not None else None,
        }
        record = Record(uuid4().hex, self.slot, None, before, known)
        submission_counter().claim(self.place, record.id)
        return record


def _signs(record: Record) -> int:
    return int(record.data.get("signs") or 0)


async def open_log() -> SubmissionLog | None:
    """The log of the step that calls, still without a slot; None outside a flow run.

    Runs on the I/O thread, in the context of the task run.
    """
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is None or flow.flow_run is None:
        return None
    prefect = await prefect_api()
    place = await read_run_place(prefect, flow.flow_run)
    ledger = await ledger_of(prefect, place.root_id)
    return SubmissionLog(prefect, ledger, place, task.task_run.id if task is not None else None)


_ledgers: OrderedDict[UUID, RunLedger] = OrderedDict()

if hasattr(os, "register_at_fork"):
    # A child has no part in what its parent has begun to write.
    os.register_at_fork(after_in_child=_ledgers.clear)


async def ledger_of(prefect: PrefectClient, run_id: UUID) -> RunLedger:
    """The ledger of a flow run in this process. Lives on the I/O thread.

    Args:
        prefect: Reads and writes.
        run_id: The outermost flow run.
    """
    for other in [each for each in _ledgers.values() if each.is_idle]:
        if len(_ledgers) < _MAX_LEDGERS:
            break
        if other.run_id != run_id:
            del _ledgers[other.run_id]
    ledger = _ledgers.setdefault(run_id, RunLedger(run_id))
    _ledgers.move_to_end(run_id)
    await ledger.open(prefect)
    return ledger


async def close_ledger(prefect: PrefectClient, run_id: UUID) -> None:
    """Writes what is left of the ledger of a flow run, and forgets it. Runs on the I/O thread.

    Args:
        prefect: Writes.
        run_id: The outermost flow run.
    """
    ledger = _ledgers.get(run_id)
    if ledger is not None:
        await ledger.open(prefect)
        await ledger.flush()
        _ledgers.pop(run_id, None)


async def _flush_all() -> None:
    flushes = [ledger.flush() for ledger in _ledgers.values()]
    # The process is about to end; a look-up finds what is not recorded.
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(
            asyncio.gather(*flushes, return_exceptions=True), _LAST_WRITES_SECONDS
        )
    _ledgers.clear()


on_stop(_flush_all)
