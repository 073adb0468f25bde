"""The one place that polls: one poller for all waits of a connection."""

from __future__ import annotations

import asyncio
from typing import Final

from prefect_geobox.client.http.rate_limit import IN_FLIGHT, HostRateLimits
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.progress_reader import ProgressReader
from prefect_geobox.client.polling.schedule import PollSchedule
from prefect_geobox.client.polling.state_reader import StateReader
from prefect_geobox.client.polling.subscription import OnEnd, OnUpdate, Subscription

#: Polls from which a batch is read instead of each remote task by itself.
_SMALLEST_BATCH: Final = 3

#: Polls in a batch below which, among many waits, others are pulled forward further to join it.
_SMALL_BATCH: Final = 20

#: Waits up to which a first poll is sent at once. With more, it joins the next batch.
_FEW_WAITS: Final = 10

#: Seconds between two batches that are not full, among many waits.
_BATCH_PAUSE: Final = 0.5

_NEVER: Final = float("inf")


class TaskPoller:
    """Serves all waits of one connection. Lives on the I/O thread.

    It keeps the due times of all waits in order and reads what is due, together with what is
    nearly due, with as few requests as the server allows. It runs only while there are waits.

    Args:
        transport: The connection to poll through.
        limits: The rate limits of the host.
    """

    def __init__(self, transport: Transport, limits: HostRateLimits) -> None:
        self._clock = transport.clock
        self._limits = limits
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._waits = 0
        self._schedule = PollSchedule()
        progress = ProgressReader(transport, limits, lambda: self._waits)
        self._reader = StateReader(
            transport,
            limits,
            progress,
            self._subscriptions,
            resume=self._resume,
            wake=self._wake,
        )
        self._last_batch_at = float("-inf")
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = _NEVER
        self._is_woken = False

    @property
    def waits(self) -> int:
        """How many waits there are now."""
        return self._waits

    async def wait(self, uuid: str, policy: WaitPolicy, *, began: float) -> RemoteTask:
        """Waits until a remote task is final. Arguments as of `subscribe`.

        Raises:
            TaskTimeoutError: It was not final when the timeout ended.
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
            on_end: Called once with the result, unless it is unsubscribed before.
            on_update: Called after each poll, progress and failure; must return at once.
            with_progress: Whether to read the progress too.
        """
        now = self._clock.monotonic()
        subscription = Subscription(
            uuid, policy, began, now, on_end, on_update, with_progress=with_progress
        )
        self._subscriptions.setdefault(uuid, []).append(subscription)
        self._waits += 1
        self._schedule.begin(subscription)
        self._wake()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a wait; its callbacks are not called any more."""
        subscription.is_over = True
        subscriptions = self._subscriptions.get(subscription.uuid)
        if subscriptions is None or subscription not in subscriptions:
            return
        subscriptions.remove(subscription)
        self._waits -= 1
        if subscription.is_reading:
            self._reader.cancel_unneeded(subscription)
        if not subscriptions:
            del self._subscriptions[subscription.uuid]
        if not self._waits:
            self._rest()
        else:
            self._schedule.tidy(self._waits)

    def close(self) -> None:
        """Cancels all reads and the timer."""
        self._rest()
        self._reader.close()

    def _resume(self, subscription: Subscription) -> None:
        """Goes on with a wait that has been read, or ends it."""
        if subscription.is_over:
            self.unsubscribe(subscription)
        else:
            self._schedule.put(subscription)

    def _wake(self) -> None:
        """Sends what is due in the next turn of the event loop: once, however often it is woken."""
        if not self._is_woken:
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._send_due)

    def _rest(self) -> None:
        self._schedule.clear()
        self._reader.rest()
        self._timer_at = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None and self._timer_at <= moment:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = moment
        self._timer = asyncio.get_running_loop().create_task(self._sleep_until(moment))

    async def _sleep_until(self, moment: float) -> None:
        await self._clock.sleep(max(0.0, moment - self._clock.monotonic()))
        self._timer, self._timer_at = None, _NEVER
        self._send_due()

    def _send_due(self) -> None:
        """Sends what is due as far as the limits allow, and sets the timer for the rest."""
        self._is_woken = False
        if not self._waits:
            return
        while (subscription := self._schedule.first()) is not None:
            now = self._clock.monotonic()
            if subscription.due > now:
                self._wake_at(subscription.due)
                return
            if subscription.is_past_last_poll(now):
                subscription.time_out()
                self.unsubscribe(subscription)
                continue
            next_at = self._send_next(subscription, now)
            if next_at is not None:
                self._send_last_polls(now, next_at)
                return
        # Every wait is being read: the answers wake this again.

    def _send_last_polls(self, now: float, next_at: float) -> None:
        """Sends last polls, which do not wait until `next_at` as others do, and sets the timer."""
        last_polls: list[Subscription] = []
        reached, next_deadline = self._schedule.at_deadline(now)
        until = min(next_at, next_deadline)
        for subscription in reached:
            if subscription.is_past_last_poll(now):
                subscription.time_out()
                self.unsubscribe(subscription)
            else:
                last_polls.append(subscription)
                until = min(until, now + (subscription.seconds_left(now) or 0.0))
        capacity = self._reader.batch_capacity(now)
        while last_polls and self._limits.limiter.next_at(now, is_urgent=True) <= now:
            if _SMALLEST_BATCH <= len(last_polls) <= capacity:
                self._reader.read_batch(last_polls, now)
                break
            self._reader.read_one(last_polls.pop(), now)
        if until < _NEVER:
            self._wake_at(until)

    def _send_next(self, first: Subscription, now: float) -> float | None:
        """Sends the next request; else returns the moment until which it is put off.

        Args:
            first: The wait that is due first.
            now: The moment of the clock.
        """
        is_urgent = first.is_at_deadline(now)
        is_full = self._reader.in_flight >= IN_FLIGHT and not is_urgent
        if is_full or self._reader.awaits_whole_list:
            # The next answer wakes this again.
            return _NEVER
        at = self._limits.limiter.next_at(now, is_urgent=is_urgent)
        if at > now:
            return at
        if self._reader.needs_single_read(first, now):
            self._reader.read_one(first, now)
            return None
        capacity = self._reader.batch_capacity(now)
        can_wait = first.can_wait_for_batch and self._waits > _FEW_WAITS and not is_urgent
        at = min(self._last_batch_at, first.due) + _BATCH_PAUSE
        if can_wait and at > now and not self._schedule.has_due(capacity, now):
            # Among many waits such polls wait for others, unless there was no batch for a while.
            return at
        chosen = self._schedule.take_nearly_due(capacity, now)
        if len(chosen) < _SMALL_BATCH and self._waits > _FEW_WAITS:
            chosen += self._schedule.take_nearly_due(
                capacity - len(chosen), now, is_small_batch=True
            )
        is_batch = len(chosen) >= _SMALLEST_BATCH
        if can_wait or is_batch:
            self._last_batch_at = now
        if is_batch:
            self._reader.read_batch(chosen, now)
            return None
        for subscription in chosen:
            self._schedule.put(subscription)
        self._reader.read_one(first, now)
        return None
