"""Reads the states of remote tasks, one or many with a request, and records them in their waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from prefect_geobox.client.http.rate_limit import HostRateLimits
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import (
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
)
from prefect_geobox.client.polling.batch_reader import BatchReader
from prefect_geobox.client.polling.list_strategies import Reading
from prefect_geobox.client.polling.progress_reader import ProgressReader
from prefect_geobox.client.polling.shared_deadlines import SharedReadDeadlines
from prefect_geobox.client.polling.subscription import SINGLE_TIME, Subscription
from prefect_geobox.client.polling.task_rows import Row, is_final, parse_row

#: Seconds between two single reads that check the list against them.
_CHECK_PAUSE: Final = 30.0


class StateReader:
    """Sends the reads that the poller decides on. Lives on the I/O thread.

    Args:
        transport: The connection.
        limits: The rate limits of the host.
        progress: Reads the progress where a wait wants it after its state.
        subscriptions: All waits by the uuid of their remote task.
        resume: Called with each wait that has been read: it is over, or its next poll is due later.
        wake: Called where more requests may be possible than before.
    """

    def __init__(
        self,
        transport: Transport,
        limits: HostRateLimits,
        progress: ProgressReader,
        subscriptions: Mapping[str, Sequence[Subscription]],
        *,
        resume: Callable[[Subscription], None],
        wake: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._limits = limits
        self._progress = progress
        self._subscriptions = subscriptions
        self._resume = resume
        self._wake = wake
        self._batch = BatchReader(transport)
        self._reads: dict[asyncio.Task[None], Collection[Subscription]] = {}
        self._batches_in_flight = 0
        self._check_at = float("inf")
        self._control_read: Subscription | None = None
        self._single_failed_at = float("-inf")

    @property
    def in_flight(self) -> int:
        """How many reads are under way."""
        return len(self._reads)

    @property
    def awaits_whole_list(self) -> bool:
        """Whether a read is under way that covers all remote tasks."""
        return self._batch.reads_all and self._batches_in_flight > 0

    def batch_capacity(self, now: float) -> int:
        """How many remote tasks the next batch may hold; 0 where only single reads are of use."""
        return self._batch.capacity(now)

    def needs_single_read(self, subscription: Subscription, now: float) -> bool:
        """Whether this one is to be read by itself, also where a batch would be possible.

        Because batches do not name it; or as a control read, which shows whether only the list
        fails; or to check the list.
        """
        if subscription.single_until > now:
            return True
        if self._batch.is_doubtful and self._control_read is None:
            self._control_read = subscription
            return True
        if now >= self._check_at:
            self._check_at = now + _CHECK_PAUSE
            return True
        return False

    def read_one(self, subscription: Subscription, now: float) -> None:
        """Starts to read one remote task by itself."""
        self._limits.limiter.take(now)
        subscription.begin_poll(now)
        self._start(self._single(subscription, subscription.seconds_left(now)), (subscription,))

    def read_batch(self, subscriptions: list[Subscription], now: float) -> None:
        """Starts to read many remote tasks together; no more than `batch_capacity`."""
        for subscription in subscriptions:
            subscription.begin_poll(now)
        if self._check_at == float("inf"):
            self._check_at = now + _CHECK_PAUSE
        uuids = dict.fromkeys(subscription.uuid for subscription in subscriptions)
        self._start(self._several(uuids, subscriptions, now), frozenset(subscriptions))

    def cancel_unneeded(self, ended: Subscription) -> None:
        """Cancels a read whose waits are all over, one of which has just ended."""
        for read, subscriptions in self._reads.items():
            if ended in subscriptions and all(other.is_over for other in subscriptions):
                read.cancel()

    def rest(self) -> None:
        """Stops checking the list, while there are no waits."""
        self._check_at = float("inf")

    def close(self) -> None:
        """Cancels all reads."""
        for read in self._reads:
            read.cancel()

    def _start(
        self, work: Coroutine[Any, Any, None], subscriptions: Collection[Subscription]
    ) -> None:
        read = asyncio.get_running_loop().create_task(work)
        self._reads[read] = subscriptions
        read.add_done_callback(self._finished)

    def _finished(self, read: asyncio.Task[None]) -> None:
        subscriptions = self._reads.pop(read)
        if not read.cancelled() and isinstance(error := read.exception(), Exception):
            # An unexpected error is raised where the answer is waited for.
            for subscription in subscriptions:
                if subscription.is_reading and not subscription.is_over:
                    subscription.fail(error)
                    self._resume(subscription)
        if self._control_read is not None and self._control_read.is_over:
            self._control_read = None
        self._wake()

    async def _single(self, subscription: Subscription, seconds: float | None) -> None:
        error: GeoboxError | None = None
        row: Row = {}
        try:
            row = await self._transport.attempt_json(
                "GET",
                f"tasks/{subscription.uuid}/",
                partial(parse_row, subscription.uuid),
                within=seconds,
            )
        except GeoboxError as failure:
            error = failure
        now = self._clock.monotonic()
        self._learn(subscription, row, error, now)
        subscription.is_reading = False
        if subscription.is_over:
            return
        if error is not None:
            self._record_failure(subscription, error, now)
            return
        if subscription.misses:
            subscription.single_until = now + SINGLE_TIME
        self._record_state(subscription, row, now)
        for other in list(self._subscriptions.get(subscription.uuid, ())):
            if other is not subscription and not other.is_reading:
                self._record_state(other, row, now)
        if subscription.wants_progress(now):
            await self._read_progress(subscription, now)

    def _learn(
        self, subscription: Subscription, row: Row, error: GeoboxError | None, now: float
    ) -> None:
        """Uses what a single read shows of the server and its list."""
        self._limits.limiter.adapt(error, now)
        if error is not None:
            self._single_failed_at = now
        elif self._check_at < float("inf") and is_final(row):
            self._batch.note_ended(subscription.uuid, now)
        if self._control_read is subscription:
            self._control_read = None
            self._batch.note_control_read(succeeded=error is None, now=now)

    async def _several(
        self, uuids: Collection[str], subscriptions: list[Subscription], began: float
    ) -> None:
        deadlines = SharedReadDeadlines(subscriptions, began, self._detach)
        self._batches_in_flight += 1
        try:
            reading = await self._batch.read(uuids, partial(self._limits.limiter.turn, self._clock))
        finally:
            deadlines.close()
            self._batches_in_flight -= 1
        now = self._clock.monotonic()
        self._limits.limiter.adapt(reading.error, now)
        wanting: list[Subscription] = []
        for subscription in subscriptions:
            if not deadlines.holds(subscription):
                continue
            subscription.is_reading = False
            if subscription.is_over:
                continue
            self._record_reading(subscription, reading, now)
            if subscription.wants_progress(now):
                wanting.append(subscription)
        for subscription in wanting:
            if not await self._read_progress(subscription, self._clock.monotonic()):
                break

    def _record_reading(self, subscription: Subscription, reading: Reading, now: float) -> None:
        row = reading.rows.get(subscription.uuid)
        if row is not None and ("result" in row or not is_final(row)):
            self._record_state(subscription, row, now)
        elif reading.error is not None:
            is_sure = subscription.has_failed_since(self._single_failed_at)
            self._record_failure(subscription, reading.error, now, is_sure=is_sure)
        else:
            # That a list does not name a remote task does not prove that it is gone.
            subscription.misses += not reading.is_void
            if reading.is_final or row is not None or subscription.misses > 1:
                subscription.single_until = now + SINGLE_TIME
            subscription.poll_again(now)
            self._resume(subscription)

    def _record_state(self, subscription: Subscription, row: Row, now: float) -> None:
        try:
            subscription.record_state(row, now)
        except InvalidResponseError as error:
            self._record_failure(subscription, error, now)
            return
        self._resume(subscription)

    def _record_failure(
        self, subscription: Subscription, error: GeoboxError, now: float, *, is_sure: bool = True
    ) -> None:
        host = self._transport.settings.host
        subscription.record_failure(error, now, host, is_sure=is_sure)
        self._resume(subscription)

    def _detach(self, subscription: Subscription, method: str) -> None:
        """Takes a wait out of a batch whose answer it can wait for no longer."""
        subscription.is_reading = False
        if subscription.is_over:
            return
        host = self._transport.settings.host
        error = GeoboxConnectionError(f"{host} did not answer {method} in the time that was left.")
        self._record_failure(subscription, error, self._clock.monotonic())
        self._wake()

    async def _read_progress(self, subscription: Subscription, now: float) -> bool:
        """Reads the progress of one remote task; returns whether more could be read after it."""
        if subscription.is_over or subscription.is_reading:
            return True
        if not self._progress.is_possible(now):
            return False
        await self._progress.read(subscription, now)
        if not subscription.is_over:
            self._resume(subscription)
            self._wake()
        return True
