"""Adoption: the next run of a deployment owns what a crashed run has started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from prefect_geobox.client.read_once import ReadOnce
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_records import Record, read_records

#: How many crashed or failed runs are searched, the newest first.
_MAX_RUNS: Final = 20


@dataclass(frozen=True, slots=True)
class Orphan:
    """A submission that an earlier run of the deployment has left.

    Attributes:
        run_id: The earlier run, the outermost one.
        record: Its record.
    """

    run_id: UUID
    record: Record


async def orphaned_submissions(
    prefect: PrefectClient, run_id: UUID, digest: str
) -> AsyncIterator[Orphan]:
    """Yields records of a submission that crashed or failed runs of the same deployment have left.

    Records without a uuid are logged and left out: once another run has begun, it is not possible
    to tell which run has started a remote task that was never recorded.

    Args:
        prefect: Reads.
        run_id: The adopting run, the outermost one.
        digest: What the slots of equal submissions begin with.
    """
    left = await _orphans.get(run_id, lambda: _read_orphans(prefect, run_id))
    for name, orphan in left:
        if orphan.record.slot.rpartition("-")[0] != digest:
            continue
        if orphan.record.uuid is None:
            run_logger().warning(
                "The earlier run %s was about to start this when it ended; check in Geobox "
                "whether it was started.",
                name,
            )
            continue
        yield orphan


#: What earlier runs have left, read once for each adopting run: their records do not change any
#: more, and who adopts one looks again whether another run has.
_orphans: Final[ReadOnce[UUID, list[tuple[str, Orphan]]]] = ReadOnce(100)


async def _read_orphans(prefect: PrefectClient, run_id: UUID) -> list[tuple[str, Orphan]]:
    deployment_id = (await prefect.read_flow_run(run_id)).deployment_id
    if deployment_id is None:
        return []
    ended = FlowRunFilterStateType(any_=[StateType.CRASHED, StateType.FAILED])
    runs = await prefect.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=ended),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_MAX_RUNS,
    )
    return [
        (run.name, Orphan(run.id, record))
        for run in runs
        if run.id != run_id
        for record in await read_records(prefect, run.id)
    ]


@asynccontextmanager
async def claimed(prefect: PrefectClient, orphan: Orphan, new_owner: str) -> AsyncIterator[bool]:
    """Claims a record during its adoption; yields False if another run claims or has adopted it.

    The claim is a Prefect variable: the server creates only one of each name. It is deleted when
    the adoption is recorded or has failed. If the process dies in between, the claim remains, and
    a retry of the same run continues with it.

    Args:
        prefect: Creates and deletes the claim.
        orphan: What an earlier run has left.
        new_owner: The adopting run and slot, the same in each attempt.
    """
    name = f"geobox-adoption-{orphan.record.id}"
    try:
        await prefect.create_variable(VariableCreate(name=name, value=new_owner))
    except ObjectAlreadyExists:
        held = await prefect.read_variable_by_name(name)
        if held is None or held.value != new_owner:
            yield False
            return
    try:
        # Another run may have adopted it, and deleted its claim, since it was read.
        records = await read_records(prefect, orphan.run_id)
        latest = next((each for each in records if each.id == orphan.record.id), None)
        yield latest is not None and latest.data.get("new_owner") in (None, new_owner)
    finally:
        with suppress(ObjectNotFound):
            await prefect.delete_variable_by_name(name)
