"""Creates and updates the artifacts that a run page shows, on the I/O thread."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import TaskRunContext

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.ownership.interruption import flow_run_id
from prefect_geobox.ownership.prefect_api import prefect_api

#: Artifacts that are written at the same time. The work of a connection pool grows with the square
#: of the requests that wait in it: five hundred at once cost half a minute of CPU.
_CONCURRENT_WRITES: Final = 4

#: Seconds of an outage of the Prefect server that a write tolerates; a step waits for its artifact.
_OUTAGE_SECONDS: Final = 60.0

_write_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def create_markdown(mode: RunMode, key: str, markdown: str, description: str) -> None:
    """Creates a markdown artifact of the current run.

    Args:
        mode: Blocking or awaiting.
        key: Its key.
        markdown: Its content.
        description: What the page says above it.
    """
    await mode.call(_create(artifact_of_run("markdown", markdown, description, key)))


async def create_markdown_on_exit(mode: RunMode, key: str, markdown: str, description: str) -> None:
    """Creates a markdown artifact of the current flow run after the code was interrupted.

    It has 3 s. Outside a flow run nothing is written.

    Args:
        mode: Blocking or awaiting.
        key: Its key.
        markdown: Its content.
        description: What the page says above it.
    """
    if flow_run_id() is not None:
        await mode.run_on_exit(_create(artifact_of_run("markdown", markdown, description, key)))


async def create_progress(mode: RunMode, percent: float, description: str) -> UUID:
    """Creates a progress artifact of the current run.

    Args:
        mode: Blocking or awaiting.
        percent: 0 to 100.
        description: What the page says above it.

    Returns:
        Its id.
    """
    return await mode.call(_create(artifact_of_run("progress", percent, description)))


async def update_progress(mode: RunMode, artifact: UUID, percent: float, description: str) -> None:
    """Updates a progress artifact in place.

    Args:
        mode: Blocking or awaiting.
        artifact: Its id.
        percent: 0 to 100.
        description: What the page says above it.
    """
    await mode.call(_update(artifact, ArtifactUpdate(data=percent, description=description)))


def artifact_of_run(
    kind: str, data: Any, description: str, key: str | None = None
) -> ArtifactCreate:
    """Returns an artifact of the current run, to be created.

    Args:
        kind: Its type.
        data: Its content.
        description: What the page says above it.
        key: Its key.
    """
    task = TaskRunContext.get()
    return ArtifactCreate(
        key=key,
        type=kind,
        description=description,
        data=data,
        flow_run_id=flow_run_id(),
        task_run_id=task.task_run.id if task is not None else None,
    )


async def _create(artifact: ArtifactCreate) -> UUID:
    async with _write_slot():
        return (await (await prefect_api(_OUTAGE_SECONDS)).create_artifact(artifact)).id


async def _update(artifact: UUID, update: ArtifactUpdate) -> None:
    async with _write_slot():
        await (await prefect_api(_OUTAGE_SECONDS)).update_artifact(artifact, update)


def _write_slot() -> asyncio.Semaphore:
    """One of the slots of the I/O thread, to be held during a write."""
    loop = asyncio.get_running_loop()
    return _write_slots.setdefault(loop, asyncio.Semaphore(_CONCURRENT_WRITES))
