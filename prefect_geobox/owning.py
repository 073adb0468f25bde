"""Records of what a flow run has started, by which a retry finds it again.

A record is an artifact on the Prefect server: it survives the process, needs no shared storage, and
is found by the flow run alone. It is written before anything is sent (the intent) and completed
afterwards, so that a crash in between is seen by the next try, which looks the remote up.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, Literal
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
)
from prefect.client.schemas.objects import Artifact, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound

from prefect_geobox.cancellation import lineage
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.errors import (
    AmbiguousSubmissionError,
    GeoboxError,
    LostContactError,
    NotFoundError,
)
from prefect_geobox.client.models import RemoteTask, TaskState
from prefect_geobox.client.submission import Found, Submission

#: The type of the artifacts that are records.
RECORD_TYPE: Final = "geobox-submission"

#: How many records are read at once.
_PAGE: Final = 200

#: Seconds to wait for another process that has just recorded the same intent.
_RIVAL_TIME: Final = 10.0

#: Bytes of a file that are read at once.
_CHUNK: Final = 1024 * 1024

OnGone = Literal["resubmit", "fail"]


class Decision(str, Enum):
    """What a step did instead of, or besides, starting something."""

    FRESH = "started"
    REATTACHED = "re-attached"
    FINISHED = "already finished"
    FOUND = "found after a crash"
    RENEWED = "failed before, started anew"
    RESUBMITTED = "gone, started anew"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one submission of a flow run.

    Attributes:
        id: The artifact.
        slot: Which submission of the run it is.
        uuid: What came of it; None where only the intent is known.
        before: What was there before it was sent; None where that is not known.
        data: All of it.
    """

    id: UUID
    slot: str
    uuid: str | None
    before: frozenset[str] | None
    data: Mapping[str, Any]

    @classmethod
    def of(cls, artifact: Artifact) -> Record | None:
        """Reads an artifact; None where it is no usable record."""
        data = artifact.data
        if not isinstance(data, dict) or not isinstance(data.get("slot"), str):
            return None
        before = data.get("before")
        return cls(
            artifact.id,
            data["slot"],
            data.get("uuid"),
            frozenset(before) if isinstance(before, list) else None,
            data,
        )


@dataclass(frozen=True, slots=True)
class Step(Generic[Found]):
    """Something that a step wants to have started exactly once.

    Attributes:
        name: The step's name with hyphens.
        submission: How it is sent, and found again.
        read: Reads what came of it by its uuid.
        inputs: What makes it this submission and no other; JSON values, no secret.
        key: Tells apart what has the same inputs on purpose.
        on_cancel: What becomes of it when the user cancels the run.
        on_gone: What to do where a retry finds that it is no longer there.
    """

    name: str
    submission: Submission[Found]
    read: Callable[[str], Awaitable[Found]]
    inputs: Mapping[str, Any]
    key: str | None = None
    on_cancel: str = "abort"
    on_gone: OnGone = "fail"


