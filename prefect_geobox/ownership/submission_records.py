"""Records of the submissions of a flow run, as they are kept on the Prefect server.

A record survives the process, needs no shared storage, and is found by the flow run alone. Each
process that works for a run keeps the records of its own submissions in artifacts of its own, the
segments. The first one, the head, is on the page of the outermost flow run and names the others,
which are on no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterId,
    ArtifactFilterType,
)
from prefect.client.schemas.objects import Artifact

from prefect_geobox.ownership.prefect_api import put_artifact

#: The type of the artifacts that hold records.
RECORD_TYPE: Final = "geobox-submission"

#: The type of the artifacts that name the new owner of a record.
ADOPTION_TYPE: Final = "geobox-adoption"

#: How many artifacts are read at once.
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one submission of a flow run.

    Attributes:
        id: Its identifier.
        slot: Which submission of the run it is.
        uuid: Its remote task or file; None for an intent.
        before: The uuids that existed before it was sent; None if they are not known.
        data: What else is recorded.
        is_deleted: Whether nothing was started, or it has to be started again.
    """

    id: str
    slot: str
    uuid: str | None
    before: frozenset[str] | None
    data: Mapping[str, Any]
    is_deleted: bool = False

    @property
    def companions(self) -> tuple[str, ...]:
        """The other remote tasks that the same request has started."""
        return tuple(self.data.get("companions") or ())


@dataclass(frozen=True, slots=True)
class Segment:
    """One artifact with records of one process.

    Attributes:
        artifact_id: The artifact.
        process: The process that writes it.
        order: Tells which of two heads is the older one: when the server created it.
        updated: When it was last written.
        records: The records, oldest first.
        waits: What the process waits for besides: uuids with their account and flow runs.
        more: The other segments of the process, oldest first; only of a head.
        is_head: Whether it is the first segment of its process.
    """

    artifact_id: UUID
    process: str
    order: tuple[datetime, UUID]
    updated: datetime
    records: tuple[Record, ...]
    waits: tuple[Mapping[str, Any], ...]
    more: tuple[UUID, ...]
    is_head: bool

    @classmethod
    def of(cls, artifact: Artifact) -> Segment | None:
        """Reads an artifact; None if it is not a usable segment."""
        data = artifact.data
        if not isinstance(data, dict) or not isinstance(data.get("process"), str):
            return None
        if artifact.created is None or artifact.updated is None:
            return None
        before_sets = [frozenset(each) for each in data.get("before") or ()]
        return cls(
            artifact.id,
            data["process"],
            (artifact.created, artifact.id),
            artifact.updated,
            tuple(_decoded(each, before_sets) for each in data.get("records") or ()),
            tuple(data.get("waits") or ()),
            tuple(UUID(each) for each in data.get("more") or ()),
            artifact.flow_run_id is not None,
        )


def _decoded(row: Mapping[str, Any], before_sets: list[frozenset[str]]) -> Record:
    data = dict(row)
    index = data.pop("before", None)
    return Record(
        data.pop("id"),
        data.pop("slot"),
        data.pop("uuid", None),
        before_sets[index] if index is not None else None,
        data,
        bool(data.pop("deleted", False)),
    )


def segment_data(
    process: str,
    records: Iterable[Record],
    waits: Iterable[Mapping[str, Any]] = (),
    more: Iterable[UUID] = (),
) -> dict[str, Any]:
    """Returns the content of the artifact of a segment.

    What existed before is kept once for all records that share it.

    Args:
        process: The process that writes it.
        records: The records, oldest first.
        waits: What the process waits for besides.
        more: The other segments of the process.
    """
    before_sets: dict[frozenset[str], int] = {}
    rows: list[dict[str, Any]] = []
    for record in records:
        row = {**record.data, "id": record.id, "slot": record.slot, "uuid": record.uuid}
        if record.before is not None:
            row["before"] = before_sets.setdefault(record.before, len(before_sets))
        if record.is_deleted:
            row["deleted"] = True
        rows.append(row)
    return {
        "process": process,
        "records": rows,
        "before": [sorted(before) for before in before_sets],
        "waits": list(waits),
        "more": [str(each) for each in more],
    }


async def read_heads(prefect: PrefectClient, run_id: UUID) -> list[Segment]:
    """Reads the first segment of each process that has worked for a flow run, oldest first.

    Args:
        prefect: Reads.
        run_id: The outermost flow run.
    """
    found = map(Segment.of, await _read(prefect, run_id, RECORD_TYPE))
    heads: dict[str, Segment] = {}
    for head in sorted((each for each in found if each is not None), key=lambda each: each.order):
        # A request that was repeated after a broken connection leaves two: one is never written
        # again, and still has what was deleted since.
        first = heads.get(head.process, head)
        if head.updated >= first.updated:
            heads[head.process] = replace(head, order=first.order)
    return list(heads.values())


