"""Remote tasks: accepted at once, worked on in threads, finished by the clock."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.state.store import Asset, timestamp

_FINAL = frozenset(state.value for state in TaskState if state.is_final)
# Seconds between two checks of work that takes longer than its task's duration.
_OVERDUE_CHECK_SECONDS = 0.02
_WORKERS = 4

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The outcome of work.

    Attributes:
        result: The task's result.
        asset: The asset that is added when the task succeeds.
        apply: Changes existing assets when the task succeeds. Must be quick.
        state: The final state.
    """

    result: Any
    asset: Asset | None = None
    apply: Callable[[], None] | None = None
    state: str = TaskState.SUCCESS.value


Work = Callable[[], Outcome]


def failure(message: str, kind: str) -> Outcome:
    """The outcome of work that cannot be done, in the API's own shape."""
    return Outcome({"detail": {"msg": message, "type": kind}}, state=TaskState.FAILURE.value)


@dataclass
class EmulatedTask:
    """One remote task.

    Attributes:
        name: Its name.
        seconds: Its duration.
        pending: The share of the duration before it starts.
        units: The total of its progress; None if it reports no progress.
        states: The states that its next reads return; the last one stays. If empty, the state
            depends on the clock.
        work: Its work; None for a task whose outcome is given.
        outcome: Its outcome; known before the end for a task without work.
    """

    name: str
    id: int
    seconds: float
    pending: float = 0.2
    units: int | None = 100
    states: list[str] = field(default_factory=list)
    work: Future[Outcome] | None = None
    outcome: Outcome | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    accepted_clock: float = field(default_factory=time.monotonic)
    ended_clock: float | None = None
    _accepted: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def due(self) -> float:
        """When it ends, by the monotonic clock."""
        return self.accepted_clock + self.seconds

    @property
    def _started_clock(self) -> float:
        return self.accepted_clock + self.pending * self.seconds

    @property
    def state(self) -> str:
        """The state now."""
        if self.states:
            return self.states[0]
        if self.outcome is not None and self.ended_clock is not None:
            return self.outcome.state
        started = time.monotonic() >= self._started_clock
        return str(TaskState.PROGRESS if started else TaskState.PENDING)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in _FINAL

    def progress(self) -> dict[str, int | None]:
        """Its progress as the API reports it; a guess: none before it starts."""
        state = self.state
        if self.units is None or state == TaskState.PENDING.value:
            return {"current": None, "total": None}
        if state == TaskState.SUCCESS.value:
            return {"current": self.units, "total": self.units}
        until = self.ended_clock if self.ended_clock is not None else time.monotonic()
        span = self.due - self._started_clock
        share = (until - self._started_clock) / span if span > 0 else 1.0
        # Below the total until the end, even if the work takes longer than planned.
        current = min(int(max(share, 0.0) * self.units), max(self.units - 1, 0))
        return {"current": current, "total": self.units}

    def view(self) -> dict[str, Any]:
        """The task as the API describes it. The result is an empty object until the end."""
        state = self.state
        final = state in _FINAL
        started = state != TaskState.PENDING.value and (
            self.ended_clock is None or self.ended_clock >= self._started_clock
        )
        finished_clock = self.ended_clock if self.ended_clock is not None else time.monotonic()
        return {
            "id": self.id,
            "uuid": self.uuid,
            "name": self.name,
            "state": state,
            "result": self.outcome.result if final and self.outcome is not None else {},
            "accepted_at": timestamp(self._accepted),
            "started_at": self._wall(self._started_clock) if started else None,
            "finished_at": self._wall(finished_clock) if final else None,
        }

    def read(self) -> dict[str, Any]:
        """Describes the task to a client; moves on to the next of the given states."""
        view = self.view()
        if len(self.states) > 1:
            self.states.pop(0)
        if self.states and self.ended_clock is None and self.is_final:
            self.ended_clock = time.monotonic()
        return view

    def _wall(self, clock: float) -> str:
        return timestamp(self._accepted + timedelta(seconds=clock - self.accepted_clock))


