"""One call of a method that transfers a file, which ends when its caller is interrupted."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

import anyio

from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.polling.wait_call import InterruptionCause

T = TypeVar("T")

#: Seconds that a transfer may take to remove what it has written, once it is interrupted.
_CLEANUP_TIME: Final = 5.0

#: Seconds after which a blocked thread returns to Python code. Python delivers an exception that
#: another thread has sent only then; the main thread is woken by signals at once.
_WAKE_PAUSE: Final = 0.5


class TransferCall(Generic[T]):
    """A transfer that can be interrupted from any thread. It returns once nothing is half done.

    Args:
        work: Transfers, on the I/O thread; cleans up where it is cancelled.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._is_cancelled = False
        self._interrupted: BaseException | None = None

    def interrupt(self, cause: InterruptionCause, error: BaseException) -> None:  # noqa: ARG002
        """Ends the transfer from any thread, then raises the error.

        Args:
            cause: What it means for remote tasks; a transfer has none.
            error: What the calling code sees.
        """
        self._interrupted = error
        self._cancel()

    def stop_aborting(self) -> None:
        """Does nothing: a transfer that is interrupted aborts nothing."""

    def run(self) -> T:
        """Transfers and blocks."""
        future = io_thread().submit(self._carry_out())
        pause = None if threading.current_thread() is threading.main_thread() else _WAKE_PAUSE
        try:
            while not future.done():
                concurrent.futures.wait([future], pause)
        except BaseException:
            self._cancel()
            # A second Ctrl-C does not wait.
            concurrent.futures.wait([future], _CLEANUP_TIME)
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._interrupted is None:
                raise
        raise self._interrupted

    async def arun(self) -> T:
        """Transfers without blocking the event loop."""
        if io_thread().is_current:
            return await self._carry_out()
        future = io_thread().submit(self._carry_out())
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError as cancellation:
            error = self._interrupted or cancellation
        self._cancel()
        # A cancelled scope would interrupt each await that follows.
        with anyio.CancelScope(shield=True), contextlib.suppress(Exception, asyncio.CancelledError):
            await await_despite_cancellation(future)
        raise error

    async def _carry_out(self) -> T:
        self._task = asyncio.get_running_loop().create_task(self._work())
        if self._is_cancelled:
            self._task.cancel()
        return await self._task

    def _cancel(self) -> None:
        self._is_cancelled = True
        task = self._task
        if task is not None:
            # A loop that has been closed has cancelled it.
            with contextlib.suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(task.cancel)
