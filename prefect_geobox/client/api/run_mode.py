"""Runs code that is written once, as coroutines, for sync and async callers.

`SyncMode` blocks the calling thread: its coroutines never suspend, and `run_to_completion` runs
them there. `AsyncMode` awaits on the calling event loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

import anyio

from prefect_geobox.client.api.transfer_call import TransferCall
from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.subscription import WaitUpdate
from prefect_geobox.client.polling.wait_call import ABORT_TIME, InterruptionCause, WaitCall

T = TypeVar("T")

#: Seconds that a start that is under way may take once its caller is interrupted.
_START_TIMEOUT: Final = 15.0

#: Seconds that work on exit, such as the final artifact of an interrupted step, may take.
_EXIT_TIMEOUT: Final = 3.0

#: Seconds that a blocked thread waits longer for the I/O thread than that may take.
_MARGIN: Final = 5.0

#: Handles a result that was started for code that has been interrupted since.
Abandon = Callable[[T, InterruptionCause], Coroutine[Any, Any, object]]


class InterruptibleCall(Protocol):
    """A wait or a transfer that can be ended from any thread."""

    def interrupt(self, cause: InterruptionCause, error: BaseException) -> None:
        """Ends it: acts on the cause, then raises the error."""
        ...

    def stop_aborting(self) -> None:
        """Ends what it still does after an interruption; sent requests continue."""
        ...


#: Surrounds a wait or a transfer, to end it if the program around it ends or is cancelled.
Monitored = Callable[[InterruptibleCall], AbstractContextManager[None]]


class WaitListener(Protocol):
    """Reports the updates of a wait."""

    async def __call__(self, update: WaitUpdate) -> None:
        """Reports one update."""
        ...


class RunMode(Protocol):
    """The operations that differ between sync and async code."""

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a method of the client on the I/O thread."""
        ...

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Runs to its end what must not be cut short, such as the start of a remote task.

        Args:
            work: Starts it.
            abandon: Called if the caller is interrupted meanwhile, with what was started and what
                the interruption means: the user's cancel, a time limit, or neither.
        """
        ...

    async def wait(self, wait_call: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Waits for remote tasks and reports each update."""
        ...

    async def transfer(self, call: TransferCall[T]) -> T:
        """Transfers a file; returns once nothing is half done, also where it is interrupted."""
        ...

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Runs something short, for at most 3 s, after the caller has been interrupted."""
        ...


class SyncMode:
    """Blocks the calling thread; its coroutines never suspend.

    Args:
        classify: Says what an interruption of this thread means for the remote tasks.
        monitored: Surrounds each wait.
        on_unknown_start: Called if an interrupted start fails, or does not end in time.
    """

    def __init__(
        self,
        *,
        classify: Callable[[BaseException], InterruptionCause],
        monitored: Monitored,
        on_unknown_start: Callable[[Exception], None],
    ) -> None:
        self._classify = classify
        self._monitored = monitored
        self._on_unknown_start = on_unknown_start

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Blocks until the method has returned."""
        return io_thread().run(work)

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Blocks until it is started, even if the thread is interrupted."""
        future = io_thread().submit(work)
        try:
            return future.result()
        except Exception:
            raise
        except BaseException as interruption:
            cause = self._classify(interruption)
            ending = _end_start(future, cause, abandon, self._on_unknown_start)
            io_thread().submit(ending).result(_START_TIMEOUT + ABORT_TIME + _MARGIN)
            raise

    async def wait(self, wait_call: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Blocks until the remote tasks have ended."""
        with self._monitored(wait_call):
            return wait_call.run(lambda update: run_to_completion(listener(update)), self._classify)

    async def transfer(self, call: TransferCall[T]) -> T:
        """Blocks until the file is transferred."""
        with self._monitored(call):
            return call.run()

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Blocks for at most 3 s."""
        io_thread().submit(work).result(_EXIT_TIMEOUT)


class AsyncMode:
    """Awaits on the calling event loop.

    Args:
        classify: Says what a cancellation means for the remote tasks. Called where the
            cancellation is seen; its result is awaited later, behind a shield.
        monitored: Surrounds each wait.
        on_unknown_start: Called if an interrupted start fails, or does not end in time.
    """

    def __init__(
        self,
        *,
        classify: Callable[[BaseException], Awaitable[InterruptionCause]],
        monitored: Monitored,
        on_unknown_start: Callable[[Exception], None],
    ) -> None:
        self._classify = classify
        self._monitored = monitored
        self._on_unknown_start = on_unknown_start

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits the method."""
        return await io_thread().arun(work)

    async def start(self, work: Coroutine[Any, Any, T], abandon: Abandon[T]) -> T:
        """Awaits that it is started, even if the coroutine is cancelled."""
        future = io_thread().submit(work)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError as interruption:
            classification = self._classify(interruption)
            with anyio.CancelScope(shield=True):
                ending = _end_start(future, await classification, abandon, self._on_unknown_start)
                await await_despite_cancellation(io_thread().submit(ending))
            raise

    async def wait(self, wait_call: WaitCall, listener: WaitListener) -> list[RemoteTask]:
        """Awaits the end of the remote tasks."""
        with self._monitored(wait_call):
            return await wait_call.arun(listener, self._classify)

    async def transfer(self, call: TransferCall[T]) -> T:
        """Awaits that the file is transferred."""
        with self._monitored(call):
            return await call.arun()

    async def run_on_exit(self, work: Coroutine[Any, Any, object]) -> None:
        """Awaits for at most 3 s, shielded from further cancellation."""
        with anyio.CancelScope(shield=True):
            await await_despite_cancellation(
                io_thread().submit(asyncio.wait_for(work, _EXIT_TIMEOUT))
            )


async def _end_start(
    future: concurrent.futures.Future[T],
    cause: InterruptionCause,
    abandon: Abandon[T],
    on_unknown_start: Callable[[Exception], None],
) -> None:
    """Lets the start of an interrupted caller end, and abandons its result."""
    try:
        started = await asyncio.wait_for(
            asyncio.shield(asyncio.wrap_future(future)), timeout=_START_TIMEOUT
        )
    except Exception as error:  # noqa: BLE001 - the interruption matters more
        on_unknown_start(error)
        return
    await abandon(started, cause)


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine of `SyncMode` to its end, in this thread.

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
