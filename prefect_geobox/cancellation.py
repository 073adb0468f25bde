"""What a cancel, a crash or a timeout does to the remote task.

A user's cancel gives the remote task up; an eviction leaves it to the retry; a time limit follows
`on_timeout`. Prefect tells them apart only by the state of the flow run, which is read here, and by
the exception that the waiting code sees. Code in a thread of a task runner sees nothing at all: a
monitor watches on its behalf.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
import threading
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
)
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import TerminationSignal

from prefect_geobox.client.io_thread import io_thread, outlast
from prefect_geobox.client.waiting import Verdict, Waiting
from prefect_geobox.runs import run_logger

logger = logging.getLogger(__name__)

#: What ends a step from outside.
INTERRUPTIONS: Final = (KeyboardInterrupt, asyncio.CancelledError, TerminationSignal)

#: The type of the artifacts that say what a flow run waits for.
WAITS_TYPE: Final = "geobox-waits"

#: Seconds between two reads of a flow run's state, once for all waits of the run.
_STATE_PERIOD: Final = 2.0

#: Seconds between two glances at the main thread.
_GLANCE_PERIOD: Final = 0.2

#: Seconds that reading the state may take when the process is about to end.
_STATE_TIME: Final = 5.0


def judge_blocking(error: BaseException) -> Verdict:
    """What an interruption of blocking code means.

    Args:
        error: What the code saw: Ctrl-C, Prefect's signal for SIGTERM, or its time limit.
    """
    if isinstance(error, KeyboardInterrupt):
        return "cancel"
    if isinstance(error, TerminationSignal):
        return "cancel" if is_run_cancelling() else _left("the process was asked to end")
    # Prefect ends blocking code that is out of time with its own kind of this error.
    return "timeout" if isinstance(error, asyncio.CancelledError) else _left(type(error).__name__)


def judge_awaiting(error: BaseException) -> Awaitable[Verdict]:
    """What the cancellation of a coroutine means.

    Must be called where the cancellation is seen, before a shield is put up; may be awaited later.

    Args:
        error: The cancellation.
    """
    return _judge_cancellation(error, is_out_of_time=_is_out_of_time())


async def _judge_cancellation(error: BaseException, *, is_out_of_time: bool) -> Verdict:
    if is_out_of_time:
        return "timeout"
    run_id = flow_run_id()
    if run_id is not None and _comes_from_termination(error):
        is_cancelling = await outlast(io_thread().submit(_asked(run_id)))
        return "cancel" if is_cancelling else _left("the process was asked to end")
    # Ctrl-C, or code of the flow's own that no longer wants the result.
    return "cancel"


def _is_out_of_time() -> bool:
    """Whether the code is in a cancelled scope, which is how Prefect ends a coroutine in time."""
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    has_limit = (task is not None and task.task.timeout_seconds is not None) or (
        flow is not None and flow.flow is not None and flow.flow.timeout_seconds is not None
    )
    return has_limit and anyio.current_effective_deadline() == -math.inf


def is_run_cancelling() -> bool:
    """Whether this flow run, or one that it is a part of, is being cancelled.

    False outside a run, and where the server does not say in time.
    """
    run_id = flow_run_id()
    return run_id is not None and io_thread().run(_asked(run_id))


async def _asked(run_id: UUID) -> bool:
    try:
        with anyio.fail_after(_STATE_TIME):
            async with get_client() as client:
                states = await _states(client, await lineage(client, run_id))
                return any(state.is_cancelling() or state.is_cancelled() for state in states)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process is about to end
        run_logger().error(
            "It could not be found out whether the run was cancelled: %s", type(error).__name__
        )
        return False


def flow_run_id() -> UUID | None:
    """The flow run that the code belongs to."""
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run.id
    task = TaskRunContext.get()
    return task.task_run.flow_run_id if task is not None else None


async def _states(client: PrefectClient, run_ids: list[UUID]) -> list[State[Any]]:
    states = [(await client.read_flow_run(run_id)).state for run_id in run_ids]
    return [state for state in states if state is not None]


async def lineage(client: PrefectClient, run_id: UUID) -> list[UUID]:
    """A flow run and the runs that it is a part of, outermost last."""
    ids = [run_id]
    while True:
        run = await client.read_flow_run(ids[-1])
        if run.parent_task_run_id is None:
            return ids
        parent = (await client.read_task_run(run.parent_task_run_id)).flow_run_id
        if parent is None or parent in ids:
            return ids
        ids.append(parent)


def _comes_from_termination(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, TerminationSignal):
            return True
        error = error.__context__
    return False


def _left(reason: str) -> Verdict:
    run_logger().warning(
        "The wait ends (%s); its remote tasks go on and are picked up by a retry of this run.",
        reason,
    )
    return "leave"


class _RunMonitor:
    """Watches one flow run for the waits in it. Lives on the I/O thread."""

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id
        self.waits: dict[Waiting, bool] = {}
        self._task: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._client: PrefectClient | None = None
        self._lineage: list[UUID] = []
        self._artifact: UUID | None = None
        self._recorded: list[dict[str, str]] = []

    def add(self, waiting: Waiting, *, is_elsewhere: bool) -> None:
        self.waits[waiting] = is_elsewhere
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._stack.aclose()

    async def _run(self) -> None:
        since_read = 0.0
        while True:
            await asyncio.sleep(_GLANCE_PERIOD)
            since_read += _GLANCE_PERIOD
            signalled = _handled_by_main_thread()
            if isinstance(signalled, KeyboardInterrupt):
                self._end("cancel", only_elsewhere=True)
            is_ending = isinstance(signalled, TerminationSignal)
            if since_read < _STATE_PERIOD and not is_ending:
                continue
            since_read = 0.0
            states = await self._states()
            if any(state.is_cancelling() or state.is_cancelled() for state in states):
                self._end("cancel", only_elsewhere=False)
            elif any(state.name == "TimedOut" for state in states):
                # The flow's time limit has ended it; Prefect now waits for its threads.
                self._end("timeout", only_elsewhere=True)
            elif is_ending and self.waits:
                logger.warning(
                    "The process was asked to end; what was waited for goes on and is picked up by "
                    "a retry of this run."
                )
                self._end("leave", only_elsewhere=True)

    async def _states(self) -> list[State[Any]]:
        """The states of the run and of those that it is a part of; none where they are unknown."""
        try:
            # Made late, so that the many waits that end at once need none.
            if self._client is None:
                self._client = await self._stack.enter_async_context(get_client())
            self._lineage = self._lineage or await lineage(self._client, self._run_id)
            await self._record(self._client)
            return await _states(self._client, self._lineage)
        except Exception:  # noqa: BLE001 - the next read may tell
            return []

    async def _record(self, client: PrefectClient) -> None:
        """Keeps on the server what is waited for, for whoever cleans up after this process."""
        waits = [
            {
                "uuid": uuid,
                "base_url": waiting.settings.base_url,
                "principal": waiting.settings.credential.principal,
            }
            for waiting in self.waits
            if waiting.policy.on_cancel == "abort"
            for uuid in waiting.uuids
        ]
        if waits == self._recorded or not waits:
            return
        if self._artifact is None:
            created = await client.create_artifact(
                ArtifactCreate(
                    type=WAITS_TYPE,
                    description="What this run waits for",
                    data={"waits": waits},
                    flow_run_id=self._run_id,
                )
            )
            self._artifact = created.id
        else:
            await client.update_artifact(self._artifact, ArtifactUpdate(data={"waits": waits}))
        self._recorded = waits

    def _end(self, verdict: Verdict, *, only_elsewhere: bool) -> None:
        for waiting, is_elsewhere in list(self.waits.items()):
            if only_elsewhere and not is_elsewhere:
                # The main thread sees the signal itself.
                continue
            error: BaseException = (
                TerminationSignal(signal.SIGTERM)
                if verdict == "leave"
                else asyncio.CancelledError("the flow run was cancelled or ran out of time")
            )
            del self.waits[waiting]
            waiting.interrupt(verdict, error)


_monitors: dict[UUID, _RunMonitor] = {}


@contextmanager
def watching(waiting: Waiting) -> Iterator[None]:
    """Has a wait end when the flow run that it belongs to is cancelled, or its process ends.

    Args:
        waiting: A wait that is about to begin in this thread.
    """
    run_id = flow_run_id()
    if run_id is None:
        yield
        return
    is_elsewhere = threading.current_thread() is not threading.main_thread()

    async def begin() -> None:
        _monitors.setdefault(run_id, _RunMonitor(run_id)).add(waiting, is_elsewhere=is_elsewhere)

    async def end() -> None:
        monitor = _monitors.get(run_id)
        if monitor is None:
            return
        monitor.waits.pop(waiting, None)
        if not monitor.waits:
            del _monitors[run_id]
            await monitor.close()

    io_thread().submit(begin())
    try:
        yield
    finally:
        io_thread().submit(end())


async def read_waits(prefect: PrefectClient, run_id: UUID) -> list[dict[str, str]]:
    """What a flow run was last known to wait for: uuid, base URL and principal of each."""
    artifacts = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
            type=ArtifactFilterType(any_=[WAITS_TYPE]),
        )
    )
    return [
        wait
        for artifact in artifacts
        if isinstance(artifact.data, dict)
        for wait in artifact.data.get("waits", [])
    ]


def _handled_by_main_thread() -> BaseException | None:
    """The exception that the main thread is handling, such as Ctrl-C while it joins its threads."""
    handled = sys._current_exceptions().get(threading.main_thread().ident or 0)  # noqa: SLF001
    # Up to Python 3.11 it is a triple of type, value and traceback.
    value = handled[1] if isinstance(handled, tuple) else handled
    return value if isinstance(value, BaseException) else None
