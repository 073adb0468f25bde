"""The one place that polls: a wait is a loop of looks at a remote task."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from prefect_geobox.client.errors import (
    GeoboxError,
    InvalidResponseError,
    LostContactError,
    TaskTimeoutError,
)
from prefect_geobox.client.models import RemoteTask, TaskProgress
from prefect_geobox.client.policy import WaitPolicy
from prefect_geobox.client.retrying import Failure, retry_read
from prefect_geobox.client.transport import Transport

#: Seconds that the last look may take after the deadline.
LAST_LOOK: Final = 0.7

#: The shortest pause between two reads of one remote task's progress, in seconds.
PROGRESS_PAUSE: Final = 2.0

#: Seconds that a read of the progress may take; it comes between two looks.
PROGRESS_TIME: Final = 2.0


@dataclass(frozen=True, slots=True)
class WaitStats:
    """What a wait has cost so far.

    Attributes:
        looks: Answers that told the state.
        requests: Requests sent, failed ones and progress reads included.
        failures: Failed attempts.
        outage_seconds: Time spent without contact, over all outages.
        waited: Seconds since the wait began.
    """

    looks: int = 0
    requests: int = 0
    failures: int = 0
    outage_seconds: float = 0.0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitUpdate:
    """What a wait tells while it goes on.

    Attributes:
        task: The remote task as last seen.
        progress: How far it has come, where that was asked for and is known.
        stats: What the wait has cost so far.
        trouble: Why the last attempt failed, while there is no contact.
    """

    task: RemoteTask
    progress: TaskProgress | None = None
    stats: WaitStats = field(default_factory=WaitStats)
    trouble: str | None = None


OnUpdate = Callable[[WaitUpdate], None]


class TaskWatcher:
    """Serves all waits of one connection. Lives on the I/O thread.

    Args:
        transport: The connection to poll through.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def wait(
        self,
        uuid: str,
        policy: WaitPolicy,
        *,
        began: float,
        on_update: OnUpdate | None = None,
        with_progress: bool = False,
    ) -> RemoteTask:
        """Waits until a remote task is final.

        Args:
            uuid: The remote task.
            policy: Deadline, schedule and outage budget.
            began: The moment of the clock from which the timeout counts.
            on_update: Told of each look, progress and failure; must return at once.
            with_progress: Whether to read the progress too.

        Raises:
            TaskTimeoutError: It was not final when the time was up.
            LostContactError: The server could not be read for longer than the budget.
            GeoboxError: A read failed for good.
        """
        wait = _Wait(self._transport, uuid, policy, began, on_update, with_progress)
        return await wait.run()


