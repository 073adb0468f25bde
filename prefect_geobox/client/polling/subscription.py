"""One wait: its schedule, its deadline, its outages and what it has seen. Does no I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from prefect_geobox.client.http.retry import ROUNDING
from prefect_geobox.client.model.errors import GeoboxError, InvalidResponseError
from prefect_geobox.client.model.task_errors import LostContactError, TaskTimeoutError
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.polling.policy import WaitPolicy

#: Seconds that the last look may take after the deadline.
LAST_POLL: Final = 0.7

#: The shortest pause between two reads of one remote task's progress, in seconds.
PROGRESS_PAUSE: Final = 2.0

#: Seconds that a read of the progress may take; it comes between two looks.
PROGRESS_TIME: Final = 2.0

#: Seconds for which one that lists do not tell about is read by itself.
SINGLE_TIME: Final = 60.0

#: States of which the answer is kept as it came: a thousand waits need no thousand models.
_RUNNING: Final = frozenset({"PENDING", "PROGRESS"})


@dataclass(frozen=True, slots=True)
class WaitStats:
    """What a wait has cost so far.

    Attributes:
        polls: Answers that told the state.
        requests: Requests in which it had a part, failed ones and progress reads included. Many
            waits can share one.
        failures: Failed attempts.
        outage_seconds: Time spent without contact, over all outages.
        waited: Seconds since the wait began.
    """

    polls: int = 0
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

#: Told how a wait ended: the remote task in its final state, or why the wait failed.
OnEnd = Callable[[str, "RemoteTask | Exception"], None]


class Subscription:
    """One wait for one remote task. There may be ten thousand of them, so each is small.

    Args:
        uuid: The remote task.
        policy: Deadline, schedule and outage budget.
        began: The moment of the clock from which the timeout counts.
        now: The moment of the clock; its first look is due then.
        on_end: Told once how it ended.
        on_update: Told of each look, progress and failure; must return at once.
        with_progress: Whether the progress is wanted too.

    Attributes:
        uuid: The remote task.
        due: When its next poll is due.
        slack: Seconds by which that look may be pulled forward to share a request.
        ticket: Changes with each new due time.
        entry: What the queue of due times will hold it by again, while it is not in there.
        is_reading: Whether a read of it is under way.
        is_over: Whether it has ended.
        misses: How often in a row a list that should name it did not.
        single_until: Until when it is read by itself, as lists do not name it.
    """

    __slots__ = (
        "__weakref__",
        "_began",
        "_failing_since",
        "_failures",
        "_failures_in_row",
        "_first_progress",
        "_on_end",
        "_on_update",
        "_outage",
        "_policy",
        "_poll_began",
        "_polls",
        "_progress",
        "_progress_at",
        "_requests",
        "_seen",
        "_trouble",
        "deadline",
        "due",
        "entry",
        "is_over",
        "is_reading",
        "misses",
        "single_until",
        "slack",
        "ticket",
        "uuid",
        "with_progress",
    )

    def __init__(
        self,
        uuid: str,
        policy: WaitPolicy,
        began: float,
        now: float,
        on_end: OnEnd,
        on_update: OnUpdate | None = None,
        *,
        with_progress: bool = False,
    ) -> None:
        self.uuid = uuid
        self.deadline = None if policy.timeout is None else began + policy.timeout
        self.due = now
        self.slack = 0.0
        self.ticket = 0
        self.entry: list[Any] | None = None
        self.is_reading = self.is_over = False
        self.misses = 0
        self.single_until = 0.0
        self.with_progress = with_progress
        self._policy = policy
        self._began = began
        self._on_end = on_end
        self._on_update = on_update
        self._seen: RemoteTask | dict[str, Any] | None = None
        self._polls = self._requests = self._failures = 0
        self._outage = 0.0
        self._trouble: str | None = None
        self._failures_in_row = 0
        self._failing_since = self._poll_began = now
        self._progress: TaskProgress | None = None
        self._progress_at: float | None = None
        self._first_progress: tuple[float, float] | None = None

    def is_pressing(self, now: float) -> bool:
        """Whether its deadline has come, so that its last look cannot be put off."""
        return self.deadline is not None and now >= self.deadline

    def is_late(self, now: float) -> bool:
        """Whether even the last look would come too late."""
        return self.deadline is not None and now >= self.deadline + LAST_POLL

    def within(self, now: float) -> float | None:
        """Seconds for one attempt: to the deadline, or for the last look beyond it."""
        if self.deadline is None:
            return None
        left = self.deadline - now
        return max(left, LAST_POLL) if left > 0 else max(0.0, LAST_POLL + left)

    def may_be_at(self, *, is_sparse: bool) -> float:
        """From when on its next look may be made, to share a request with others.

        Args:
            is_sparse: Whether there are few others: then it may be pulled forward twice as far, but
                not where it comes after a failure.
        """
        reach = 2 if is_sparse and not self._failures_in_row else 1
        return self.due - reach * self.slack

    def poll_begins(self, now: float) -> None:
        """Takes note that a read of the state has been sent."""
        self.is_reading = True
        self._poll_began = now
        self._requests += 1

    def saw(self, row: dict[str, Any], now: float) -> None:
        """Takes what an answer said about the remote task.

        Args:
            row: The decoded object.
            now: The moment of the clock.

        Raises:
            InvalidResponseError: It describes no remote task; nothing has changed then.
        """
        if self._on_update is None and row.get("state") in _RUNNING:
            task = None
            if row != self._seen:
                # What has not changed is kept as it is, which is easy on the garbage collector.
                self._seen = row
        else:
            self._seen = task = RemoteTask.from_payload(row)
        self.misses = 0
        if self._failures_in_row:
            self._outage += now - self._failing_since
            self._failures_in_row = 0
            self._trouble = None
        self._polls += 1
        self._tell(now)
        if task is not None and task.is_final:
            self._end(task)
        elif self.deadline is not None and now >= self.deadline:
            # A look that began before the deadline may tell of the time before it.
            if self._poll_began >= self.deadline or self.is_late(now):
                self._end(self._timed_out())
            else:
                self._put(now, now)
        else:
            self._schedule(now)

    def failed(self, error: GeoboxError, now: float, host: str, *, is_sure: bool = True) -> None:
        """Takes that a read of the state has failed: tries again later, or ends.

        Args:
            error: Why.
            now: The moment of the clock.
            host: Whom there was no contact with.
            is_sure: Whether it is known that not only a list of many could not be read.
        """
        if not self._failures_in_row:
            self._failing_since = self._poll_began
        self._failures_in_row += 1
        failing_for = now - self._failing_since
        retry = self._policy.retry
        if not error.transient:
            self._end(error)
            return
        if self.deadline is not None and self._poll_began >= self.deadline - ROUNDING:
            self._end(self._timed_out(error))
            return
        if retry.is_exhausted(self._failures_in_row, failing_for):
            if not is_sure:
                # Nobody is given up on because of a list.
                self._failures_in_row -= 1
                self.single_until = now + SINGLE_TIME
                self._put(now, now)
                return
            is_late = self.deadline is not None and now >= self.deadline
            lost = self._timed_out(error) if is_late else self._lost(error, failing_for, host)
            self._end(lost)
            return
        self._failures += 1
        self._trouble = str(error)
        self._tell(now)
        pause = retry.pause(self._failures_in_row, failing_for, error.retry_after)
        self._put(now, now + pause)
        # Those that failed together are tried together, within the jitter of their pauses.
        self.slack = 0.0 if error.retry_after else pause / 2

    def ran_out(self) -> None:
        """Ends it where its last look could not be made in time."""
        self._end(self._timed_out())

    def broke(self, error: Exception) -> None:
        """Ends it with an error that nobody has foreseen."""
        self._end(error)

    def has_failed_since(self, moment: float) -> bool:
        """Whether its present outage began before a moment of the clock."""
        return self._failures_in_row > 0 and self._failing_since <= moment

    @property
    def can_gather(self) -> bool:
        """Whether its next look is the first, or one after a failure, and may wait for others."""
        return not self._requests or self._failures_in_row > 0

    def again(self, now: float) -> None:
        """Has the next look made at once, as this one has told nothing."""
        self._put(now, now)

    def wants_progress(self, now: float) -> bool:
        """Whether the progress is to be read now."""
        if not self.with_progress or self.is_over or self.is_pressing(now) or self._trouble:
            return False
        return self._progress_at is None or now - self._progress_at >= PROGRESS_PAUSE

    def progress_begins(self, now: float) -> float:
        """Takes note that the progress is being read; returns the seconds that it may take."""
        self.is_reading = True
        self._progress_at = now
        self._requests += 1
        within = self.within(now)
        return PROGRESS_TIME if within is None else min(PROGRESS_TIME, within)

    def progressed(self, progress: TaskProgress | None, now: float) -> None:
        """Takes how far the remote task has come, and pulls the next look in accordingly."""
        if progress is not None:
            self._progress = progress
            if self._first_progress is None and progress.share is not None:
                assert self._progress_at is not None  # noqa: S101 - a read has begun
                self._first_progress = (self._progress_at, progress.share)
            self._tell(now)
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        pause = self._policy.poll.delay(
            now - self._began,
            remaining=self._remaining(now),
            roll=random.random(),  # noqa: S311
        )
        self._put(now, now + pause)

    def _put(self, now: float, due: float) -> None:
        self.due = due if self.deadline is None else min(due, max(now, self.deadline))
        self.slack = self._policy.poll.slack * (self.due - now)
        self.ticket += 1

    def _remaining(self, now: float) -> float | None:
        """Seconds that the remote task is expected to need still, from its progress."""
        share = self._progress.share if self._progress else None
        if share is None or self._first_progress is None:
            return None
        since, start = self._first_progress
        if share <= start:
            # Nothing has moved since the first reading: suppose that it began with the wait.
            since, start = self._began, 0.0
        return (now - since) * (1 - share) / (share - start) if share > start else None

    @property
    def task(self) -> RemoteTask:
        """The remote task as last seen."""
        if isinstance(self._seen, RemoteTask):
            return self._seen
        if self._seen is not None:
            try:
                return RemoteTask.from_payload(self._seen)
            except InvalidResponseError:
                pass
        return RemoteTask.unseen(self.uuid)

    def _lost(self, error: GeoboxError, failing_for: float, host: str) -> LostContactError:
        task = self.task
        last = "not seen at all" if self._seen is None else f"last seen in state {task.state_text}"
        return LostContactError(
            f"No contact with {host} for {failing_for:.0f} s while waiting for remote task "
            f"{task.label} ({task.uuid}), {last}. It was left alone and may well go on: wait for "
            f"it again by its uuid. The last failure: {error}",
            task,
            failing_for,
        )

    def _timed_out(self, error: GeoboxError | None = None) -> TaskTimeoutError:
        task = self.task
        seen = f"was {task.state_text}" if self._seen is not None else "could not be read"
        last = str(error) if error else self._trouble
        reason = f" The last failure: {last}" if last else ""
        return TaskTimeoutError(
            f"Remote task {task.label} ({task.uuid}) {seen} when the timeout of "
            f"{self._policy.timeout:g} s ended. Wait for it again by its uuid, or with a longer "
            f"timeout.{reason}",
            task,
        )

    def _tell(self, now: float) -> None:
        if self._on_update is not None:
            stats = WaitStats(
                self._polls, self._requests, self._failures, self._outage, now - self._began
            )
            self._on_update(WaitUpdate(self.task, self._progress, stats, self._trouble))

    def _end(self, outcome: RemoteTask | Exception) -> None:
        self.is_over = True
        self.ticket += 1
        self._on_end(self.uuid, outcome)
