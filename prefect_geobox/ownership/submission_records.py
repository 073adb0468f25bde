"""Records of what a flow run has started, by which a retry finds it again.

A record is an artifact on the Prefect server: it survives the process, needs no shared storage, and
is found by the flow run alone. It is written before anything is sent (the intent) and completed
afterwards, so that a crash in between is seen by the next try, which looks the remote up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterId,
    ArtifactFilterType,
)
from prefect.client.schemas.objects import Artifact
from prefect.exceptions import ObjectNotFound

#: The type of the artifacts that are records.
RECORD_TYPE: Final = "geobox-submission"

#: How many records are read at once.
_PAGE: Final = 200

#: Seconds to wait for another process that has just recorded the same intent.
_RIVAL_TIME: Final = 10.0


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

    @property
    def companions(self) -> tuple[str, ...]:
        """Other remote tasks that the same request has started."""
        return tuple(self.data.get("companions") or ())

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


class SubmissionLog:
    """The records of one submission of a flow run.

    Args:
        prefect: Reads and writes.
        run_id: The flow run, the outermost one.
        task_run_id: The task run that makes the submission.
        slot: Which submission of the run it is.
    """

    def __init__(
        self, prefect: PrefectClient, run_id: UUID, task_run_id: UUID | None, slot: str
    ) -> None:
        self.prefect = prefect
        self.run_id = run_id
        self._task_run_id = task_run_id
        self.slot = slot

    async def read(self) -> list[Record]:
        """All records of the run, oldest first."""
        return await read_records(self.prefect, self.run_id)

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
        """Adds a record, the intent or what came of it."""
        artifact = await self.prefect.create_artifact(
            ArtifactCreate(
                type=RECORD_TYPE,
                description=_description(data),
                data=data,
                flow_run_id=self.run_id,
                task_run_id=self._task_run_id,
            )
        )
        record = Record.of(artifact)
        assert record is not None  # noqa: S101 - it has just been written
        return record

    async def complete(self, record: Record, uuid: str, companions: Sequence[str] = ()) -> None:
        """Adds to an intent what came of it."""
        data = {**record.data, "uuid": uuid, "companions": list(companions), "before": None}
        await self.prefect.update_artifact(
            record.id, ArtifactUpdate(data=data, description=_description(data))
        )

    async def hand_over(self, record: Record, new_owner: str) -> None:
        """Marks a record of an earlier run as taken over."""
        data = {**record.data, "heir": new_owner}
        await self.prefect.update_artifact(record.id, ArtifactUpdate(data=data))

    async def delete(self, record: Record) -> None:
        """Forgets a record whose submission came to nothing."""
        # Another process that takes up the same run may have been faster.
        with contextlib.suppress(ObjectNotFound):
            await self.prefect.delete_artifact(record.id)


def _description(data: Mapping[str, Any]) -> str:
    what = data["uuid"] or "not known yet"
    return f"Started by {data['step']} of this run, for a retry to find again: {what}"


async def read_record(prefect: PrefectClient, record_id: UUID) -> Record | None:
    """A record as it is now; None where it is no longer there.

    Args:
        prefect: Reads.
        record_id: The record.
    """
    found = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(id=ArtifactFilterId(any_=[record_id]))
    )
    return Record.of(found[0]) if found else None


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