class _Slots:
    """Numbers equal submissions within one attempt of a flow run.

    A retry that makes the same calls finds the same numbers, and so does a retried task run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, int, str], int] = {}
        self._of_task_run: dict[tuple[UUID, str], list[str]] = {}

    def next(self, run_id: UUID, attempt: int, task_run: TaskRun | None, digest: str) -> str:
        """The slot of the submission that is about to be made."""
        with self._lock:
            own: list[str] = []
            if task_run is not None:
                own = self._of_task_run.setdefault((task_run.id, digest), [])
                made = self._count(task_run.id, task_run.run_count, digest)
                if made < len(own):
                    return own[made]
            slot = f"{digest}-{self._count(run_id, attempt, digest)}"
            own.append(slot)
            return slot

    def _count(self, run_id: UUID, attempt: int, digest: str) -> int:
        count = self._counts.get((run_id, attempt, digest), 0)
        self._counts[run_id, attempt, digest] = count + 1
        return count


_slots = _Slots()


async def start_once(client: AsyncGeoboxClient, step: Step[Found]) -> tuple[Found, Decision]:
    """Starts something for the flow run, or finds what an earlier attempt has started.

    Runs on the I/O thread, in the context of the task run. Outside a flow run nothing is recorded.

    Args:
        client: Sends and reads.
        step: What to start.

    Raises:
        NotFoundError: It was started and is gone, and `on_gone` is "fail".
        AmbiguousSubmissionError: It may have been started, and the server cannot tell.
        GeoboxError: It was not started.
    """
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    run = flow.flow_run if flow is not None else None
    if run is None:
        return await client.submit(step.submission), Decision.FRESH
    async with get_client() as prefect:
        root = (await lineage(prefect, run.id))[-1]
        digest = _digest(client, step)
        task_run = task.task_run if task else None
        # A subflow is part of an attempt of the outermost run, whatever its own count says.
        attempt = run.run_count if root == run.id else (await prefect.read_flow_run(root)).run_count
        slot = _slots.next(root, attempt, task_run, digest)
        ledger = _Ledger(prefect, root, task_run.id if task_run else None, slot)
        return await _start_once(client, step, ledger)


async def _start_once(
    client: AsyncGeoboxClient, step: Step[Found], ledger: _Ledger
) -> tuple[Found, Decision]:
    earlier = await ledger.find()
    decision = Decision.FRESH
    if earlier is not None and earlier.uuid is not None:
        found, decision = await _resume(client, step, ledger, earlier)
        if found is not None:
            return found, decision
    # One at a time, so that a crash leaves one in doubt and not several.
    async with (await client.session()).submissions.turn(step.submission):
        if earlier is not None and earlier.uuid is None:
            found, decision = await _resume(client, step, ledger, earlier)
            if found is not None:
                return found, decision
        return await _start(client, step, ledger, decision)


async def _start(
    client: AsyncGeoboxClient, step: Step[Found], ledger: _Ledger, decision: Decision
) -> tuple[Found, Decision]:
    before = await client.before(step.submission)
    intent = await ledger.write(_record(client, step, ledger.slot, before))
    rival = await ledger.find(other_than=intent)
    if rival is not None:
        # Another process runs this attempt too, and was first.
        await ledger.delete(intent)
        found, decision = await _resume(client, step, ledger, await ledger.settled(rival))
        if found is not None:
            return found, decision
        intent = await ledger.write(_record(client, step, ledger.slot, before))
    try:
        started = await client.submit(step.submission, before)
    except LostContactError as error:
        await ledger.complete(intent, error.task.uuid)
        raise
    except AmbiguousSubmissionError:
        # The intent stays: a retry must not start it blindly.
        raise
    except GeoboxError:
        await ledger.delete(intent)
        raise
    await ledger.complete(intent, started.uuid)
    return started, decision


async def _resume(
    client: AsyncGeoboxClient, step: Step[Found], ledger: _Ledger, record: Record
) -> tuple[Found | None, Decision]:
    """What came of an earlier attempt, or None and why it has to be started anew."""
    decision = Decision.REATTACHED
    uuid = record.uuid
    if uuid is None:
        found = await _found(client, step, ledger, record)
        if found is None:
            await ledger.delete(record)
            return None, Decision.FRESH
        await ledger.complete(record, found.uuid)
        return found, Decision.FOUND
    try:
        found = await step.read(uuid)
    except NotFoundError as error:
        if step.on_gone == "fail":
            error.add_advice(
                f"An earlier attempt of this run has started {uuid}, and it is gone. To have it "
                'started anew, pass on_gone="resubmit".'
            )
            raise
        await ledger.delete(record)
        return None, Decision.RESUBMITTED
    if isinstance(found, RemoteTask):
        if found.state in (TaskState.FAILURE, TaskState.ABORTED):
            await ledger.delete(record)
            return None, Decision.RENEWED
        decision = Decision.FINISHED if found.is_final else Decision.REATTACHED
    return found, decision


async def _found(
    client: AsyncGeoboxClient, step: Step[Found], ledger: _Ledger, record: Record
) -> Found | None:
    """What came of an intent whose process is gone."""
    if record.before is None:
        return None
    others = [other for other in await ledger.read() if other.id != record.id]
    # What others have recorded is theirs. What they have only intended looks the same as this: with
    # such a one, nobody can tell whose a new one is.
    known = frozenset(other.uuid for other in others if other.uuid is not None)
    likeness = (step.submission.kind, step.submission.alike)
    rivals = [
        other
        for other in others
        if other.uuid is None and (other.data.get("kind"), other.data.get("alike")) == likeness
    ]
    return await client.find(step.submission, record.before | known, is_alone=not rivals)


def _digest(client: AsyncGeoboxClient, step: Step[Any]) -> str:
    settings = client.settings
    identity = [
        step.name,
        step.key,
        settings.base_url,
        settings.credential.principal,
        dict(step.inputs),
    ]
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _record(
    client: AsyncGeoboxClient, step: Step[Any], slot: str, before: frozenset[str] | None
) -> dict[str, Any]:
    settings = client.settings
    return {
        "step": step.name,
        "kind": step.submission.kind,
        "alike": step.submission.alike,
        "slot": slot,
        "uuid": None,
        "before": None if before is None else sorted(before),
        "base_url": settings.base_url,
        "principal": settings.credential.principal,
        "on_cancel": step.on_cancel,
    }


class _Ledger:
    """The records of one submission of a flow run."""

    def __init__(
        self, prefect: PrefectClient, run_id: UUID, task_run_id: UUID | None, slot: str
    ) -> None:
        self._prefect = prefect
        self._run_id = run_id
        self._task_run_id = task_run_id
        self.slot = slot

    async def read(self) -> list[Record]:
        """All records of the run, oldest first."""
        return await read_records(self._prefect, self._run_id)

    async def find(self, other_than: Record | None = None) -> Record | None:
        """The oldest record of the submission, but only one older than the one named."""
        for record in await self.read():
            if other_than is not None and record.id == other_than.id:
                return None
            if record.slot == self.slot:
                return record
        return None

    async def settled(self, record: Record) -> Record:
        """The record once its uuid is known, or as it is after a while."""
        for _ in range(int(_RIVAL_TIME / 0.5)):
            if record.uuid is not None:
                break
            await asyncio.sleep(0.5)
            latest = {known.id: known for known in await self.read()}
            record = latest.get(record.id, record)
        return record

    async def write(self, data: dict[str, Any]) -> Record:
        artifact = await self._prefect.create_artifact(
            ArtifactCreate(
                type=RECORD_TYPE,
                description=_description(data),
                data=data,
                flow_run_id=self._run_id,
                task_run_id=self._task_run_id,
            )
        )
        record = Record.of(artifact)
        assert record is not None  # noqa: S101 - it has just been written
        return record

    async def complete(self, record: Record, uuid: str) -> None:
        data = {**record.data, "uuid": uuid, "before": None}
        await self._prefect.update_artifact(
            record.id, ArtifactUpdate(data=data, description=_description(data))
        )

    async def delete(self, record: Record) -> None:
        # Another process that takes up the same run may have been faster.
        with contextlib.suppress(ObjectNotFound):
            await self._prefect.delete_artifact(record.id)


def _description(data: Mapping[str, Any]) -> str:
    what = data["uuid"] or "not known yet"
    return f"Started by {data['step']} of this run, for a retry to find again: {what}"


async def read_records(prefect: PrefectClient, run_id: UUID) -> list[Record]:
    """The records of a flow run, oldest first.

    Args:
        prefect: Reads.
        run_id: The flow run; for a subflow, the run that it is a part of.
    """
    artifacts: list[Artifact] = []
    while True:
        page = await prefect.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
                type=ArtifactFilterType(any_=[RECORD_TYPE]),
            ),
            limit=_PAGE,
            offset=len(artifacts),
        )
        artifacts += page
        if len(page) < _PAGE:
            break
    artifacts.sort(key=lambda artifact: (artifact.created, artifact.id))
    return [record for record in map(Record.of, artifacts) if record is not None]


async def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content, read in a worker thread."""

    def digest() -> str:
        sha = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
        return sha.hexdigest()

    return await asyncio.to_thread(digest)
