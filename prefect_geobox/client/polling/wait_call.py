"""What one call of a wait verb does: watch, tell, judge, and abort where that is asked for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Literal, Protocol, TypeVar

import anyio

from prefect_geobox.client.http.io_thread import io_thread, outlast
from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.task_errors import TaskTimeoutError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.poller import TaskPoller
from prefect_geobox.client.polling.results import after_abort, all_final, raise_for_failures
from prefect_geobox.client.polling.subscription import Subscription, WaitUpdate
from prefect_geobox.client.polling.update_queue import UpdateQueue

logger = logging.getLogger(__name__)

#: Seconds that aborting may take in all, for any number of remote tasks.
ABORT_TIME: Final = 30.0

#: What an interruption means for the remote tasks: the user gave up on them, a time limit of the
#: caller's ran out, or only this process ends and they are left to whoever comes next.
InterruptionCause = Literal["cancel", "timeout", "leave"]

#: Pauses after which a blocked thread comes up for air, in seconds. Python delivers an exception
#: that another thread has sent only then; the main thread is woken by signals at once.
_BREATH: Final = 0.5

#: A callback of the caller's, told of what happens in the caller's own thread or event loop.
Listener = Callable[[WaitUpdate], Awaitable[None] | None]

_Post = Callable[[WaitUpdate], None]

T = TypeVar("T")


class WaitClient(Protocol):
    """What a wait needs of a client."""

    @property
    def settings(self) -> ConnectionSettings:
        """Where the remote tasks run, and as whom they are read."""

    def poller(self) -> TaskPoller:
        """The poller of the shared connection. Called on the I/O thread."""

    async def abort_task(self, task: str, *, confirm: float) -> RemoteTask:
        """Aborts a remote task and reads it until it has ended."""


class WaitCall:
    """One call of `wait_for_task` or `wait_for_tasks`.

    Args:
        client: Reads and aborts.
        uuids: The remote tasks; one that is named twice is watched once.
        policy: How to wait.
        with_progress: Whether to read the progress too.
        raise_on_failure: Whether a remote task that did not succeed raises.
        asked: What was asked for, for the message of a failure; empty where that is not known.
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
        asked: str,
        began: float,
    ) -> None:
        self._client = client
        self._asked_for = tuple(uuids)
        self._uuids = tuple(dict.fromkeys(uuids))
        self._policy = policy
        self._with_progress = with_progress
        self._raise_on_failure = raise_on_failure
        self._asked = asked
        self._began = began
        self._final: dict[str, RemoteTask] = {}
        self._failed: dict[str, Exception] = {}
        self._poller: TaskPoller | None = None
        self._subscriptions: Sequence[Subscription] = ()
        self._concluding: asyncio.Task[None] | None = None
        self._finish: Callable[[bool], None] | None = None
        self._is_complete = self._is_stopped = False
        self._abandoned: dict[str, RemoteTask] = {}
        self._aborting: concurrent.futures.Future[None] | None = None
        self._interrupted: tuple[InterruptionCause, BaseException] | None = None

    @property
    def uuids(self) -> tuple[str, ...]:
        """The remote tasks that are waited for, each once."""
        return self._uuids

    @property
    def settings(self) -> ConnectionSettings:
        """Where they run, and as whom they are waited for."""
        return self._client.settings

    @property
    def policy(self) -> WaitPolicy:
        """How they are waited for."""
        return self._policy

    @property
    def abandoned(self) -> list[RemoteTask]:
        """How those ended that were aborted when the wait was interrupted."""
        return list(self._abandoned.values())

    def interrupt(self, cause: InterruptionCause, error: BaseException) -> None:
        """Ends the wait from any thread: acts on the cause, then raises the error.

        Args:
            cause: What it means for the remote tasks.
            error: What the waiting code sees.
        """
        self._interrupted = (cause, error)
        if self._finish is not None:
            self._finish(True)

    def leave(self) -> None:
        """Ends, from any thread, an interrupted wait that still aborts; what was sent goes on."""
        if self._aborting is not None:
            self._aborting.cancel()

    # The two ways to wait stand side by side; both have the I/O thread watch.

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
            return self._follow(listener)
        except concurrent.futures.CancelledError:
            if self._interrupted is None:
                raise
            cause, error = self._interrupted
        except Exception:
            raise
        except BaseException as interruption:  # noqa: BLE001 - raised again below
            error, cause = interruption, classify(interruption)
        if self._is_to_abort(cause) and (unfinished := self._unfinished()):
            # A second Ctrl-C ends this too and leaves at once; what was sent goes on.
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
            return await self._afollow(listener)
        except asyncio.CancelledError as interruption:
            cause, error = self._interrupted or ("cancel", interruption)
            # Asked before the shield is up, so that it can see what has cancelled this.
            classification = (
                classify(interruption) if classify and self._interrupted is None else None
            )
        # A cancelled scope would cut short each await that follows.
        with anyio.CancelScope(shield=True):
            if classification is not None:
                cause = await classification
            if self._is_to_abort(cause) and (unfinished := self._unfinished()):
                # A second Ctrl-C leaves at once; what was sent goes on.
                await outlast(self._abort(unfinished))
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
        self._abandoned = await abort_all(self._client, unfinished)

    def _follow(self, listener: Callable[[WaitUpdate], None] | None) -> list[RemoteTask]:
        """Watches on the I/O thread and hands the updates to the listener in this thread."""
        updates: queue.SimpleQueue[WaitUpdate | None] = queue.SimpleQueue()
        self._begin(updates.put if listener is not None else None, lambda _: updates.put(None))
        breath = None if threading.current_thread() is threading.main_thread() else _BREATH
        try:
            while True:
                try:
                    update = updates.get(timeout=breath)
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

    async def _afollow(self, listener: Listener | None) -> list[RemoteTask]:
        """Watches on the I/O thread and hands the updates to the listener on this event loop."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        # Without a listener there is one thing less per wait, of which there may be thousands.
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
        """Has the I/O thread watch.

        Args:
            post: Told of all that is seen, on the I/O thread.
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
            self._resolve()
            return
        self._poller = poller
        if not self._uuids:
            self._resolve()
        self._subscriptions = [
            poller.subscribe(
                uuid,
                self._policy,
                began=self._began,
                on_end=self._ended,
                on_update=post,
                with_progress=self._with_progress,
            )
            for uuid in self._uuids
        ]

    def _stop(self) -> None:
        """Ends the watching; once all have ended there is nothing to end."""
        self._is_stopped = True
        if not self._is_complete:
            io_thread().submit_if_running(self._unsubscribe())

    async def _unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            if self._poller is not None:
                self._poller.unsubscribe(subscription)

    def _ended(self, uuid: str, outcome: RemoteTask | Exception) -> None:
        if isinstance(outcome, RemoteTask):
            self._final[uuid] = outcome
        else:
            self._failed[uuid] = outcome
        if len(self._final) + len(self._failed) < len(self._uuids):
            return
        late = [uuid for uuid, end in self._failed.items() if isinstance(end, TaskTimeoutError)]
        if late and self._policy.on_timeout == "abort":
            self._concluding = asyncio.get_running_loop().create_task(self._abort_late(late))
        else:
            self._resolve()

    def _resolve(self) -> None:
        """Tells whoever waits that all have ended."""
        self._is_complete = True
        if self._finish is not None:
            self._finish(False)

    def _results(self) -> list[RemoteTask]:
        ends: dict[str, RemoteTask | Exception] = {**self._failed, **self._final}
        tasks = all_final([ends[uuid] for uuid in self._uuids], self._policy)
        if self._raise_on_failure:
            raise_for_failures(tasks, self._asked)
        return [self._final[uuid] for uuid in self._asked_for]

    async def _abort_late(self, late: Sequence[str]) -> None:
        """Aborts what ran out of time, and says of each what came of that."""
        ended = await abort_all(self._client, late)
        for uuid in late:
            error = self._failed.pop(uuid)
            assert isinstance(error, TaskTimeoutError)  # noqa: S101 - these only are late
            end = after_abort(error, ended.get(uuid))
            if isinstance(end, RemoteTask):
                self._final[uuid] = end
            else:
                self._failed[uuid] = end
        self._resolve()


async def abort_all(client: WaitClient, uuids: Sequence[str]) -> dict[str, RemoteTask]:
    """Aborts remote tasks side by side within `ABORT_TIME` seconds; failures are logged.

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
            logger.error("Remote task %s could not be aborted and may run on: %s", uuid, outcome)
    return ended


def _post(loop: asyncio.AbstractEventLoop, call: Callable[[T], object], value: T) -> None:
    """Has another event loop make a call; where it has been closed, nobody is left to tell."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, value)


def _finish(ended: asyncio.Future[None], is_interrupted: bool) -> None:
    if is_interrupted:
        ended.cancel()
    elif not ended.done():
        ended.set_result(None)
