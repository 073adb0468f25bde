"""Monitors a flow run, and ends the waits in it that neither a cancel nor a signal would end.

Code in a thread of a task runner sees neither a cancel nor a signal nor the end of its flow, and
neither does the main thread while its event loop is blocked in the `result()` of a future. One
monitor for each flow run reads the run's state and polls the main thread from the I/O thread.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Final
from uuid import UUID

import anyio
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal

from prefect_geobox.client.api.run_mode import InterruptibleCall
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.polling.wait_call import InterruptionCause, WaitCall
from prefect_geobox.ownership.interruption import flow_run_id, read_states
from prefect_geobox.ownership.prefect_api import prefect_api, prefect_client
from prefect_geobox.ownership.run_context import ancestor_run_ids
from prefect_geobox.ownership.run_events import StateReads
from prefect_geobox.ownership.submission_log import ledger_of

logger = logging.getLogger(__name__)

#: Seconds that a read of the flow run's state may take.
_STATE_TIMEOUT_SECONDS: Final = 5.0

#: Seconds between two looks at what the run waits for: a shorter wait is not recorded.
_NOTE_SECONDS: Final = 2.0

#: Seconds between two polls of the main thread.
_MAIN_THREAD_POLL_SECONDS: Final = 0.2

#: The same while waits are being ended.
_ENDING_POLL_SECONDS: Final = 0.02

#: Seconds after which an event loop that does not answer counts as blocked.
_UNRESPONSIVE_SECONDS: Final = 0.3

#: Seconds after a flow's time limit that Prefect has to end the flow before the monitor does.
_LIMIT_GRACE_SECONDS: Final = 0.5


class _RunMonitor:
    """Monitors one flow run for the waits and transfers in it. Lives on the I/O thread.

    Args:
        run_id: The flow run.
        deadline: When the flow's time limit ends, on the monotonic clock; None without a limit.
    """

    def __init__(self, run_id: UUID, deadline: float | None) -> None:
        self._run_id = run_id
        self._deadline = deadline
        self._calls: dict[InterruptibleCall, bool] = {}
        self._ending: set[InterruptibleCall] = set()
        self._main_loop = _MainLoop()
        self._ctrl_c: object | None = None
        self._task: asyncio.Task[None] | None = None
        self._poll: asyncio.Task[None] | None = None
        self._run_ids: list[UUID] = []
        self._reads = StateReads()
        self._noting: asyncio.Task[None] | None = None
        self._noted: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be monitored."""
        return not self._calls and not self._ending

    def add(self, call: InterruptibleCall, *, is_off_main_thread: bool) -> None:
        self._calls[call] = is_off_main_thread
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def remove(self, call: InterruptibleCall) -> None:
        self._calls.pop(call, None)
        self._ending.discard(call)

    async def close(self) -> None:
        self._reads.close()
        tasks = [task for task in (self._task, self._poll, self._noting) if task is not None]
        self._task = self._poll = self._noting = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        noted_at = time.monotonic()
        while True:
            await asyncio.sleep(_ENDING_POLL_SECONDS if self._ending else _MAIN_THREAD_POLL_SECONDS)
            handled = _handled_by_main_thread()
            over = time.monotonic() - self._deadline if self._deadline is not None else -1.0
            # After the deadline a cancellation is a timeout, not Ctrl-C.
            self._handle_ctrl_c(
                handled, self._main_loop.unresponsive_main_task() if over < 0 else None
            )
            if over > _LIMIT_GRACE_SECONDS:
                self._end("timeout", only_off_main_thread=True)
            if time.monotonic() - noted_at >= _NOTE_SECONDS and _is_done(self._noting):
                noted_at = time.monotonic()
                self._noting = asyncio.create_task(self._note_waits())
            is_terminating = isinstance(handled, TerminationSignal)
            is_due = self._reads.is_due or (is_terminating and self._calls)
            if _is_done(self._poll) and is_due:
                self._reads.begin()
                # Not awaited: while the server is away, the main thread is still polled.
                self._poll = asyncio.create_task(self._poll_run(is_terminating=is_terminating))

    async def _poll_run(self, *, is_terminating: bool) -> None:
        states = await self._states()
        if any(state.is_cancelling() or state.is_cancelled() for state in states):
            self._end("cancel", only_off_main_thread=False)
        elif any(state.name == "TimedOut" for state in states):
            # Prefect has ended the flow, and now waits for its threads.
            self._end("timeout", only_off_main_thread=True)
        elif is_terminating and self._calls:
            logger.warning(
                "The process was asked to end; the remote tasks continue, and a retry of this run "
                "re-attaches to them."
            )
            self._end("leave", only_off_main_thread=True)
        if states:
            self._reads.succeed(self._run_ids)

    def _handle_ctrl_c(
        self, handled: BaseException | None, unresponsive: asyncio.Task[Any] | None
    ) -> None:
        trigger = handled if isinstance(handled, KeyboardInterrupt) else unresponsive
        if trigger is None:
            return
        if self._ctrl_c is not None and trigger is not self._ctrl_c:
            # A second Ctrl-C: the waits in the other threads end without their aborts.
            for call in self._ending:
                call.stop_aborting()
        self._ctrl_c = trigger
        self._end("cancel", only_off_main_thread=True)

    async def _states(self) -> list[State[Any]]:
        """Reads the states of the run and its ancestor runs; none if they cannot be read."""
        try:
            # Not repeated while the server is away: there will be a next read.
            client = await prefect_client()
            with anyio.fail_after(_STATE_TIMEOUT_SECONDS):
                self._run_ids = await ancestor_run_ids(client, self._run_id)
                return await read_states(client, self._run_ids)
        except Exception:  # noqa: BLE001 - the next read may succeed
            return []

    async def _note_waits(self) -> None:
        """Records on the server what the run waits for, for the hook that aborts after a kill."""
        calls = [
            call
            for call in self._calls
            if isinstance(call, WaitCall) and call.policy.on_cancel == "abort"
        ]
        uuids = {uuid for call in calls for uuid in call.uuids}
        if uuids <= self._noted:
            return
        prefect = await prefect_api()
        run_ids = await ancestor_run_ids(prefect, self._run_id)
        waits: dict[tuple[str, str], list[str]] = {}
        for call in calls:
            account = (call.settings.base_url, call.settings.credential.principal)
            waits.setdefault(account, []).extend(call.uuids)
        ledger = await ledger_of(prefect, run_ids[-1])
        ledger.note_waits(
            self._run_id,
            [
                {
                    "base_url": base_url,
                    "principal": principal,
                    "runs": [str(run_id) for run_id in run_ids],
                    "uuids": list(dict.fromkeys(named)),
                }
                for (base_url, principal), named in waits.items()
            ],
        )
        self._noted = uuids

    def _end(self, cause: InterruptionCause, *, only_off_main_thread: bool) -> None:
        for call, is_off_main_thread in list(self._calls.items()):
            if only_off_main_thread and not is_off_main_thread:
                # Code in the main thread gets the exception itself.
                continue
            error: BaseException = (
                TerminationSignal(signal.SIGTERM)
                if cause == "leave"
                else asyncio.CancelledError("the flow run was cancelled or ran out of time")
            )
            del self._calls[call]
            self._ending.add(call)
            call.interrupt(cause, error)


