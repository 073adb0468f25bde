"""Watches a flow run on behalf of the waits in it that nothing else would end.

Code in a thread of a task runner sees neither a cancel nor a signal nor the end of its flow, and
neither does the main thread while its event loop stands still in the `result()` of a future. One
monitor for each flow run reads the run's state and looks at the main thread from outside.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
)
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal

from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.polling.wait_call import InterruptionCause, WaitCall
from prefect_geobox.ownership.interruption import ancestor_run_ids, flow_run_id, states_of

logger = logging.getLogger(__name__)

#: The type of the artifacts that say what a flow run waits for.
WAITS_TYPE: Final = "geobox-waits"

#: Seconds between two reads of a flow run's state, once for all waits of the run.
_STATE_PERIOD: Final = 2.0

#: Seconds between two glances at the main thread.
_MAIN_THREAD_POLL_SECONDS: Final = 0.2

#: The same while waits are being ended.
_ENDING_PERIOD: Final = 0.02

#: Seconds after which an event loop that does not answer stands still.
_UNRESPONSIVE_SECONDS: Final = 0.3

#: Seconds that Prefect has to end a flow in time before it is done here.
_LIMIT_GRACE: Final = 0.5


class _RunMonitor:
    """Watches one flow run for the waits in it. Lives on the I/O thread.

    Args:
        run_id: The flow run.
        deadline: When the flow's time limit ends, on the monotonic clock; None where it has none.
    """

    def __init__(self, run_id: UUID, deadline: float | None) -> None:
        self._run_id = run_id
        self._deadline = deadline
        self._waits: dict[WaitCall, bool] = {}
        self._ending: set[WaitCall] = set()
        self._main_loop = _MainLoop()
        self._ctrl_c: object | None = None
        self._task: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._client: PrefectClient | None = None
        self._ancestor_run_ids: list[UUID] = []
        self._artifact: UUID | None = None
        self._recorded: list[dict[str, str]] = []

    @property
    def is_idle(self) -> bool:
        """Whether there is no wait left to watch for."""
        return not self._waits and not self._ending

    def add(self, waiting: WaitCall, *, is_elsewhere: bool) -> None:
        self._waits[waiting] = is_elsewhere
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def remove(self, waiting: WaitCall) -> None:
        self._waits.pop(waiting, None)
        self._ending.discard(waiting)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._stack.aclose()

    async def _run(self) -> None:
        read_at = time.monotonic()
        while True:
            await asyncio.sleep(_ENDING_PERIOD if self._ending else _MAIN_THREAD_POLL_SECONDS)
            handled = _handled_by_main_thread()
            over = time.monotonic() - self._deadline if self._deadline is not None else -1.0
            # From the deadline on, what is cancelled has run out of time.
            self._handle_ctrl_c(
                handled, self._main_loop.unresponsive_main_task() if over < 0 else None
            )
            if over > _LIMIT_GRACE:
                self._end("timeout", only_elsewhere=True)
            is_ending = isinstance(handled, TerminationSignal)
            if time.monotonic() - read_at < _STATE_PERIOD and not (is_ending and self._waits):
                continue
            read_at = time.monotonic()
            states = await self._states()
            if any(state.is_cancelling() or state.is_cancelled() for state in states):
                self._end("cancel", only_elsewhere=False)
            elif any(state.name == "TimedOut" for state in states):
                # The flow's time limit has ended it; Prefect now waits for its threads.
                self._end("timeout", only_elsewhere=True)
            elif is_ending and self._waits:
                logger.warning(
                    "The process was asked to end; what was waited for goes on and is picked up by "
                    "a retry of this run."
                )
                self._end("leave", only_elsewhere=True)

    def _handle_ctrl_c(self, handled: BaseException | None, deaf: asyncio.Task[Any] | None) -> None:
        sign = handled if isinstance(handled, KeyboardInterrupt) else deaf
        if sign is None:
            return
        if self._ctrl_c is not None and sign is not self._ctrl_c:
            # Another one: the threads that the process still waits for are to end at once.
            for waiting in self._ending:
                waiting.stop_aborting()
        self._ctrl_c = sign
        self._end("cancel", only_elsewhere=True)

    async def _states(self) -> list[State[Any]]:
        """The states of the run and of those that it is a part of; none where they are unknown."""
        try:
            # Made late, so that the many waits that end at once need none.
            if self._client is None:
                self._client = await self._stack.enter_async_context(get_client())
            self._ancestor_run_ids = self._ancestor_run_ids or await ancestor_run_ids(
                self._client, self._run_id
            )
            await self._record(self._client)
            return await states_of(self._client, self._ancestor_run_ids)
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
            for waiting in self._waits
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

    def _end(self, cause: InterruptionCause, *, only_elsewhere: bool) -> None:
        for waiting, is_elsewhere in list(self._waits.items()):
            if only_elsewhere and not is_elsewhere:
                # The main thread sees the signal itself.
                continue
            error: BaseException = (
                TerminationSignal(signal.SIGTERM)
                if cause == "leave"
                else asyncio.CancelledError("the flow run was cancelled or ran out of time")
            )
            del self._waits[waiting]
            self._ending.add(waiting)
            waiting.interrupt(cause, error)


class _MainLoop:
    """Tells when the event loop of the main thread stands still and Ctrl-C cannot get through.

    `asyncio.run` turns Ctrl-C into a cancellation of its main task (from Python 3.11 on), which
    comes to nothing while that task blocks the loop: in the `result()` of a future, or in the exit
    of a task runner, which joins its threads.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._answered = threading.Event()

    def unresponsive_main_task(self) -> asyncio.Task[Any] | None:
        """The main task where it was cancelled and the loop has not answered since; else None."""
        main = main_task_of_ctrl_c()
        if main is None or not _is_being_cancelled(main):
            self._asked_at = None
        elif self._asked_at is None or self._answered.is_set():
            self._answered.clear()
            self._asked_at = time.monotonic()
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                main.get_loop().call_soon_threadsafe(self._answered.set)
        elif time.monotonic() - self._asked_at > _UNRESPONSIVE_SECONDS:
            return main
        return None


