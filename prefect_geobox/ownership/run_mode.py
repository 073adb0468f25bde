"""How one implementation serves both twins of a task.

The steps are written once, as coroutines. A sync twin drives its coroutine in the calling thread
with `Blocking`, whose operations block and never suspend; an async twin awaits it with `Awaiting`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import anyio
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
    create_markdown_artifact,
    create_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.subscription import WaitUpdate
from prefect_geobox.client.polling.wait_call import ABORT_TIME, InterruptionCause, WaitCall
from prefect_geobox.ownership.interruption import classify_awaiting, classify_blocking
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.run_monitor import monitored

T = TypeVar("T")

#: Seconds that a start that is under way may take once its caller is interrupted.
_START_TIME: Final = 15.0

#: Seconds that the last words of an interrupted step may take.
_LAST_TIME: Final = 3.0

#: Threads that write an artifact at the same time.
_WRITERS: Final = 4


class _Desk:
    """Where the threads of a process write artifacts, a few at a time.

    The threads of a flow run share one client, and the work of its pool grows with the square of
    the requests that stand before it: five hundred at once cost half a minute of CPU.

    A time limit of Prefect's raises in a thread wherever that is. A semaphore would then lose the
    place, or the word that one is free; a plain lock loses neither.
    """

    def __init__(self) -> None:
        self._clear()
        if hasattr(os, "register_at_fork"):
            # Whoever had a place is not there any more.
            os.register_at_fork(after_in_child=self._clear)

    def _clear(self) -> None:
        self._places = itertools.cycle([threading.Lock() for _ in range(_WRITERS)])

    def place(self) -> threading.Lock:
        """A place to write at, once whoever came there before has left it."""
        return next(self._places)


_desk = _Desk()


#: What is done about something that was started for a step that is interrupted.
Abandon = Callable[[T, InterruptionCause], Coroutine[Any, Any, object]]


class WaitListener(Protocol):
    """Shows what a wait tells."""

    async def __call__(self, update: WaitUpdate) -> None:
        """Shows one update."""


class RunMode(Protocol):
    """The operations that differ between sync and async code."""

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a client's verb on the I/O thread."""

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Runs to its end what must not be cut short, such as the start of a remote task.

        Args:
            work: Starts it.
            abandon: Told what was started, and what it means that the step was interrupted in the
                meantime: the user's cancel, a time limit, or neither.
        """

    async def wait(self, waiting: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Waits for remote tasks and shows how that goes."""

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Runs something short once the step is interrupted and can await nothing any more."""

    async def create_markdown(self, key: str, markdown: str, description: str) -> None:
        """Leaves a markdown artifact."""

    async def create_progress(self, percent: float, description: str) -> UUID:
        """Leaves a progress artifact on the run."""

    async def update_progress(self, artifact: UUID, percent: float, description: str) -> None:
        """Updates a progress artifact in place."""


class SyncMode:
    """Blocks the calling thread; its coroutines never suspend."""

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Blocks until the verb is done."""
        return io_thread().run(work)

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Blocks until it is started, even where the thread is interrupted."""
        future = io_thread().submit(work)
        try:
            return future.result()
        except Exception:
            raise
        except BaseException as interruption:
            ending = _end_start(future, classify_blocking(interruption), abandon)
            io_thread().submit(ending).result(_START_TIME + ABORT_TIME + 5)
            raise

    async def wait(self, waiting: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Blocks until the remote tasks have ended."""
        with monitored(waiting):
            return waiting.run(
                lambda update: run_to_completion(listener(update)), classify_blocking
            )

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Blocks for a moment."""
        io_thread().submit(work).result(_LAST_TIME)

    async def create_markdown(self, key: str, markdown: str, description: str) -> None:
        """Leaves a markdown artifact."""
        with _desk.place():
            create_markdown_artifact(markdown, key=key, description=description)

    async def create_progress(self, percent: float, description: str) -> UUID:
        """Leaves a progress artifact on the run."""
        with _desk.place():
            artifact = create_progress_artifact(percent, description=description)
        assert isinstance(artifact, UUID)  # noqa: S101 - sync code gets no coroutine
        return artifact

    async def update_progress(self, artifact: UUID, percent: float, description: str) -> None:
        """Updates a progress artifact in place."""
        # Prefect's own function leaves a connection open with each call.
        with _desk.place(), get_client(sync_client=True) as client:
            client.update_artifact(artifact, ArtifactUpdate(data=percent, description=description))


class AsyncMode:
    """Awaits on the calling event loop."""

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits the verb."""
        return await io_thread().arun(work)

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Awaits that it is started, even where the coroutine is cancelled."""
        future = io_thread().submit(work)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError as interruption:
            classification = classify_awaiting(interruption)
            with anyio.CancelScope(shield=True):
                ending = _end_start(future, await classification, abandon)
                await await_despite_cancellation(io_thread().submit(ending))
            raise

    async def wait(self, waiting: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Awaits the end of the remote tasks."""
        with monitored(waiting):
            return await waiting.arun(listener, classify_awaiting)

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Awaits for a moment, behind a shield."""
        with anyio.CancelScope(shield=True):
            await await_despite_cancellation(io_thread().submit(asyncio.wait_for(work, _LAST_TIME)))

    async def create_markdown(self, key: str, markdown: str, description: str) -> None:
        """Leaves a markdown artifact."""
        await acreate_markdown_artifact(markdown, key=key, description=description)

    async def create_progress(self, percent: float, description: str) -> UUID:
        """Leaves a progress artifact on the run."""
        return await acreate_progress_artifact(percent, description=description)

    async def update_progress(self, artifact: UUID, percent: float, description: str) -> None:
        """Updates a progress artifact in place."""
        await aupdate_progress_artifact(artifact, percent, description=description)


async def _end_start(
    future: concurrent.futures.Future[T],
    cause: InterruptionCause,
    abandon: Abandon[T],
) -> None:
    """Lets a start end whose step was interrupted, and gives up what came of it."""
    try:
        started = await asyncio.wait_for(
            asyncio.shield(asyncio.wrap_future(future)), timeout=_START_TIME
        )
    except Exception as error:  # noqa: BLE001 - the interruption matters more
        run_logger().error(
            "The step was interrupted while it started a remote task, and it is not known what "
            "came of that; a retry of this run looks it up. %s: %s",
            type(error).__name__,
            error,
        )
        return
    await abandon(started, cause)


SYNC_MODE: RunMode = SyncMode()
ASYNC_MODE: RunMode = AsyncMode()


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine whose operations are those of `Blocking` to its end, in this thread.

    Raises:
        RuntimeError: It suspended, so one of its operations was not a blocking one.
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a blocking step tried to suspend")