def _is_done(task: asyncio.Task[None] | None) -> bool:
    """Whether a task of its own may be started again; one that failed is tried again."""
    if task is None or not task.done():
        return task is None
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.debug("%s: %s", type(error).__name__, error)
    return True


class _MainLoop:
    """Detects a Ctrl-C that the blocked event loop of the main thread cannot handle.

    From Python 3.11 on, `asyncio.run` turns Ctrl-C into a cancellation of its main task. That has
    no effect while the task blocks the loop: in the `result()` of a future, or in the exit of a
    task runner, which joins its threads.
    """

    def __init__(self) -> None:
        self._probed_at: float | None = None
        self._answered = threading.Event()

    def unresponsive_main_task(self) -> asyncio.Task[Any] | None:
        """The main task if it was cancelled and its loop has not answered since; else None."""
        main = main_task_of_ctrl_c()
        if main is None or not _is_being_cancelled(main):
            self._probed_at = None
        elif self._probed_at is None or self._answered.is_set():
            self._answered.clear()
            self._probed_at = time.monotonic()
            # In a closed loop nothing waits any more.
            with suppress(RuntimeError):
                main.get_loop().call_soon_threadsafe(self._answered.set)
        elif time.monotonic() - self._probed_at > _UNRESPONSIVE_SECONDS:
            return main
        return None


def main_task_of_ctrl_c() -> asyncio.Task[Any] | None:
    """The task that `asyncio.run` in the main thread cancels on Ctrl-C; None if there is none.

    CPython keeps it in the signal handler that it installs, a partial function. That is not
    documented: without it the result is None, and a Ctrl-C in a blocked loop is not detected.
    """
    keywords = getattr(signal.getsignal(signal.SIGINT), "keywords", None)
    main = keywords.get("main_task") if isinstance(keywords, dict) else None
    return main if isinstance(main, asyncio.Task) else None


def _is_being_cancelled(task: asyncio.Task[Any]) -> bool:
    if sys.version_info < (3, 11):
        # `asyncio.run` does not handle Ctrl-C there: it is raised in the main thread at once.
        return False
    return not task.done() and task.cancelling() > 0


_monitors: dict[UUID, _RunMonitor] = {}

if hasattr(os, "register_at_fork"):
    # The monitors of the parent do not run in a child.
    os.register_at_fork(after_in_child=_monitors.clear)


@contextmanager
def monitored(call: InterruptibleCall) -> Iterator[None]:
    """Ends a wait or a transfer if its flow run is cancelled, or its process ends.

    Args:
        call: What is about to begin in this thread.
    """
    run_id = flow_run_id()
    if run_id is None:
        yield
        return
    is_off_main_thread = threading.current_thread() is not threading.main_thread()
    deadline = _deadline_of_flow()

    async def begin() -> None:
        monitor = _monitors.setdefault(run_id, _RunMonitor(run_id, deadline))
        monitor.add(call, is_off_main_thread=is_off_main_thread)

    async def end() -> None:
        monitor = _monitors.get(run_id)
        if monitor is None:
            return
        monitor.remove(call)
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


def is_process_ending(thread: threading.Thread) -> bool:
    """Whether the process is ending while code in this thread, which cannot see that, continues.

    Args:
        thread: The thread of the code; False for the main thread.
    """
    is_off_main_thread = thread is not threading.main_thread()
    signals = (KeyboardInterrupt, TerminationSignal)
    return is_off_main_thread and isinstance(_handled_by_main_thread(), signals)


def _handled_by_main_thread() -> BaseException | None:
    """The exception that the main thread is handling, such as Ctrl-C while it joins its threads."""
    # CPython holds the lock of its list of threads while it builds the result. A collection that
    # begins then and runs a finalizer which needs the lock too stops the whole process for good.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        exceptions = sys._current_exceptions()  # noqa: SLF001 - public in all but name
    finally:
        if was_enabled:
            gc.enable()
    handled = exceptions.get(threading.main_thread().ident or 0)
    # Up to Python 3.11 it is a triple of type, value and traceback.
    value = handled[1] if isinstance(handled, tuple) else handled
    return value if isinstance(value, BaseException) else None
