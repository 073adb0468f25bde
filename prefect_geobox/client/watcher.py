"""The one place that polls: one poller for all waits of a connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from functools import partial
from typing import Any, Final

from prefect_geobox.client.bound import Bound
from prefect_geobox.client.due_queue import DueQueue
from prefect_geobox.client.errors import (
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
)
from prefect_geobox.client.models import RemoteTask, TaskProgress
from prefect_geobox.client.pacing import IN_FLIGHT, HostLimits
from prefect_geobox.client.policy import WaitPolicy
from prefect_geobox.client.rows import is_final, parse_row
from prefect_geobox.client.task_list import Reading, TaskList
from prefect_geobox.client.transport import Transport
from prefect_geobox.client.watch import SINGLE_TIME, OnEnd, OnUpdate, Watch

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


class TaskWatcher:
    """Serves all waits of one connection. Lives on the I/O thread.

    It keeps the due times of all waits in order and reads what is due, together with what is
    nearly due, with as few requests as the server allows. It runs only while there are waits.

    Args:
        transport: The connection to poll through.
        limits: What the host may be asked at most.
    """

    def __init__(self, transport: Transport, limits: HostLimits) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._limits = limits
        self._list = TaskList(transport)
        self._watches: dict[str, list[Watch]] = {}
        self._waits = 0
        self._queue = DueQueue()
        self._jobs: dict[asyncio.Task[None], Collection[Watch]] = {}
        self._lists_under_way = 0
        self._gathered_at = float("-inf")
        self._audit_at = float("inf")
        self._canary: Watch | None = None
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

        watch = self.subscribe(uuid, policy, began=began, on_end=end)
        try:
            return await ended
        finally:
            self.unsubscribe(watch)

    def subscribe(
        self,
        uuid: str,
        policy: WaitPolicy,
        *,
        began: float,
        on_end: OnEnd,
        on_update: OnUpdate | None = None,
        with_progress: bool = False,
    ) -> Watch:
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
        watch = Watch(uuid, policy, began, now, on_end, on_update, with_progress=with_progress)
        self._watches.setdefault(uuid, []).append(watch)
        self._waits += 1
        self._queue.begin(watch)
        self._stir()
        return watch

    def unsubscribe(self, watch: Watch) -> None:
        """Ends a wait; whoever it was for is told nothing more."""
        watch.is_over = True
        watches = self._watches.get(watch.uuid)
        if watches is None or watch not in watches:
            return
        watches.remove(watch)
        self._waits -= 1
        if watch.is_reading:
            self._cancel_vain_reads(watch)
        if not watches:
            del self._watches[watch.uuid]
        if not self._waits:
            self._rest()
        else:
            self._queue.tidy(self._waits)

    def _cancel_vain_reads(self, watch: Watch) -> None:
        """Ends a read of which nobody wants the answer any more."""
        for job, watches in self._jobs.items():
            if watch in watches and all(other.is_over for other in watches):
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
        while (watch := self._queue.first()) is not None:
            now = self._clock.monotonic()
            if watch.due > now:
                self._wake_at(watch.due)
                return
            if watch.is_late(now):
                watch.ran_out()
                self.unsubscribe(watch)
                continue
            put_off = self._put_off(watch, now)
            if put_off is not None:
                self._set_alarm(now, put_off)
                return
        # Nothing is left to wait for but answers.

    def _set_alarm(self, now: float, until: float) -> None:
        """Wakes when the limits allow more; the last looks of those due do not wait for that."""
        pressing: list[Watch] = []
        reached, coming = self._queue.at_deadline(now)
        until = min(until, coming)
        for watch in reached:
            if watch.is_late(now):
                watch.ran_out()
                self.unsubscribe(watch)
            else:
                pressing.append(watch)
                until = min(until, now + (watch.within(now) or 0.0))
        capacity = self._list.capacity(now)
        while pressing and self._limits.pace.next_at(now, is_pressing=True) <= now:
            if _FEW <= len(pressing) <= capacity:
                self._read_list(pressing, now)
                break
            self._read_one(pressing.pop(), now)
        if until < float("inf"):
            self._wake_at(until)

    def _put_off(self, first: Watch, now: float) -> float | None:
        """Sends the next request; else says until when it is put off."""
        is_full = len(self._jobs) >= IN_FLIGHT and not first.is_pressing(now)
        if is_full or (self._list.reads_all and self._lists_under_way):
            # An answer will come first.
            return float("inf")
        at = self._limits.pace.next_at(now, is_pressing=first.is_pressing(now))
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
            for watch in chosen:
                self._queue.put(watch)
            self._read_one(first, now)
            return None
        self._read_list(chosen, now)
        return None

    def _is_time_for_a_single_read(self, first: Watch, now: float) -> bool:
        """Whether a single read is to tell if the list fails alone, or says what is not so."""
        if self._list.is_doubtful and self._canary is None:
            self._canary = first
            return True
        if now >= self._audit_at:
            self._audit_at = now + _AUDIT_PAUSE
            return True
        return False

    # How to read.

    def _start(self, work: Coroutine[Any, Any, None], watches: Collection[Watch]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs[job] = watches
        job.add_done_callback(self._job_done)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        watches = self._jobs.pop(job)
        if not job.cancelled() and isinstance(error := job.exception(), Exception):
            # Nobody has foreseen it, so it is raised where its answer is waited for.
            for watch in watches:
                if watch.is_reading and not watch.is_over:
                    watch.broke(error)
                    self.unsubscribe(watch)
        if self._canary is not None and self._canary.is_over:
            self._canary = None
        self._stir()

    def _read_one(self, watch: Watch, now: float) -> None:
        self._limits.pace.take(now)
        watch.look_begins(now)
        self._start(self._single(watch, watch.within(now)), (watch,))

    async def _single(self, watch: Watch, within: float | None) -> None:
        error: GeoboxError | None = None
        row: dict[str, Any] = {}
        try:
            row = await self._transport.attempt_json(
                "GET", f"tasks/{watch.uuid}/", partial(parse_row, watch.uuid), within=within
            )
        except GeoboxError as failure:
            error = failure
        now = self._clock.monotonic()
        self._learn(watch, row, error, now)
        watch.is_reading = False
        if watch.is_over:
            return
        if error is None:
            if watch.misses:
                watch.single_until = now + SINGLE_TIME
            self._saw(watch, row, now)
            for other in list(self._watches.get(watch.uuid, ())):
                if other is not watch and not other.is_reading:
                    self._saw(other, row, now)
        else:
            self._failed(watch, error, now)
            return
        if watch.wants_progress(now):
            await self._read_progress(watch, now)

    def _learn(
        self, watch: Watch, row: dict[str, Any], error: GeoboxError | None, now: float
    ) -> None:
        """Takes what a single read tells about the server and its list."""
        self._limits.pace.adapt(error, now)
        if error is not None:
            self._single_failed_at = now
        elif self._audit_at < float("inf") and is_final(row):
            self._list.is_known_ended(watch.uuid, now)
        if self._canary is watch:
            self._canary = None
            self._list.single_read_told(succeeded=error is None, now=now)

    def _read_list(self, watches: list[Watch], now: float) -> None:
        for watch in watches:
            watch.look_begins(now)
        if self._audit_at == float("inf"):
            self._audit_at = now + _AUDIT_PAUSE
        uuids = dict.fromkeys(watch.uuid for watch in watches)
        self._start(self._several(uuids, watches, now), frozenset(watches))

    async def _several(self, uuids: Collection[str], watches: list[Watch], began: float) -> None:
        bound = Bound(watches, began, self._detach)
        self._lists_under_way += 1
        try:
            reading = await self._list.read(uuids, partial(self._limits.pace.turn, self._clock))
        finally:
            bound.close()
            self._lists_under_way -= 1
        now = self._clock.monotonic()
        self._limits.pace.adapt(reading.error, now)
        showing: list[Watch] = []
        for watch in watches:
            if not bound.holds(watch):
                continue
            watch.is_reading = False
            if watch.is_over:
                continue
            self._take(watch, reading, now)
            if watch.wants_progress(now):
                showing.append(watch)
        for watch in showing:
            if not await self._read_progress(watch, self._clock.monotonic()):
                break

    def _take(self, watch: Watch, reading: Reading, now: float) -> None:
        row = reading.rows.get(watch.uuid)
        if row is not None and ("result" in row or not is_final(row)):
            self._saw(watch, row, now)
        elif reading.error is not None:
            is_sure = watch.has_failed_since(self._single_failed_at)
            self._failed(watch, reading.error, now, is_sure=is_sure)
        else:
            # Nobody is told that a remote task is gone because a list does not name it.
            watch.misses += not reading.is_void
            if reading.is_final or row is not None or watch.misses > 1:
                watch.single_until = now + SINGLE_TIME
            watch.again(now)
            self._queue.put(watch)

    def _saw(self, watch: Watch, row: dict[str, Any], now: float) -> None:
        try:
            watch.saw(row, now)
        except InvalidResponseError as error:
            self._failed(watch, error, now)
            return
        self._go_on(watch)

    def _failed(
        self, watch: Watch, error: GeoboxError, now: float, *, is_sure: bool = True
    ) -> None:
        watch.failed(error, now, self._transport.settings.host, is_sure=is_sure)
        self._go_on(watch)

    def _go_on(self, watch: Watch) -> None:
        if watch.is_over:
            self.unsubscribe(watch)
        else:
            self._queue.put(watch)

    def _detach(self, watch: Watch, method: str) -> None:
        """Ends the part that a wait has in a read, as it can wait for its answer no longer."""
        watch.is_reading = False
        if watch.is_over:
            return
        host = self._transport.settings.host
        error = GeoboxConnectionError(f"{host} did not answer {method} in the time that was left.")
        self._failed(watch, error, self._clock.monotonic())
        self._stir()

    async def _read_progress(self, watch: Watch, now: float) -> bool:
        """Reads the progress, where the limits have a place for that; trouble harms no wait."""
        pace, own = self._limits.pace, self._limits.progress_pace
        if watch.is_over or watch.is_reading:
            return True
        is_crowd = self._waits > _PROGRESS_CROWD
        if is_crowd or own.next_at(now) > now or pace.next_at(now) > now:
            return False
        own.take(now)
        pace.take(now)
        within = watch.progress_begins(now)
        progress: TaskProgress | None = None
        with contextlib.suppress(Exception):
            progress = await self._transport.attempt_json(
                "GET", f"tasks/{watch.uuid}/status/", TaskProgress.from_payload, within=within
            )
        watch.is_reading = False
        if not watch.is_over:
            watch.progressed(progress, self._clock.monotonic())
            self._queue.put(watch)
            self._stir()
        return True
