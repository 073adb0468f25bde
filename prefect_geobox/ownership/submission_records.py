"""Records of the submissions of a flow run, by which a retry finds them again.

A record is an artifact on the Prefect server: it survives the process, needs no shared storage, and
is found by the flow run alone. It is written before the request is sent (the intent) and completed
afterwards. The next attempt sees an intent that a crash has left, and looks its submission up.
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

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.ownership.submission_slots import RunPlace, submission_counter

#: The type of the artifacts that are records.
RECORD_TYPE: Final = "geobox-submission"

#: How many records are read at once.
_PAGE: Final = 200

#: Seconds to wait for the uuid of an intent that another process has just recorded.
_UUID_TIMEOUT: Final = 10.0

#: Seconds between two reads in that time.
_UUID_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one submission of a flow run.

    Attributes:
        id: The artifact.
        slot: Which submission of the run it is.
        uuid: Its remote task or file; None for an intent.
        before: The uuids that existed before it was sent; None if they are not known.
        data: The whole content of the artifact.
    """

    id: UUID
    slot: str
    uuid: str | None
    before: frozenset[str] | None
    data: Mapping[str, Any]

    @property
    def companions(self) -> tuple[str, ...]:
        """The other remote tasks that the same request has started."""
        return tuple(self.data.get("companions") or ())

    @classmethod
    def of(cls, artifact: Artifact) -> Record | None:
        """Reads an artifact; None if it is not a usable record."""
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
        place: Where the step is called; the records are those of the outermost flow run.
        task_run_id: The task run that sends the submission.
        slot: Which submission of the run it is.
    """

    def __init__(
        self, prefect: PrefectClient, place: RunPlace, task_run_id: UUID | None, slot: str
    ) -> None:
        self.prefect = prefect
        self.run_id = place.root_id
        self._place = place
        self._task_run_id = task_run_id
        self.slot = slot

    async def read(self) -> list[Record]:
        """All records of the run, oldest first."""
        return await read_records(self.prefect, self.run_id)

    async def find(self, older_than: Record | None = None) -> Record | None:
        """Returns the oldest record of the submission, if it is older than the one given."""
        for record in await self.read():
            if older_than is not None and record.id == older_than.id:
                return None
            if record.slot == self.slot:
                submission_counter().claim(self._place, record.id)
                return record
        return None

    async def find_from(self, path: str, likeness: Mapping[str, Any]) -> Record | None:
        """Returns the record of an earlier attempt that names a local file.

        Args:
            path: The file, as the step was given it.
            likeness: What else the record must say.

        Raises:
            InvalidArgumentError: There are several, and the contents of the file differed.
        """
        counter = submission_counter()
        wanted = {**likeness, "flow_path": list(self._place.path)}
        records = [
            record
            for record in await self.read()
            if (record.data.get("source") or {}).get("path") == path
            and all(record.data.get(name) == value for name, value in wanted.items())
            and counter.is_free(self._place, record.id)
        ]
        if len({record.data["source"].get("sha256") for record in records}) > 1:
            raise InvalidArgumentError(
                f"Earlier attempts of this run have uploaded {len(records)} files with different "
                f"contents from {path!r}: {', '.join(str(record.uuid) for record in records)}. "
                "It cannot be determined which of them is meant. Give each upload its own key, "
                "or start a new run."
            )
        if not records:
            return None
        # One whose answer was not recorded says less than one that names the uploaded file.
        chosen = next((record for record in records if record.uuid is not None), records[0])
        counter.claim(self._place, chosen.id)
        return chosen

    async def wait_for_uuid(self, record: Record) -> Record:
        """Returns the record once its uuid is known, or as it is after 10 s."""
        for _ in range(int(_UUID_TIMEOUT / _UUID_PAUSE)):
            if record.uuid is not None:
                break
            await asyncio.sleep(_UUID_PAUSE)
            latest = {known.id: known for known in await self.read()}
            record = latest.get(record.id, record)
        return record

    async def write(self, data: dict[str, Any]) -> Record:
        """Adds a record."""
        data = {**data, "flow_path": list(self._place.path)}
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
        submission_counter().claim(self._place, record.id)
        return record

    async def complete(self, record: Record, uuid: str, companions: Sequence[str] = ()) -> None:
        """Adds the uuids of what was started to an intent."""
        data = {**record.data, "uuid": uuid, "companions": list(companions), "before": None}
        await self.prefect.update_artifact(
            record.id, ArtifactUpdate(data=data, description=_description(data))
        )

    async def record_new_owner(self, record: Record, new_owner: str) -> None:
        """Marks a record of an earlier run as adopted."""
        data = {**record.data, "new_owner": new_owner}
        await self.prefect.update_artifact(record.id, ArtifactUpdate(data=data))

    async def delete(self, record: Record) -> None:
        """Deletes a record: nothing was started, or it has to be started again."""
        # Another process that resumes the same run may have deleted it first.
        with contextlib.suppress(ObjectNotFound):
            await self.prefect.delete_artifact(record.id)


def _description(data: Mapping[str, Any]) -> str:
    what = data["uuid"] or "not known yet"
    return f"Started by {data['step']} of this run, for a retry to find again: {what}"


async def read_record(prefect: PrefectClient, record_id: UUID) -> Record | None:
    """Reads a record again; None if it no longer exists.

    Args:
        prefect: Reads.
        record_id: The record.
    """
    found = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(id=ArtifactFilterId(any_=[record_id]))
    )
    return Record.of(found[0]) if found else None


async def read_records(prefect: PrefectClient, run_id: UUID) -> list[Record]:
    """Reads the records of a flow run, oldest first.

    Args:
        prefect: Reads.
        run_id: The flow run; for a subflow, its outermost run.
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