async def read_segments(
    prefect: PrefectClient, heads: Iterable[Segment], known: Mapping[UUID, Segment] | None = None
) -> list[Segment]:
    """Reads the other segments of processes, and returns all of them, oldest first.

    Args:
        prefect: Reads.
        heads: The first segments of the processes, oldest first.
        known: Segments that are not read again.
    """
    heads, known = list(heads), known or {}
    wanted = [each for head in heads for each in head.more if each not in known]
    found = dict(known)
    for begin in range(0, len(wanted), _PAGE):
        artifacts = await prefect.read_artifacts(
            artifact_filter=ArtifactFilter(id=ArtifactFilterId(any_=wanted[begin : begin + _PAGE])),
            limit=_PAGE,
        )
        segments = map(Segment.of, artifacts)
        found |= {each.artifact_id: each for each in segments if each is not None}
    return [
        segment
        for head in heads
        for segment in (*(found[each] for each in head.more if each in found), head)
    ]


def merged(segments: Iterable[Segment]) -> dict[str, Record]:
    """Returns the records of segments by their identifiers, oldest first, without deleted ones.

    A later process says the last word about a record of an earlier one.

    Args:
        segments: The segments, oldest first.
    """
    records: dict[str, Record] = {}
    for segment in segments:
        for record in segment.records:
            records[record.id] = record
    return {record.id: record for record in records.values() if not record.is_deleted}


async def read_records(prefect: PrefectClient, run_id: UUID) -> list[Record]:
    """Reads the records of a flow run, oldest first, with the new owners of those adopted.

    Args:
        prefect: Reads.
        run_id: The flow run; for a subflow, its outermost run.
    """
    records = merged(await read_segments(prefect, await read_heads(prefect, run_id)))
    for artifact in await _read(prefect, run_id, ADOPTION_TYPE):
        data = artifact.data if isinstance(artifact.data, dict) else {}
        record = records.get(str(data.get("record")))
        if record is not None:
            adopted = {**record.data, "new_owner": data.get("new_owner")}
            records[record.id] = Record(record.id, record.slot, record.uuid, record.before, adopted)
    return list(records.values())


async def read_waits(
    prefect: PrefectClient, root_id: UUID, run_id: UUID
) -> list[tuple[str, str, str]]:
    """Reads what a flow run was last recorded to wait for besides its own submissions.

    Args:
        prefect: Reads.
        root_id: The outermost flow run.
        run_id: The flow run; what its subflows wait for is among it.

    Returns:
        The base URL, the principal and the uuid of each.
    """
    segments = await read_segments(prefect, await read_heads(prefect, root_id))
    return [
        (wait["base_url"], wait["principal"], uuid)
        for segment in segments
        for wait in segment.waits
        if str(run_id) in wait["runs"]
        for uuid in wait["uuids"]
    ]


async def record_new_owner(
    prefect: PrefectClient, run_id: UUID, record: Record, new_owner: str
) -> None:
    """Marks a record of an earlier run as adopted.

    Args:
        prefect: Writes.
        run_id: The earlier run.
        record: Its record.
        new_owner: The run and slot that own it from now on.
    """
    await prefect.create_artifact(
        ArtifactCreate(
            type=ADOPTION_TYPE,
            description=f"{record.uuid} belongs to a later run of this deployment now",
            data={"record": record.id, "new_owner": new_owner},
            flow_run_id=run_id,
        )
    )


async def delete_records(prefect: PrefectClient, run_id: UUID, ids: Iterable[str]) -> None:
    """Deletes records of a flow run that has ended, whichever process has written them.

    Args:
        prefect: Reads and writes.
        run_id: The outermost flow run.
        ids: The records.
    """
    gone = set(ids)
    heads = await read_heads(prefect, run_id)
    for segment in await read_segments(prefect, heads):
        kept = [record for record in segment.records if record.id not in gone]
        if len(kept) < len(segment.records):
            data = segment_data(segment.process, kept, segment.waits, segment.more)
            await put_artifact(prefect, segment.artifact_id, {"data": data}, {"type": RECORD_TYPE})


async def _read(prefect: PrefectClient, run_id: UUID, kind: str) -> list[Artifact]:
    artifacts: list[Artifact] = []
    while True:
        page = await prefect.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
                type=ArtifactFilterType(any_=[kind]),
            ),
            limit=_PAGE,
            offset=len(artifacts),
        )
        artifacts += page
        if len(page) < _PAGE:
            return artifacts