class RemoteTasks:
    """All remote tasks. Thread-safe.

    Args:
        add_asset: Adds the asset of a task that succeeds; may raise `JobError`.
    """

    def __init__(self, add_asset: Callable[[Asset], None]) -> None:
        self._add_asset = add_asset
        self._tasks: dict[str, EmulatedTask] = {}
        self._by_id: dict[str, EmulatedTask] = {}
        self._due: list[tuple[float, int, EmulatedTask]] = []
        self._ids = itertools.count(1001)
        self._lock = threading.RLock()
        self._workers = _new_workers()

    def stop_workers(self) -> None:
        """Ends the worker threads when the current work is done."""
        self._workers.shutdown(wait=True)
        self._workers = _new_workers()

    def start(self, name: str, seconds: float, work: Work, units: int = 100) -> EmulatedTask:
        """Accepts a task; its work starts at once, and it ends after its duration."""
        task = EmulatedTask(name=name, id=next(self._ids), seconds=seconds, units=units)
        task.work = self._workers.submit(outcome_of, work)
        self._accept(task)
        return task

    def add_scripted(
        self,
        *,
        name: str,
        seconds: float,
        pending: float,
        units: int | None,
        outcome: Outcome,
        states: Sequence[str],
    ) -> EmulatedTask:
        """Accepts a task whose course and outcome are given."""
        task = EmulatedTask(
            name=name,
            id=next(self._ids),
            seconds=seconds,
            pending=pending,
            units=units,
            states=list(states),
            outcome=outcome,
        )
        self._accept(task)
        return task

    def find(self, key: str) -> EmulatedTask | None:
        """The task with this uuid or id, or None."""
        return self._tasks.get(key) or self._by_id.get(key)

    def all(self) -> Iterator[EmulatedTask]:
        """All tasks, the newest first; the order of the API is a guess."""
        with self._lock:
            return reversed(list(self._tasks.values()))

    def abort(self, task: EmulatedTask) -> bool:
        """Aborts a task; returns False if it has ended already."""
        with self._lock:
            self.finish_due()
            if task.is_final:
                return False
            # The result of an aborted task is not known; a guess.
            task.outcome = Outcome({}, state=TaskState.ABORTED.value)
            task.ended_clock = time.monotonic()
            task.states.clear()
            return True

    def finish_due(self) -> None:
        """Ends the tasks that are due. Called for each request, so it must be fast."""
        with self._lock:
            while self._due and self._due[0][0] <= time.monotonic():
                due, order, task = heapq.heappop(self._due)
                if task.ended_clock is not None:
                    continue
                if task.work is not None and not task.work.done():
                    heapq.heappush(
                        self._due, (time.monotonic() + _OVERDUE_CHECK_SECONDS, order, task)
                    )
                    continue
                if task.work is None:
                    task.ended_clock = task.due
                    continue
                outcome = self.commit(task.work.result())
                # A task ends at its due time even if it is read later; late work ends now.
                task.ended_clock = due if due == task.due else time.monotonic()
                task.outcome = outcome

    def commit(self, outcome: Outcome) -> Outcome:
        """Applies the outcome of work; returns it, or the failure of applying it."""
        try:
            if outcome.asset is not None:
                self._add_asset(outcome.asset)
            if outcome.apply is not None:
                outcome.apply()
        except JobError as error:
            return failure(str(error), error.kind)
        return outcome

    def _accept(self, task: EmulatedTask) -> None:
        with self._lock:
            self._tasks[task.uuid] = task
            self._by_id[str(task.id)] = task
            if not task.states:
                heapq.heappush(self._due, (task.due, task.id, task))


def _new_workers() -> ThreadPoolExecutor:
    # Starts no thread until there is work.
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="geobox-emulator-work")


def outcome_of(work: Work) -> Outcome:
    """Does work; returns its outcome or its failure."""
    try:
        return work()
    except JobError as error:
        return failure(str(error), error.kind)
    except Exception as error:
        _logger.exception("a defect of the emulator ended a remote task")
        return failure(f"internal error: {type(error).__name__}", "geobox.InternalError")
