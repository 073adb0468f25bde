"""Listens to the state-change events of flow runs, so that their states are read only rarely.

One websocket subscription of a process serves all flow runs that are monitored for long, and their
ancestor runs. It only says when to read: what a run's state is, the read decides. While there is no
subscription, states are read as often as before, which needs nothing but Prefect's plain API.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from prefect_geobox.client.http.io_thread import on_stop
from prefect_geobox.ownership.event_subscription import EventSubscription
from prefect_geobox.ownership.prefect_api import AccountKey, account_key

logger = logging.getLogger(__name__)

#: Seconds between two reads of a state while no event would tell of a change.
_READ_SECONDS: Final = 2.0

#: The same while events would, in case one is lost.
_LISTENING_READ_SECONDS: Final = 60.0

#: Seconds of waiting after which a subscription is worth its connection.
_LISTEN_AFTER_SECONDS: Final = 10.0

#: Seconds that a connection may take to be made.
_OPEN_SECONDS: Final = 10.0

#: The same where one has just been closed, and states are not read meanwhile.
_REOPEN_SECONDS: Final = 2.0

#: Seconds before the second attempt to connect, at most; they double up to the longest.
_BACKOFF_SECONDS: Final = 4.0
_LONGEST_BACKOFF_SECONDS: Final = 60.0


class StateReads:
    """Decides when the state of one monitored flow run is read. Lives on the I/O thread."""

    def __init__(self) -> None:
        self.run_ids: frozenset[UUID] = frozenset()
        self._began_at = self._read_at = time.monotonic()
        self._listener: _Listener | None = None
        self._is_urgent = False
        #: How many reads must succeed before events are relied on.
        self._needed = 0
        self._is_read_valid = False

    @property
    def is_due(self) -> bool:
        """Whether to read the state now."""
        is_covered = self._listener is not None and self._listener.covers(self.run_ids)
        pause = _LISTENING_READ_SECONDS if is_covered and not self._needed else _READ_SECONDS
        return self._is_urgent or time.monotonic() - self._read_at >= pause

    def begin(self) -> None:
        """Notes that a read begins."""
        self._read_at = time.monotonic()
        self._is_urgent = False
        self._is_read_valid = True
        # A read that fails is repeated soon.
        self._needed = max(self._needed, 1)

    def succeed(self, run_ids: list[UUID]) -> None:
        """Notes that the read has succeeded; after some time of waiting, begins to listen.

        Args:
            run_ids: The flow run and its ancestor runs, whose events count.
        """
        if self._is_read_valid:
            self._needed -= 1
        self.run_ids = frozenset(run_ids)
        if self._listener is None and time.monotonic() - self._began_at >= _LISTEN_AFTER_SECONDS:
            self._listener = _listener_of_account()
            if self._listener is not None:
                self._listener.add(self)

    def expect_change(self, reads: int) -> None:
        """Has the state read at once, whatever a read that is in progress finds.

        Args:
            reads: How many reads, with the usual pause between them.
        """
        self._is_urgent = True
        self._is_read_valid = False
        self._needed = max(self._needed, reads)

    def close(self) -> None:
        """Stops listening."""
        if self._listener is not None:
            self._listener.remove(self)
            self._listener = None


class _Listener:
    """Keeps one subscription for all flow runs that are monitored on one server."""

    def __init__(self, key: AccountKey) -> None:
        self._key = key
        self._loop = asyncio.get_running_loop()
        self._reads: dict[StateReads, None] = {}
        self._subscription: EventSubscription | None = None
        self._is_reopening = False
        self._changed = asyncio.Event()
        self._task = self._loop.create_task(self._keep())

    @property
    def is_usable(self) -> bool:
        """Whether its thread still runs."""
        return self._loop is asyncio.get_running_loop() and not self._task.done()

    def covers(self, run_ids: frozenset[UUID]) -> bool:
        """Whether an event would tell of a change in one of these flow runs."""
        current = self._subscription
        if current is None or not run_ids <= current.run_ids:
            return False
        return self._is_reopening or not current.has_ended

    def add(self, reads: StateReads) -> None:
        self._reads[reads] = None
        self._changed.set()
        if self.covers(reads.run_ids):
            # An event since its last read was not for it yet.
            reads.expect_change(1)

    def remove(self, reads: StateReads) -> None:
        self._reads.pop(reads, None)
        if not self._reads:
            if _listeners.get(self._key) is self:
                del _listeners[self._key]
            # It closes its connection before it ends.
            self._task.cancel()

    async def _keep(self) -> None:
        failures, retry_at = 0, 0.0
        try:
            while True:
                self._changed.clear()
                pause = None
                if self._is_short():
                    pause = retry_at - time.monotonic()
                    if pause <= 0:
                        failures = 0 if await self._open() else failures + 1
                        retry_at = time.monotonic() + _backoff(failures)
                        continue
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), pause)
        finally:
            if self._subscription is not None:
                await self._subscription.close()

    def _is_short(self) -> bool:
        """Whether there is a flow run that no subscription tells of."""
        current = self._subscription
        return current is None or current.has_ended or not self._run_ids() <= current.run_ids

    def _run_ids(self) -> frozenset[UUID]:
        return frozenset().union(*(reads.run_ids for reads in self._reads))

    async def _open(self) -> bool:
        """Opens a subscription for all; one that there is serves until the new one does."""
        before = self._subscription
        # Servers and proxies close connections from time to time, without any change of a state.
        self._is_reopening = before is not None and before.was_closed
        fresh = EventSubscription(self._run_ids(), self._tell, self._changed.set)
        try:
            await fresh.open(_REOPEN_SECONDS if self._is_reopening else _OPEN_SECONDS)
            await fresh.settle()
            for reads in self._reads:
                if self._is_reopening or not self.covers(reads.run_ids):
                    # What has changed before the server knew of the subscription had no event.
                    reads.expect_change(1)
            self._subscription = fresh
        except BaseException as error:
            await fresh.close()
            if not isinstance(error, Exception):
                raise
            _report(self._key, error)
            if before is not None and before.has_ended:
                self._subscription = None
        finally:
            self._is_reopening = False
        if before is not None and before is not self._subscription:
            await before.close()
        return self._subscription is fresh

    def _tell(self, run_id: str) -> None:
        for reads in self._reads:
            if any(str(own) == run_id for own in reads.run_ids):
                # Prefect sends the event before it commits the state, so once more after a while.
                reads.expect_change(2)


def _backoff(failures: int) -> float:
    if not failures:
        return 0.0
    longest = min(_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16), _LONGEST_BACKOFF_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not cryptographic


#: The listeners, one for each server and account that flow runs are monitored on; usually one.
_listeners: dict[AccountKey, _Listener] = {}

#: The servers and accounts without events that the log has named.
_reported: set[AccountKey] = set()

if hasattr(os, "register_at_fork"):
    # The connections of the parent are not the child's.
    os.register_at_fork(after_in_child=_listeners.clear)


def _listener_of_account() -> _Listener | None:
    """The listener of this process; None where there can be none."""
    key = account_key()
    if not key.url or "@" in urlsplit(key.url).netloc:
        # Prefect would start a server, or log the password with the address.
        return None
    listener = _listeners.get(key)
    if listener is None or not listener.is_usable:
        listener = _listeners[key] = _Listener(key)
    return listener


async def _forget_listeners() -> None:
    _listeners.clear()


on_stop(_forget_listeners)


def _report(key: AccountKey, error: Exception) -> None:
    if key in _reported:
        return
    _reported.add(key)
    # Not the message of the error: it may contain the address.
    status = getattr(getattr(error, "response", None), "status_code", None)
    logger.debug(
        "No events of the Prefect server (%s); the states of flow runs are read every %g s.",
        f"HTTP {status}" if status else type(error).__name__,
        _READ_SECONDS,
    )
