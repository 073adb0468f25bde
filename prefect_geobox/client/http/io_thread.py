"""The one thread of a process that talks to Geobox.

All HTTP runs on its event loop. A caller may therefore be sync or async, in any thread and on any
loop, and a signal that interrupts the main thread never interrupts an abort in flight.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Seconds for all that is to be done before the thread ends. Each closer limits its own part.
_STOP_SECONDS: Final = 10.0


class IOThread:
    """An event loop in a daemon thread, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; starts the thread if there is none yet.

        Raises:
            RuntimeError: The interpreter is being torn down, and no thread can start any more.
        """
        with self._lock:
            if self._loop is None:
                if sys.is_finalizing():
                    raise RuntimeError("the program has ended, and its Geobox I/O thread with it")
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="geobox-io", daemon=True
                )
                self._thread.start()
            return self._loop

    @property
    def is_current(self) -> bool:
        """Whether the calling code runs on this thread."""
        return threading.current_thread() is self._thread

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Starts work on the thread and returns at once."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:
            work.close()
            raise

    def submit_if_running(self, work: Coroutine[Any, Any, object]) -> None:
        """Starts work that undoes something; without a running thread there is nothing to undo.

        Never raises and takes no lock, so that finalizers may call it.
        """
        loop = self._loop
        try:
            if loop is not None:
                asyncio.run_coroutine_threadsafe(work, loop)
                return
        except RuntimeError:
            # The loop has been closed in the meantime.
            pass
        work.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs work on the thread and blocks until it is done.

        Raises:
            RuntimeError: Called on the thread itself, where it would wait for itself forever.
        """
        if self.is_current:
            work.close()
            raise RuntimeError("a blocking Geobox call was made on the Geobox I/O thread")
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            # A caller that is interrupted, by Ctrl-C for example, no longer needs the answer.
            future.cancel()
            raise

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs work on the thread without blocking the calling event loop."""
        if self.is_current:
            return await work
        return await asyncio.wrap_future(self.submit(work))

    def stop(self) -> None:
        """Cancels all work and ends the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_shut_down(), loop).result(timeout=_STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.close()


async def await_despite_cancellation(future: concurrent.futures.Future[T]) -> T:
    """Awaits work on the I/O thread although the caller is cancelled meanwhile, however often.

    For the final steps of code that has been cancelled. A shield of anyio protects from a cancelled
    scope only; `asyncio.gather`, for one, passes each cancellation on as a plain `task.cancel()`.
    The caller raises its cancellation once this is done.

    Args:
        future: The work, which must end without the caller.

    Raises:
        asyncio.CancelledError: There was a second Ctrl-C, which does not wait.
    """
    wrapped = asyncio.wrap_future(future)
    was_interrupted = _is_interrupted()
    while not wrapped.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([wrapped])
        # `asyncio.run` turns the first Ctrl-C into a cancellation. While the second one is raised,
        # it shuts down, with another cancellation of all tasks that are left.
        if not wrapped.done() and _is_interrupted() and not was_interrupted:
            raise asyncio.CancelledError
    return wrapped.result()


def _is_interrupted() -> bool:
    return isinstance(sys.exc_info()[1], KeyboardInterrupt)


_closers: list[Callable[[], Coroutine[Any, Any, None]]] = []


def on_stop(closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs `closer` on the thread just before it ends; the last one registered comes first."""
    _closers.append(closer)


async def _shut_down() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for closer in reversed(_closers):
        await closer()
    await asyncio.get_running_loop().shutdown_asyncgens()


_current = IOThread()


def io_thread() -> IOThread:
    """The thread of this process."""
    return _current


def _replace_after_fork() -> None:
    # Threads do not survive a fork: the child starts its own on first use.
    global _current  # noqa: PLW0603
    _current = IOThread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_after_fork)


def _stop_current() -> None:
    # Read at exit: a fork may have replaced it.
    _current.stop()


atexit.register(_stop_current)
