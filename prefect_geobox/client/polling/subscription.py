"""One wait: its schedule, its deadline, its outages and the last state read. Does no I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from prefect_geobox.client.http.retry import ROUNDING
from prefect_geobox.client.model.errors import GeoboxError, InvalidResponseError
from prefect_geobox.client.model.task_errors import TaskTimeoutError
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.polling.results import lost_contact_error, timeout_error

#: Seconds that the last poll may take after the deadline.
LAST_POLL: Final = 0.7

#: The shortest pause between two reads of one remote task's progress, in seconds.
PROGRESS_PAUSE: Final = 2.0

#: Seconds that a read of the progress may take; it happens between two polls.
PROGRESS_TIME: Final = 2.0

#: Seconds for which a remote task that lists do not name is read by itself.
SINGLE_TIME: Final = 60.0

#: States whose row is kept unparsed: a model for each of thousands of waits would cost too much.
_RUNNING: Final = frozenset({"PENDING", "PROGRESS"})


@dataclass(frozen=True, slots=True)
class WaitStats:
    """What a wait has cost so far.

    Attributes:
        polls: Answers with the state.
        requests: Requests for it, failed ones and progress reads included. Many waits can share
            one.
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
    """The state of a remote task and its wait, passed to `on_update`.

    Attributes:
        task: The remote task as last seen.
        progress: Its progress, if that was requested and is known.
        stats: What the wait has cost so far.
        trouble: Why the last attempt failed, while there is no contact.
    """

    task: RemoteTask
    progress: TaskProgress | None = None
    stats: WaitStats = field(default_factory=WaitStats)
    trouble: str | None = None


OnUpdate = Callable[[WaitUpdate], None]

#: Called with the result of a wait: the remote task in its final state, or why the wait failed.
OnEnd = Callable[[str, "RemoteTask | Exception"], None]