class _Wait:
    """One wait: its schedule, its deadline and what it has seen."""

    def __init__(
        self,
        transport: Transport,
        uuid: str,
        policy: WaitPolicy,
        began: float,
        on_update: OnUpdate | None,
        with_progress: bool,
    ) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._policy = policy
        self._began = began
        self._deadline = None if policy.timeout is None else began + policy.timeout
        self._on_update = on_update
        self._with_progress = with_progress
        self._progress_at: float | None = None
        self._first_progress: tuple[float, float] | None = None
        self._seen = WaitUpdate(RemoteTask.unseen(uuid))
        self._is_seen = False

    async def run(self) -> RemoteTask:
        while True:
            looked_at = self._clock.monotonic()
            task = await self._look()
            if task.is_final:
                return task
            if self._deadline is not None and self._clock.monotonic() >= self._deadline:
                # A look that began before the deadline may tell of the time before it.
                if looked_at >= self._deadline or self._time_left() <= 0:
                    raise self._timed_out()
                continue
            await self._read_progress()
            await self._clock.sleep(self._pause())

    async def _look(self) -> RemoteTask:
        """Reads the state, however often that takes."""
        began = self._clock.monotonic()
        try:
            task = await retry_read(
                self._read_state,
                self._policy.retry,
                self._clock,
                deadline=self._deadline,
                on_failure=self._report_failure,
            )
        except GeoboxError as error:
            raise self._verdict(error, self._clock.monotonic() - began) from None
        self._is_seen = True
        stats = self._seen.stats
        outage = self._clock.monotonic() - began if self._seen.trouble else 0.0
        self._tell(
            task=task,
            trouble=None,
            stats=replace(
                stats, looks=stats.looks + 1, outage_seconds=stats.outage_seconds + outage
            ),
        )
        return task

    async def _read_state(self) -> RemoteTask:
        self._count_request()
        uuid = self._seen.task.uuid

        def parse(payload: Any) -> RemoteTask:
            task = RemoteTask.from_payload(payload)
            if task.uuid.replace("-", "").lower() != uuid.replace("-", "").lower():
                # A mixed-up answer must not end a wait with somebody else's verdict.
                raise InvalidResponseError(f"it is about another remote task, {task.uuid}")
            return task

        return await self._transport.attempt_json(
            "GET", f"tasks/{uuid}/", parse, within=self._within()
        )

    def _within(self) -> float | None:
        """Seconds for one attempt: to the deadline, or for the last look beyond it."""
        if self._deadline is None:
            return None
        left = self._deadline - self._clock.monotonic()
        return max(left, LAST_LOOK) if left > 0 else max(0.0, LAST_LOOK + left)

    def _time_left(self) -> float:
        assert self._deadline is not None  # noqa: S101 - asked only of waits with a deadline
        return self._deadline + LAST_LOOK - self._clock.monotonic()

    async def _read_progress(self) -> None:
        """Reads the progress where it is wanted; trouble with it never harms the wait."""
        now = self._clock.monotonic()
        is_due = self._progress_at is None or now - self._progress_at >= PROGRESS_PAUSE
        if not self._with_progress or not is_due:
            return
        self._progress_at = now
        self._count_request()
        try:
            progress = await self._transport.attempt_json(
                "GET",
                f"tasks/{self._seen.task.uuid}/status/",
                TaskProgress.from_payload,
                within=min(PROGRESS_TIME, self._within() or PROGRESS_TIME),
            )
        except GeoboxError:
            return
        if self._first_progress is None and progress.share is not None:
            self._first_progress = (now, progress.share)
        self._tell(progress=progress)

    def _pause(self) -> float:
        now = self._clock.monotonic()
        pause = self._policy.poll.delay(
            now - self._began,
            remaining=self._remaining(now),
            roll=random.random(),  # noqa: S311
        )
        return pause if self._deadline is None else max(0.0, min(pause, self._deadline - now))

    def _remaining(self, now: float) -> float | None:
        """Seconds that the remote task is expected to need still, from its progress."""
        share = self._seen.progress.share if self._seen.progress else None
        if share is None or self._first_progress is None:
            return None
        since, start = self._first_progress
        if share <= start:
            # Nothing has moved since the first reading: suppose that it began with the wait.
            since, start = self._began, 0.0
        return (now - since) * (1 - share) / (share - start) if share > start else None

    def _verdict(self, error: GeoboxError, failing_for: float) -> GeoboxError:
        """What a failed look means for the wait."""
        if not error.transient:
            return error
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            return self._timed_out(error)
        task = self._seen.task
        last = f"last seen in state {task.state_text}" if self._is_seen else "not seen at all"
        return LostContactError(
            f"No contact with {self._transport.settings.host} for {failing_for:.0f} s while "
            f"waiting for remote task {task.label} ({task.uuid}), {last}. It was left alone and "
            f"may well go on: wait for it again by its uuid. The last failure: {error}",
            task,
            failing_for,
        )

    def _timed_out(self, error: GeoboxError | None = None) -> TaskTimeoutError:
        task = self._seen.task
        seen = f"was {task.state_text}" if self._is_seen else "could not be read"
        reason = f" The last failure: {error}" if error else ""
        return TaskTimeoutError(
            f"Remote task {task.label} ({task.uuid}) {seen} when the timeout of "
            f"{self._policy.timeout:g} s ended. Wait for it again by its uuid, or with a longer "
            f"timeout.{reason}",
            task,
        )

    def _report_failure(self, failure: Failure) -> None:
        stats = self._seen.stats
        self._tell(trouble=str(failure.error), stats=replace(stats, failures=stats.failures + 1))

    def _count_request(self) -> None:
        stats = self._seen.stats
        self._seen = replace(self._seen, stats=replace(stats, requests=stats.requests + 1))

    def _tell(self, **changes: object) -> None:
        seen = replace(self._seen, **changes)  # type: ignore[arg-type]
        waited = self._clock.monotonic() - self._began
        self._seen = replace(seen, stats=replace(seen.stats, waited=waited))
        if self._on_update:
            self._on_update(self._seen)