def main_task_of_ctrl_c() -> asyncio.Task[Any] | None:
    """The task that `asyncio.run` in the main thread cancels on Ctrl-C; None where there is none.

    CPython keeps it in the signal handler that it installs, a partial function. That is not
    documented: where it is otherwise, nothing is found, and Ctrl-C does what it does without this.
    """
    keywords = getattr(signal.getsignal(signal.SIGINT), "keywords", None)
    main = keywords.get("main_task") if isinstance(keywords, dict) else None
    return main if isinstance(main, asyncio.Task) else None


def _is_being_cancelled(task: asyncio.Task[Any]) -> bool:
    if sys.version_info < (3, 11):
        # `asyncio.run` leaves Ctrl-C alone there: it is raised wherever the main thread is.
        return False
    return not task.done() and task.cancelling() > 0


_monitors: dict[UUID, _RunMonitor] = {}

if hasattr(os, "register_at_fork"):
    # What watched in the parent does nothing in a child.
    os.register_at_fork(after_in_child=_monitors.clear)


@contextmanager
def monitored(waiting: WaitCall) -> Iterator[None]:
    """Has a wait end when the flow run that it belongs to is cancelled, or its process ends.

    Args:
        waiting: A wait that is about to begin in this thread.
    """
    run_id = flow_run_id()
    if run_id is None:
        yield
        return
    is_elsewhere = threading.current_thread() is not threading.main_thread()
    deadline = _deadline_of_flow()

    async def begin() -> None:
        monitor = _monitors.setdefault(run_id, _RunMonitor(run_id, deadline))
        monitor.add(waiting, is_elsewhere=is_elsewhere)

    async def end() -> None:
        monitor = _monitors.get(run_id)
        if monitor is None:
            return
        monitor.remove(waiting)
        if monitor.is_idle:
            del _monitors[run_id]
            await monitor.close()

    io_thread().submit(begin())
    try:
        yield
    finally:
        io_thread().submit_if_running(end())


def _deadline_of_flow() -> float | None:
    context = FlowRunContext.get()
    if context is None or context.flow is None or context.flow.timeout_seconds is None:
        return None
    gone = (datetime.now(timezone.utc) - context.start_time).total_seconds()
    return time.monotonic() + context.flow.timeout_seconds - gone


def is_stopped(thread: threading.Thread) -> bool:
    """Whether the process is ending while code in this thread, which cannot see that, goes on.

    Args:
        thread: Where the code runs that asks, or for which is asked.
    """
    is_elsewhere = thread is not threading.main_thread()
    signals = (KeyboardInterrupt, TerminationSignal)
    return is_elsewhere and isinstance(_handled_by_main_thread(), signals)


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
