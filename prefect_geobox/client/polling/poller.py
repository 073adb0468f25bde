"""The one place that polls: one poller for all waits of a connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from functools import partial
from typing import Any, Final

from prefect_geobox.client.http.rate_limit import IN_FLIGHT, HostRateLimits
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import (
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
)
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.polling.batch_reader import BatchReader, Reading
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.schedule import PollSchedule
from prefect_geobox.client.polling.shared_deadlines import SharedReadDeadlines
from prefect_geobox.client.polling.subscription import SINGLE_TIME, OnEnd, OnUpdate, Subscription
from prefect_geobox.client.polling.task_rows import is_final, parse_row

#: Looks from which a list is read instead of each by itself.
_FEW: Final = 3

#: Waits up to which a first look is made at once. With more, it joins the next request.
_CROWD: Final = 10

#: Looks in a request below which, in a crowd, others are pulled forward further to join it.
_SPARSE: Final = 20

#: Waits up to which the progress is read. With more, that of each would be a minute old and of no
#: use to anybody, at five requests a second.
_PROGRESS_CROWD: Final = 100

#: Seconds between two requests that are not full, in a crowd.
_GATHERING: Final = 0.5

#: Seconds between two single reads that check what the list says.
_AUDIT_PAUSE: Final = 30.0


class TaskPoller:
    """Serves all waits of one connection. Lives on the I/O thread.

    It keeps the due times of all waits in order and reads what is due, together with what is
    nearly due, with as few requests as the server allows. It runs only while there are waits.

    Args:
        transport: The connection to poll through.
        limits: What the host may be asked at most.
    """

    def __init__(self, transport: Transport, limits: HostRateLimits) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._limits = limits
        self._list = BatchReader(transport)
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._waits = 0
        self._queue = PollSchedule()
        self._jobs: dict[asyncio.Task[None], Collection[Subscription]] = {}
        self._lists_under_way = 0
        self._gathered_at = float("-inf")
        self._audit_at = float("inf")
        self._canary: Subscription | None = None
        self._single_failed_at = float("-inf")
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = float("inf")
        self._is_stirred = False

    @property
    def waits(self) -> int:
        """How many waits there are now."""
        return self._waits

    async def wait(self, uuid: str, policy: WaitPolicy, *, began: float) -> RemoteTask:
        """Waits until a remote task is final. Arguments as of `subscribe`.

        Raises:
            TaskTimeoutError: It was not final when the time was up.
            LostContactError: The server could not be read for longer than the budget.
            GeoboxError: A read failed for good.
        """
        ended: asyncio.Future[RemoteTask] = asyncio.get_running_loop().create_future()

        def end(_: str, outcome: RemoteTask | Exception) -> None:
            if ended.done():
                return
            if isinstance(outcome, RemoteTask):
                ended.set_result(outcome)
            else:
                ended.set_exception(outcome)

        subscription = self.subscribe(uuid, policy, began=began, on_end=end)
        try:
            return await ended
        finally:
            self.unsubscribe(subscription)

    def subscribe(
        self,
        uuid: str,
        policy: WaitPolicy,
        *,
        began: float,
        on_end: OnEnd,
        on_update: OnUpdate | None = None,
        with_progress: bool = False,
    ) -> Subscription:
        """Begins a wait and returns at once.

        Args:
            uuid: The remote task.
            policy: Deadline, schedule and outage budget.
            began: The moment of the clock from which the timeout counts.
            on_end: Told once how it ended, unless it is unsubscribed before.
            on_update: Told of each look, progress and failure; must return at once.
            with_progress: Whether to read the progress too.
        """
        now = self._clock.monotonic()
        subscription = Subscription(
            uuid, policy, began, now, on_end, on_update, with_progress=with_progress
        )
        self._subscriptions.setdefault(uuid, []).append(subscription)
        self._waits += 1
        self._queue.begin(subscription)
        self._stir()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a wait; whoever it was for is told nothing more."""
        subscription.is_over = True
        subscriptions = self._subscriptions.get(subscription.uuid)
        if subscriptions is None or subscription not in subscriptions:
            return
        subscriptions.remove(subscription)
        self._waits -= 1
        if subscription.is_reading:
            self._cancel_vain_reads(subscription)
        if not subscriptions:
            del self._subscriptions[subscription.uuid]
        if not self._waits:
            self._rest()
        else:
            self._queue.tidy(self._waits)

    def _cancel_vain_reads(self, subscription: Subscription) -> None:
        """Ends a read of which nobody wants the answer any more."""
        for job, subscriptions in self._jobs.items():
            if subscription in subscriptions and all(other.is_over for other in subscriptions):
                job.cancel()

    def close(self) -> None:
        """Ends all that is under way."""
        self._rest()
        for job in self._jobs:
            job.cancel()

    # When to read.

    def _stir(self) -> None:
        """Has the queue looked at soon: once, however many ask for it."""
        if not self._is_stirred:
            self._is_stirred = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _rest(self) -> None:
        self._queue.clear()
        self._alarm_at = self._audit_at = float("inf")
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wake_at(self, moment: float) -> None:
        if self._alarm is not None and self._alarm_at <= moment:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = moment
        self._alarm = asyncio.get_running_loop().create_task(self._sleep_until(moment))

    async def _sleep_until(self, moment: float) -> None:
        await self._clock.sleep(max(0.0, moment - self._clock.monotonic()))
        self._alarm, self._alarm_at = None, float("inf")
        self._pump()

    def _pump(self) -> None:
        """Sends what is due as far as the limits allow, and sets the alarm for the rest."""
        self._is_stirred = False
        if not self._waits:
            return
        while (subscription := self._queue.first()) is not None:
            now = self._clock.monotonic()
            if subscription.due > now:
                self._wake_at(subscription.due)
                return
            if subscription.is_late(now):
                subscription.ran_out()
                self.unsubscribe(subscription)
                continue
            put_off = self._put_off(subscription, now)
            if put_off is not None:
                self._set_alarm(now, put_off)
                return
        # Nothing is left to wait for but answers.

    def _set_alarm(self, now: float, until: float) -> None:
        """Wakes when the limits allow more; the last looks of those due do not wait for that."""
        pressing: list[Subscription] = []
        reached, coming = self._queue.at_deadline(now)
        until = min(until, coming)
        for subscription in reached:
            if subscription.is_late(now):
                subscription.ran_out()
                self.unsubscribe(subscription)
            else:
                pressing.append(subscription)
                until = min(until, now + (subscription.within(now) or 0.0))
        capacity = self._list.capacity(now)
        while pressing and self._limits.limiter.next_at(now, is_pressing=True) <= now:
            if _FEW <= len(pressing) <= capacity:
                self._read_list(pressing, now)
                break
            self._read_one(pressing.pop(), now)
        if until < float("inf"):
            self._wake_at(until)

    def _put_off(self, first: Subscription, now: float) -> float | None:
        """Sends the next request; else says until when it is put off."""
        is_full = len(self._jobs) >= IN_FLIGHT and not first.is_pressing(now)
        if is_full or (self._list.reads_all and self._lists_under_way):
            # An answer will come first.
            return float("inf")
        at = self._limits.limiter.next_at(now, is_pressing=first.is_pressing(now))
        if at > now:
            return at
        if first.single_until > now or self._is_time_for_a_single_read(first, now):
            self._read_one(first, now)
            return None
        capacity = self._list.capacity(now)
        gathers = first.can_gather and self._waits > _CROWD and not first.is_pressing(now)
        at = min(self._gathered_at, first.due) + _GATHERING
        if gathers and at > now and not self._queue.has_due(capacity, now):
            # In a crowd such looks wait for others, unless there was none for a while.
            return at
        chosen = self._queue.take_nearly_due(capacity, now)
        if len(chosen) < _SPARSE and self._waits > _CROWD:
            chosen += self._queue.take_nearly_due(capacity - len(chosen), now, is_sparse=True)
        if gathers or len(chosen) >= _FEW:
            self._gathered_at = now
        if len(chosen) < _FEW:
            for subscription in chosen:
                self._queue.put(subscription)
            self._read_one(first, now)
            return None
        self._read_list(chosen, now)
        return None

    def _is_time_for_a_single_read(self, first: Subscription, now: float) -> bool:
        """Whether a single read is to tell if the list fails alone, or says what is not so."""
        if self._list.is_doubtful and self._canary is None:
            self._canary = first
            return True
        if now >= self._audit_at:
            self._audit_at = now + _AUDIT_PAUSE
            return True
        return False

    # How to read.

    def _start(
        self, work: Coroutine[Any, Any, None], subscriptions: Collection[Subscription]
    ) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs[job] = subscriptions
        job.add_done_callback(self._job_done)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        subscriptions = self._jobs.pop(job)
        if not job.cancelled() and isinstance(error := job.exception(), Exception):
            # Nobody has foreseen it, so it is raised where its answer is waited for.
            for subscription in subscriptions:
                if subscription.is_reading and not subscription.is_over:
                    subscription.broke(error)
                    self.unsubscribe(subscription)
        if self._canary is not None and self._canary.is_over:
            self._canary = None
        self._stir()

    def _read_one(self, subscription: Subscription, now: float) -> None:
        self._limits.limiter.take(now)
        subscription.poll_begins(now)
        self._start(self._single(subscription, subscription.within(now)), (subscription,))

    async def _single(self, subscription: Subscription, within: float | None) -> None:
        error: GeoboxError | None = None
        row: dict[str, Any] = {}
        try:
            row = await self._transport.attempt_json(
                "GET",
                f"tasks/{subscription.uuid}/",
                partial(parse_row, subscription.uuid),
                within=within,
            )
        except GeoboxError as failure:
            error = failure
        now = self._clock.monotonic()
        self._learn(subscription, row, error, now)
        subscription.is_reading = False
        if subscription.is_over:
            return
        if error is None:
            if subscription.misses:
                subscription.single_until = now + SINGLE_TIME
            self._saw(subscription, row, now)
            for other in list(self._subscriptions.get(subscription.uuid, ())):
                if other is not subscription and not other.is_reading:
                    self._saw(other, row, now)
        else:
            self._failed(subscription, error, now)
            return
        if subscription.wants_progress(now):
            await self._read_progress(subscription, now)

    def _learn(
        self, subscription: Subscription, row: dict[str, Any], error: GeoboxError | None, now: float
    ) -> None:
        """Takes what a single read tells about the server and its list."""
        self._limits.limiter.adapt(error, now)
        if error is not None:
            self._single_failed_at = now
        elif self._audit_at < float("inf") and is_final(row):
            self._list.is_known_ended(subscription.uuid, now)
        if self._canary is subscription:
            self._canary = None
            self._list.single_read_told(succeeded=error is None, now=now)

    def _read_list(self, subscriptions: list[Subscription], now: float) -> None:
        for subscription in subscriptions:
            subscription.poll_begins(now)
        if self._audit_at == float("inf"):
            self._audit_at = now + _AUDIT_PAUSE
        uuids = dict.fromkeys(subscription.uuid for subscription in subscriptions)
        self._start(self._several(uuids, subscriptions, now), frozenset(subscriptions))

    async def _several(
        self, uuids: Collection[str], subscriptions: list[Subscription], began: float
    ) -> None:
        deadlines = SharedReadDeadlines(subscriptions, began, self._detach)
        self._lists_under_way += 1
        try:
            reading = await self._list.read(uuids, partial(self._limits.limiter.turn, self._clock))
        finally:
            deadlines.close()
            self._lists_under_way -= 1
        now = self._clock.monotonic()
        self._limits.limiter.adapt(reading.error, now)
        showing: list[Subscription] = []
        for subscription in subscriptions:
            if not deadlines.holds(subscription):
                continue
            subscription.is_reading = False
            if subscription.is_over:
                continue
            self._take(subscription, reading, now)
            if subscription.wants_progress(now):
                showing.append(subscription)
        for subscription in showing:
            if not await self._read_progress(subscription, self._clock.monotonic()):
                break

    def _take(self, subscription: Subscription, reading: Reading, now: float) -> None:
        row = reading.rows.get(subscription.uuid)
        if row is not None and ("result" in row or not is_final(row)):
            self._saw(subscription, row, now)
        elif reading.error is not None:
            is_sure = subscription.has_failed_since(self._single_failed_at)
            self._failed(subscription, reading.error, now, is_sure=is_sure)
        else:
            # Nobody is told that a remote task is gone because a list does not name it.
            subscription.misses += not reading.is_void
            if reading.is_final or row is not None or subscription.misses > 1:
                subscription.single_until = now + SINGLE_TIME
            subscription.again(now)
            self._queue.put(subscription)

    def _saw(self, subscription: Subscription, row: dict[str, Any], now: float) -> None:
        try:
            subscription.saw(row, now)
        except InvalidResponseError as error:
            self._failed(subscription, error, now)
            return
        self._go_on(subscription)

    def _failed(
        self, subscription: Subscription, error: GeoboxError, now: float, *, is_sure: bool = True
    ) -> None:
        subscription.failed(error, now, self._transport.settings.host, is_sure=is_sure)
        self._go_on(subscription)

    def _go_on(self, subscription: Subscription) -> None:
        if subscription.is_over:
            self.unsubscribe(subscription)
        else:
            self._queue.put(subscription)

    def _detach(self, subscription: Subscription, method: str) -> None:
        """Ends the part that a wait has in a read, as it can wait for its answer no longer."""
        subscription.is_reading = False
        if subscription.is_over:
            return
        host = self._transport.settings.host
        error = GeoboxConnectionError(f"{host} did not answer {method} in the time that was left.")
        self._failed(subscription, error, self._clock.monotonic())
        self._stir()

    async def _read_progress(self, subscription: Subscription, now: float) -> bool:
        """Reads the progress, where the limits have a place for that; trouble harms no wait."""
        limiter, own = self._limits.limiter, self._limits.progress_limiter
        if subscription.is_over or subscription.is_reading:
            return True
        is_crowd = self._waits > _PROGRESS_CROWD
        if is_crowd or own.next_at(now) > now or limiter.next_at(now) > now:
            return False
        own.take(now)
        limiter.take(now)
        within = subscription.progress_begins(now)
        progress: TaskProgress | None = None
        with contextlib.suppress(Exception):
            progress = await self._transport.attempt_json(
                "GET",
                f"tasks/{subscription.uuid}/status/",
                TaskProgress.from_payload,
                within=within,
            )
        subscription.is_reading = False
        if not subscription.is_over:
            subscription.progressed(progress, self._clock.monotonic())
            self._queue.put(subscription)
            self._stir()
        return True
