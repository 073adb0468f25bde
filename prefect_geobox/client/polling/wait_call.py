"""One call of a wait method: subscribes, passes updates on, raises, and aborts where requested."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import threading
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Literal, Protocol, TypeVar

import anyio

from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.task_errors import TaskTimeoutError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.poller import TaskPoller
from prefect_geobox.client.polling.results import (
    final_tasks,
    raise_for_failures,
    result_after_abort,
)
from prefect_geobox.client.polling.subscription import Subscription, WaitUpdate
from prefect_geobox.client.polling.update_queue import UpdateQueue

logger = logging.getLogger(__name__)

#: Seconds for aborting any number of remote tasks.
ABORT_TIME: Final = 30.0

#: What an interruption means for the remote tasks: the user has cancelled them, a time limit of the
#: caller has ended, or only this process ends and they are left for a later one.
InterruptionCause = Literal["cancel", "timeout", "leave"]

#: Seconds after which a blocked thread returns to Python code. Python delivers an exception that
#: another thread has sent only then; the main thread is woken by signals at once.
_WAKE_PAUSE: Final = 0.5

#: A callback of the caller's, called with each update in the caller's own thread or event loop.
Listener = Callable[[WaitUpdate], Awaitable[None] | None]

_Post = Callable[[WaitUpdate], None]

T = TypeVar("T")


class WaitClient(Protocol):
    """The part of a client that a wait uses."""

    @property
    @abstractmethod
    def settings(self) -> ConnectionSettings:
        """The server and the account of the remote tasks."""

    @abstractmethod
    def poller(self) -> TaskPoller:
        """The poller of the shared connection. Called on the I/O thread."""

    @abstractmethod
    async def abort_task(self, task: str, *, confirm: float) -> RemoteTask:
        """Aborts a remote task and reads it until it has ended."""


class WaitCall:
    """One call of `wait_for_task` or `wait_for_tasks`.

    Args:
        client: Reads and aborts.
        uuids: The remote tasks; one that is named twice is polled once.
        policy: How to wait.
        with_progress: Whether to read the progress too.
        raise_on_failure: Whether a remote task that did not succeed raises.
        request: The request that started them, for the message of a failure; empty where it is not
            known.
        began: The moment of the client's clock from which the timeout counts.
    """

    def __init__(
        self,
        client: WaitClient,
        uuids: Sequence[str],
        policy: WaitPolicy,
        *,
        with_progress: bool,
        raise_on_failure: bool,
        request: str,
        began: float,
    ) -> None:
        self._client = client
        self._given = tuple(uuids)
        self._uuids = tuple(dict.fromkeys(uuids))
        self._policy = policy
        self._with_progress = with_progress
        self._raise_on_failure = raise_on_failure
        self._request = request
        self._began = began
        self._final: dict[str, RemoteTask] = {}
        self._failed: dict[str, Exception] = {}
        self._poller: TaskPoller | None = None
        self._subscriptions: Sequence[Subscription] = ()
        self._aborting_late: asyncio.Task[None] | None = None
        self._finish: Callable[[bool], None] | None = None
        self._is_complete = self._is_stopped = False
        self._aborted: dict[str, RemoteTask] = {}
        self._aborting: concurrent.futures.Future[None] | None = None
        self._interrupted: tuple[InterruptionCause, BaseException] | None = None

    @property
    def uuids(self) -> tuple[str, ...]:
        """The remote tasks that are waited for, each once."""
        return self._uuids

    @property
    def settings(self) -> ConnectionSettings:
        """The server and the account of the remote tasks."""
        return self._client.settings

    @property
    def policy(self) -> WaitPolicy:
        """How they are waited for."""
        return self._policy

    @property
    def aborted(self) -> list[RemoteTask]:
        """The final states of those that were aborted when the wait was interrupted."""
        return list(self._aborted.values())

    def interrupt(self, cause: InterruptionCause, error: BaseException) -> None:
        """Ends the wait from any thread: acts on the cause, then raises the error.

        Args:
            cause: What it means for the remote tasks.
            error: What the waiting code sees.
        """
        self._interrupted = (cause, error)
        if self._finish is not None:
            self._finish(True)

    def stop_aborting(self) -> None:
        """Ends, from any thread, an interrupted wait that still aborts; sent requests continue."""
        if self._aborting is not None:
            self._aborting.cancel()

    # The blocking and the awaiting way stand side by side; both poll on the I/O thread.

    def run(
        self,
        listener: Callable[[WaitUpdate], None] | None,
        classify: Callable[[BaseException], InterruptionCause] = lambda error: (
            "cancel" if isinstance(error, KeyboardInterrupt) else "leave"
        ),
    ) -> list[RemoteTask]:
        """Waits and blocks.

        Args:
            listener: Called in this thread.
            classify: Says what an interruption of this thread means; Ctrl-C is a cancel by default.
        """
        try:
            return self._block_for_updates(listener)
        except concurrent.futures.CancelledError:
            if self._interrupted is None:
                raise
            cause, error = self._interrupted
        except Exception:
            raise
        except BaseException as interruption:  # noqa: BLE001 - raised again below
            error, cause = interruption, classify(interruption)
        if self._is_to_abort(cause) and (unfinished := self._unfinished()):
            # A second Ctrl-C ends this too, and returns at once; requests in flight continue.
            with contextlib.suppress(concurrent.futures.CancelledError):
                self._abort(unfinished).result(ABORT_TIME + 5)
        raise error

    async def arun(
        self,
        listener: Listener | None,
        classify: Callable[[BaseException], Awaitable[InterruptionCause]] | None = None,
    ) -> list[RemoteTask]:
        """Waits without blocking the event loop.

        Args:
            listener: Called, and awaited where it is a coroutine function, on this event loop.
            classify: Says what a cancellation of this coroutine means; a cancel by default.
        """
        try:
            return await self._await_updates(listener)
        except asyncio.CancelledError as interruption:
            cause, error = self._interrupted or ("cancel", interruption)
            # Called before the shield, so that it can see what has cancelled this.
            classification = (
                classify(interruption) if classify and self._interrupted is None else None
            )
        # A cancelled scope would interrupt each await that follows.
        with anyio.CancelScope(shield=True):
            if classification is not None:
                cause = await classification
            if self._is_to_abort(cause) and (unfinished := self._unfinished()):
                # A second Ctrl-C returns at once; requests in flight continue.
                await await_despite_cancellation(self._abort(unfinished))
        raise error

    def _is_to_abort(self, cause: InterruptionCause) -> bool:
        action = {
            "cancel": self._policy.on_cancel,
            "timeout": self._policy.on_timeout,
            "leave": "leave",
        }
        return action[cause] == "abort"

    def _abort(self, unfinished: list[str]) -> concurrent.futures.Future[None]:
        logger.warning("The wait was interrupted; aborting %s", ", ".join(unfinished))
        self._aborting = io_thread().submit(self._abort_and_keep(unfinished))
        return self._aborting

    async def _abort_and_keep(self, unfinished: list[str]) -> None:
        self._aborted = await abort_all(self._client, unfinished)

    def _block_for_updates(self, listener: Callable[[WaitUpdate], None] | None) -> list[RemoteTask]:
        """Polls on the I/O thread and calls the listener with the updates in this thread."""
        updates: queue.SimpleQueue[WaitUpdate | None] = queue.SimpleQueue()
        self._begin(updates.put if listener is not None else None, lambda _: updates.put(None))
        pause = None if threading.current_thread() is threading.main_thread() else _WAKE_PAUSE
        try:
            while True:
                try:
                    update = updates.get(timeout=pause)
                except queue.Empty:
                    continue
                if update is None:
                    break
                if listener is not None:
                    listener(update)
        finally:
            self._stop()
        if self._interrupted is not None and not self._is_complete:
            raise concurrent.futures.CancelledError
        return self._results()

    async def _await_updates(self, listener: Listener | None) -> list[RemoteTask]:
        """Polls on the I/O thread and calls the listener with the updates on this event loop."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        # Without a listener there is one object less per wait, of which there may be thousands.
        updates = UpdateQueue(ended) if listener is not None else None
        post = partial(_post, loop, updates.put) if updates is not None else None
        self._begin(post, partial(_post, loop, partial(_finish, ended)))
        try:
            if updates is not None and listener is not None:
                await updates.pass_on(listener)
            await ended
        finally:
            self._stop()
        return self._results()

    def _unfinished(self) -> list[str]:
        return [uuid for uuid in self._uuids if uuid not in self._final]

    def _begin(self, post: _Post | None, finish: Callable[[bool], None]) -> None:
        """Subscribes on the I/O thread.

        Args:
            post: Called with each update, on the I/O thread.
            finish: Called from any thread once all have ended, or with true if interrupted.
        """
        self._finish = finish
        io_thread().loop.call_soon_threadsafe(self._subscribe, post)

    def _subscribe(self, post: _Post | None) -> None:
        if self._is_stopped:
            return
        try:
            poller = self._client.poller()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._failed = dict.fromkeys(self._uuids, error)
            self._complete()
            return
        self._poller = poller
        if not self._uuids:
            self._complete()
        self._subscriptions = [
            poller.subscribe(
                uuid,
                self._policy,
                began=self._began,
                on_end=self._record_end,
                on_update=post,
                with_progress=self._with_progress,
            )
            for uuid in self._uuids
        ]

    def _stop(self) -> None:
        """Unsubscribes; once all have ended there is nothing to unsubscribe."""
        self._is_stopped = True
        if not self._is_complete:
            io_thread().submit_if_running(self._unsubscribe())

    async def _unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            if self._poller is not None:
                self._poller.unsubscribe(subscription)

    def _record_end(self, uuid: str, outcome: RemoteTask | Exception) -> None:
        if isinstance(outcome, RemoteTask):
            self._final[uuid] = outcome
        else:
            self._failed[uuid] = outcome
        if len(self._final) + len(self._failed) < len(self._uuids):
            return
        late = [uuid for uuid, end in self._failed.items() if isinstance(end, TaskTimeoutError)]
        if late and self._policy.on_timeout == "abort":
            self._aborting_late = asyncio.get_running_loop().create_task(self._abort_late(late))
        else:
            self._complete()

    def _complete(self) -> None:
        """Wakes the waiting caller, as all have ended."""
        self._is_complete = True
        if self._finish is not None:
            self._finish(False)

    def _results(self) -> list[RemoteTask]:
        ends: dict[str, RemoteTask | Exception] = {**self._failed, **self._final}
        tasks = final_tasks([ends[uuid] for uuid in self._uuids], self._policy)
        if self._raise_on_failure:
            raise_for_failures(tasks, self._request)
        return [self._final[uuid] for uuid in self._given]

    async def _abort_late(self, late: Sequence[str]) -> None:
        """Aborts those that were not final in time, and records the result of each."""
        ended = await abort_all(self._client, late)
        for uuid in late:
            error = self._failed.pop(uuid)
            assert isinstance(error, TaskTimeoutError)  # noqa: S101 - these only are late
            end = result_after_abort(error, ended.get(uuid))
            if isinstance(end, RemoteTask):
                self._final[uuid] = end
            else:
                self._failed[uuid] = end
        self._complete()


async def abort_all(client: WaitClient, uuids: Sequence[str]) -> dict[str, RemoteTask]:
    """Aborts remote tasks concurrently within `ABORT_TIME` seconds; failures are logged.

    Args:
        client: Sends the aborts.
        uuids: The remote tasks.

    Returns:
        Those that are known to have ended, in their final states.
    """
    outcomes = await asyncio.gather(
        *(client.abort_task(uuid, confirm=ABORT_TIME) for uuid in uuids), return_exceptions=True
    )
    ended: dict[str, RemoteTask] = {}
    for uuid, outcome in zip(uuids, outcomes, strict=True):
        if isinstance(outcome, RemoteTask):
            ended[uuid] = outcome
        else:
            logger.error("Remote task %s could not be aborted and may still run: %s", uuid, outcome)
    return ended


def _post(loop: asyncio.AbstractEventLoop, call: Callable[[T], object], value: T) -> None:
    """Makes a call on another event loop, unless that has been closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, value)


def _finish(ended: asyncio.Future[None], is_interrupted: bool) -> None:
    if is_interrupted:
        ended.cancel()
    elif not ended.done():
        ended.set_result(None)
