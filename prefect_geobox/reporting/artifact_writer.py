"""Creates and updates the artifacts that a run page shows, in both run modes."""

from __future__ import annotations

import itertools
import os
import threading
from typing import Final
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
    create_markdown_artifact,
    create_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import TaskRunContext

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.ownership.interruption import flow_run_id

#: Threads that write an artifact at the same time.
_CONCURRENT_WRITES: Final = 4


class _WriteSlots:
    """Limits concurrent artifact writes to four.

    The threads of a flow run share one client, and the work of its connection pool grows with the
    square of the requests that wait in it: five hundred at once cost half a minute of CPU.

    Each slot is a plain lock. Prefect's time limit raises an exception in a thread wherever that
    is: a semaphore could then lose a slot for good, or miss that one is free.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            # The threads that held a slot do not exist in the child.
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._slots = itertools.cycle([threading.Lock() for _ in range(_CONCURRENT_WRITES)])

    def next(self) -> threading.Lock:
        """The next slot in turn, to be held during the write."""
        return next(self._slots)


_write_slots = _WriteSlots()


async def create_markdown(mode: RunMode, key: str, markdown: str, description: str) -> None:
    """Creates a markdown artifact of the current run.

    Args:
        mode: Blocking or awaiting.
        key: Its key.
        markdown: Its content.
        description: What the page says above it.
    """

    def create() -> None:
        with _write_slots.next():
            create_markdown_artifact(markdown, key=key, description=description)

    async def acreate() -> None:
        await acreate_markdown_artifact(markdown, key=key, description=description)

    await mode.call_variant(create, acreate)


async def create_markdown_on_exit(mode: RunMode, key: str, markdown: str, description: str) -> None:
    """Creates a markdown artifact of the current flow run after the code was interrupted.

    It has 3 s. Outside a flow run nothing is written.

    Args:
        mode: Blocking or awaiting.
        key: Its key.
        markdown: Its content.
        description: What the page says above it.
    """
    run_id, task = flow_run_id(), TaskRunContext.get()
    if run_id is None:
        return
    artifact = ArtifactCreate(
        key=key,
        type="markdown",
        description=description,
        data=markdown,
        flow_run_id=run_id,
        task_run_id=task.task_run.id if task is not None else None,
    )

    async def create() -> None:
        async with get_client() as client:
            await client.create_artifact(artifact)

    await mode.run_on_exit(create())


async def create_progress(mode: RunMode, percent: float, description: str) -> UUID:
    """Creates a progress artifact of the current run.

    Args:
        mode: Blocking or awaiting.
        percent: 0 to 100.
        description: What the page says above it.

    Returns:
        Its id.
    """

    def create() -> UUID:
        with _write_slots.next():
            artifact = create_progress_artifact(percent, description=description)
        assert isinstance(artifact, UUID)  # noqa: S101 - sync code gets no coroutine
        return artifact

    async def acreate() -> UUID:
        return await acreate_progress_artifact(percent, description=description)

    return await mode.call_variant(create, acreate)


async def update_progress(mode: RunMode, artifact: UUID, percent: float, description: str) -> None:
    """Updates a progress artifact in place.

    Args:
        mode: Blocking or awaiting.
        artifact: Its id.
        percent: 0 to 100.
        description: What the page says above it.
    """

    def update() -> None:
        # Prefect's own function leaves a connection open with each call.
        with _write_slots.next(), get_client(sync_client=True) as client:
            client.update_artifact(artifact, ArtifactUpdate(data=percent, description=description))

    async def aupdate() -> None:
        await aupdate_progress_artifact(artifact, percent, description=description)

    await mode.call_variant(update, aupdate)