class Subscription:
    """One wait for one remote task. There may be ten thousand of them, so each is small.

    Args:
        uuid: The remote task.
        policy: Deadline, schedule and outage budget.
        began: The moment of the clock from which the timeout counts.
        now: The moment of the clock; its first poll is due then.
        on_end: Called once with the result.
        on_update: Called after each poll, progress and failure; must return at once.
        with_progress: Whether the progress is wanted too.

    Attributes:
        uuid: The remote task.
        due: When its next poll is due.
        slack: Seconds by which that poll may be pulled forward to share a request.
        version: Changes with each new due time.
        entry: Its entry of the poll schedule, for reuse, while it is not in there.
        is_reading: Whether a read of it is under way.
        is_over: Whether it has ended.
        misses: How many lists in a row did not name it although they should.
        single_until: The moment until which it is read by itself, as lists do not name it.
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
        "uuid",
        "version",
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
        self.version = 0
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

    def is_at_deadline(self, now: float) -> bool:
        """Whether its deadline has come, so that its last poll cannot be put off."""
        return self.deadline is not None and now >= self.deadline

    def is_past_last_poll(self, now: float) -> bool:
        """Whether even the last poll would come too late."""
        return self.deadline is not None and now >= self.deadline + LAST_POLL

    def seconds_left(self, now: float) -> float | None:
        """Seconds for one attempt: up to the deadline, or for the last poll after it."""
        if self.deadline is None:
            return None
        left = self.deadline - now
        return max(left, LAST_POLL) if left > 0 else max(0.0, LAST_POLL + left)

    def earliest_poll(self, *, is_small_batch: bool) -> float:
        """The earliest moment of its next poll, where that shares a request with others.

        Args:
            is_small_batch: Whether there are few others: then it may be pulled forward twice as
                far, unless it comes after a failure.
        """
        reach = 2 if is_small_batch and not self._failures_in_row else 1
        return self.due - reach * self.slack

    def begin_poll(self, now: float) -> None:
        """Records that a read of the state has been sent."""
        self.is_reading = True
        self._poll_began = now
        self._requests += 1

    def record_state(self, row: dict[str, Any], now: float) -> None:
        """Records the state that an answer contains.

        Args:
            row: The decoded object.
            now: The moment of the clock.

        Raises:
            InvalidResponseError: It is not a remote task; nothing is recorded then.
        """
        if self._on_update is None and row.get("state") in _RUNNING:
            task = None
            if row != self._seen:
                # An unchanged row is not replaced, which saves garbage collections.
                self._seen = row
        else:
            self._seen = task = RemoteTask.from_payload(row)
        self.misses = 0
        if self._failures_in_row:
            self._outage += now - self._failing_since
            self._failures_in_row = 0
            self._trouble = None
        self._polls += 1
        self._notify(now)
        if task is not None and task.is_final:
            self._end(task)
        elif self.deadline is not None and now >= self.deadline:
            # A poll that began before the deadline may show a state from before it.
            if self._poll_began >= self.deadline or self.is_past_last_poll(now):
                self._end(self._timeout_error())
            else:
                self._set_due(now, now)
        else:
            self._schedule(now)

    def record_failure(
        self, error: GeoboxError, now: float, host: str, *, is_sure: bool = True
    ) -> None:
        """Records that a read of the state has failed: polls again later, or ends.

        Args:
            error: Why.
            now: The moment of the clock.
            host: The host, for messages.
            is_sure: Whether it is known that single reads fail too, not only a batch.
        """
        if not self._failures_in_row:
            self._failing_since = self._poll_began
        self._failures_in_row += 1
        failing_for = now - self._failing_since
        retry = self._policy.retry
        if not error.transient:
            seen = f"last seen in state {self.task.state_text}" if self._seen else "not seen at all"
            error.add_context(
                f"The wait for remote task {self.task.label} ({self.uuid}) has failed; it was "
                f"{seen}, left alone and may still run."
            )
            self._end(error)
            return
        if self.deadline is not None and self._poll_began >= self.deadline - ROUNDING:
            self._end(self._timeout_error(error))
            return
        if retry.is_exhausted(self._failures_in_row, failing_for):
            if not is_sure:
                # A failed batch read never ends a wait.
                self._failures_in_row -= 1
                self.single_until = now + SINGLE_TIME
                self._set_due(now, now)
                return
            if self.deadline is not None and now >= self.deadline:
                self._end(self._timeout_error(error))
                return
            is_seen = self._seen is not None
            self._end(lost_contact_error(self.task, error, failing_for, host, is_seen=is_seen))
            return
        self._failures += 1
        self._trouble = str(error)
        self._notify(now)
        pause = retry.pause(self._failures_in_row, failing_for, error.retry_after)
        self._set_due(now, now + pause)
        # Those that failed together are polled together, within the jitter of their pauses.
        self.slack = 0.0 if error.retry_after else pause / 2

    def time_out(self) -> None:
        """Ends it as its last poll could not be sent in time."""
        self._end(self._timeout_error())

    def fail(self, error: Exception) -> None:
        """Ends it with an unexpected error."""
        self._end(error)

    def has_failed_since(self, moment: float) -> bool:
        """Whether its present outage began before a moment of the clock."""
        return self._failures_in_row > 0 and self._failing_since <= moment

    @property
    def can_wait_for_batch(self) -> bool:
        """Whether its next poll is the first, or one after a failure, and may wait for others."""
        return not self._requests or self._failures_in_row > 0

    def poll_again(self, now: float) -> None:
        """Makes the next poll due at once, as this one did not return the state."""
        self._set_due(now, now)

    def wants_progress(self, now: float) -> bool:
        """Whether the progress is to be read now."""
        if not self.with_progress or self.is_over or self.is_at_deadline(now) or self._trouble:
            return False
        return self._progress_at is None or now - self._progress_at >= PROGRESS_PAUSE

    def begin_progress_read(self, now: float) -> float:
        """Records that the progress is being read; returns the seconds that it may take."""
        self.is_reading = True
        self._progress_at = now
        self._requests += 1
        seconds = self.seconds_left(now)
        return PROGRESS_TIME if seconds is None else min(PROGRESS_TIME, seconds)

    def record_progress(self, progress: TaskProgress | None, now: float) -> None:
        """Records the progress, and pulls the next poll forward accordingly."""
        if progress is not None:
            self._progress = progress
            if self._first_progress is None and progress.share is not None:
                assert self._progress_at is not None  # noqa: S101 - a read has begun
                self._first_progress = (self._progress_at, progress.share)
            self._notify(now)
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        pause = self._policy.poll.delay(
            now - self._began,
            remaining=self._remaining(now),
            roll=random.random(),  # noqa: S311
        )
        self._set_due(now, now + pause)

    def _set_due(self, now: float, due: float) -> None:
        self.due = due if self.deadline is None else min(due, max(now, self.deadline))
        self.slack = self._policy.poll.slack * (self.due - now)
        self.version += 1

    def _remaining(self, now: float) -> float | None:
        """Seconds until the expected end of the remote task, from its progress."""
        share = self._progress.share if self._progress else None
        if share is None or self._first_progress is None:
            return None
        since, start = self._first_progress
        if share <= start:
            # No progress since the first reading: assume that it began with the wait.
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

    def _timeout_error(self, error: GeoboxError | None = None) -> TaskTimeoutError:
        return timeout_error(
            self.task,
            self._policy.timeout or 0.0,
            str(error) if error else self._trouble,
            is_seen=self._seen is not None,
        )

    def _notify(self, now: float) -> None:
        if self._on_update is not None:
            stats = WaitStats(
                self._polls, self._requests, self._failures, self._outage, now - self._began
            )
            self._on_update(WaitUpdate(self.task, self._progress, stats, self._trouble))

    def _end(self, outcome: RemoteTask | Exception) -> None:
        self.is_over = True
        self.version += 1
        self._on_end(self.uuid, outcome)
