"""What crashed runs of a deployment have left, for its next run to take over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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

from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_records import Record, read_record, read_records

#: How many crashed or failed runs are looked at, the newest first.
_MOST_RUNS: Final = 20


async def orphaned_submissions(
    prefect: PrefectClient, run_id: UUID, digest: str
) -> AsyncIterator[Record]:
    """Records of one submission that crashed or failed runs of the same deployment have left.

    Only those that say what came of the submission: whose a remote task is that was never recorded
    cannot be told once another run has begun.

    Args:
        prefect: Reads.
        run_id: The run that is to take over, the outermost one.
        digest: What the slots of equal submissions begin with.
    """
    deployment_id = (await prefect.read_flow_run(run_id)).deployment_id
    if deployment_id is None:
        return
    ended = FlowRunFilterStateType(any_=[StateType.CRASHED, StateType.FAILED])
    runs = await prefect.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=ended),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_MOST_RUNS,
    )
    for run in runs:
        for record in await read_records(prefect, run.id):
            if record.slot.rpartition("-")[0] != digest or run.id == run_id:
                continue
            if record.uuid is None:
                run_logger().warning(
                    "The earlier run %s was about to start this when it ended; look in Geobox "
                    "whether it did.",
                    run.name,
                )
                continue
            yield record


@asynccontextmanager
async def claimed(prefect: PrefectClient, record: Record, new_owner: str) -> AsyncIterator[bool]:
    """Claims a record for the time of a takeover; False where it is, or was, another heir's.

    The claim is a Prefect variable, of which the server makes one of a name. It goes once the
    takeover is marked in the record, or has come to nothing. Where the process dies in between it
    stays, and the heir's own retry goes on with it.

    Args:
        prefect: Claims.
        record: Of an earlier run.
        new_owner: Who claims it, the same in each attempt.
    """
    name = f"geobox-takeover-{record.id}"
    try:
        await prefect.create_variable(VariableCreate(name=name, value=new_owner))
    except ObjectAlreadyExists:
        held = await prefect.read_variable_by_name(name)
        if held is None or held.value != new_owner:
            yield False
            return
    try:
        # It may have been taken over, and the claim given up, since it was read.
        latest = await read_record(prefect, record.id)
        yield latest is not None and latest.data.get("heir") in (None, new_owner)
    finally:
        with suppress(ObjectNotFound):
            await prefect.delete_variable_by_name(name)
