"""What flow runs have recorded of their submissions, read with a blocking client."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterId,
    ArtifactFilterType,
)

from prefect_geobox.ownership.submission_records import RECORD_TYPE, Record, Segment, merged


def segments_of(client: SyncPrefectClient, run_id: UUID | str) -> list[Segment]:
    """The segments of all processes that have worked for an outermost flow run, oldest first."""
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(run_id))]),
            type=ArtifactFilterType(any_=[RECORD_TYPE]),
        )
    )
    heads = sorted(filter(None, map(Segment.of, found)), key=lambda head: head.order)
    segments: list[Segment] = []
    for head in heads:
        ids = ArtifactFilter(id=ArtifactFilterId(any_=list(head.more)))
        more = client.read_artifacts(artifact_filter=ids) if head.more else []
        by_id = {artifact.id: Segment.of(artifact) for artifact in more}
        segments += [*filter(None, map(by_id.get, head.more)), head]
    return segments


def records_of(client: SyncPrefectClient, run_id: UUID | str) -> list[Record]:
    """The records of an outermost flow run, oldest first."""
    return list(merged(segments_of(client, run_id)).values())


def waits_of(client: SyncPrefectClient, run_id: UUID | str) -> list[str]:
    """The uuids that an outermost flow run is recorded to wait for besides its submissions."""
    return [
        uuid
        for segment in segments_of(client, run_id)
        for wait in segment.waits
        for uuid in wait["uuids"]
    ]
