"""Remote tasks: accepted at once, moved on by the clock, worked on in threads."""

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

from prefect_geobox.client.models import TaskState
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.state.store import Asset, timestamp

_FINAL = frozenset(state.value for state in TaskState if state.is_final)
# How long before work that outlasts its task's duration is looked at again.
_OVERDUE = 0.02
_WORKERS = 4

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What work leaves behind.

    Attributes:
        result: The task's result.
        asset: The asset that appears with the task's SUCCESS.
        apply: Changes what there is already, with the task's SUCCESS. Must be quick.
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
        name: What it does.
        seconds: How long it takes.
        pending: The share of that before it starts.
        units: What its progress counts up to; None where it tells no progress.
        states: The states that its next reads find; the last one stays. Empty: the clock decides.
    """

    name: str
    id: int
    seconds: float
    pending: float = 0.2
    units: int | None = 100
    states: list[str] = field(default_factory=list)
    work: Future[Outcome] | None = None
    ended: Outcome | None = None
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
        if self.ended is not None and self.ended_clock is not None:
            return self.ended.state
        started = time.monotonic() >= self._started_clock
        return str(TaskState.PROGRESS if started else TaskState.PENDING)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in _FINAL

    def progress(self) -> dict[str, int | None]:
        """What the API says of its progress; a guess: nothing before it starts."""
        state = self.state
        if self.units is None or state == TaskState.PENDING.value:
            return {"current": None, "total": None}
        if state == TaskState.SUCCESS.value:
            return {"current": self.units, "total": self.units}
        until = self.ended_clock if self.ended_clock is not None else time.monotonic()
        span = self.due - self._started_clock
        share = (until - self._started_clock) / span if span > 0 else 1.0
        # Only the end is everything: work that takes longer than planned stays just below.
        current = min(int(max(share, 0.0) * self.units), max(self.units - 1, 0))
        return {"current": current, "total": self.units}

    def view(self) -> dict[str, Any]:
        """The task as the API describes it. The result is an object until the end, never null."""
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
            "result": self.ended.result if final and self.ended is not None else {},
            "accepted_at": timestamp(self._accepted),
            "started_at": self._wall(self._started_clock) if started else None,
            "finished_at": self._wall(finished_clock) if final else None,
        }

    def read(self) -> dict[str, Any]:
        """Describes the task to a client; of scripted states, the next read finds the next."""
        view = self.view()
        if len(self.states) > 1:
            self.states.pop(0)
        if self.states and self.ended_clock is None and self.is_final:
            self.ended_clock = time.monotonic()
        return view

    def _wall(self, clock: float) -> str:
        return timestamp(self._accepted + timedelta(seconds=clock - self.accepted_clock))


class RemoteTasks:
    """All remote tasks. Safe to use from several threads.

    Args:
        commit: Makes the asset of a task that asset_outcome appear; may raise `JobError`.
    """

    def __init__(self, commit: Callable[[Asset], None]) -> None:
        self._commit = commit
        self._tasks: dict[str, EmulatedTask] = {}
        self._by_id: dict[str, EmulatedTask] = {}
        self._due: list[tuple[float, int, EmulatedTask]] = []
        self._ids = itertools.count(1001)
        self._lock = threading.RLock()
        self._workers = _threads()

    def rest(self) -> None:
        """Ends the threads that work, after the work that is under way."""
        self._workers.shutdown(wait=True)
        self._workers = _threads()

    def start(self, name: str, seconds: float, work: Work, units: int = 100) -> EmulatedTask:
        """Accepts a task; its work begins at once, its end shows when its duration is over."""
        task = EmulatedTask(name=name, id=next(self._ids), seconds=seconds, units=units)
        task.work = self._workers.submit(outcome_of, work)
        self._accept(task)
        return task

    def script(
        self,
        *,
        name: str,
        seconds: float,
        pending: float,
        units: int | None,
        outcome: Outcome,
        states: Sequence[str],
    ) -> EmulatedTask:
        """Accepts a task whose course and outcome are settled."""
        task = EmulatedTask(
            name=name,
            id=next(self._ids),
            seconds=seconds,
            pending=pending,
            units=units,
            states=list(states),
            ended=outcome,
        )
        self._accept(task)
        return task

    def find(self, key: str) -> EmulatedTask | None:
        """The task of this uuid or id, or None."""
        return self._tasks.get(key) or self._by_id.get(key)

    def all(self) -> Iterator[EmulatedTask]:
        """All tasks, the newest first; a guess at the order that the API has."""
        with self._lock:
            return reversed(list(self._tasks.values()))

    def abort(self, task: EmulatedTask) -> bool:
        """Aborts a task; False where it has ended already."""
        with self._lock:
            self.settle()
            if task.is_final:
                return False
            # Nobody knows what the API leaves as the result of an aborted task; a guess.
            task.ended = Outcome({}, state=TaskState.ABORTED.value)
            task.ended_clock = time.monotonic()
            task.states.clear()
            return True

    def settle(self) -> None:
        """Ends what is due. Called before each request is answered, so it must cost nothing."""
        with self._lock:
            while self._due and self._due[0][0] <= time.monotonic():
                due, order, task = heapq.heappop(self._due)
                if task.ended_clock is not None:
                    continue
                if task.work is not None and not task.work.done():
                    heapq.heappush(self._due, (time.monotonic() + _OVERDUE, order, task))
                    continue
                if task.work is None:
                    task.ended_clock = task.due
                    continue
                outcome = self.commit(task.work.result())
                # It ended when it was due, whenever someone looks; late work ends now.
                task.ended_clock = due if due == task.due else time.monotonic()
                task.ended = outcome

    def commit(self, outcome: Outcome) -> Outcome:
        """Makes what work left behind appear; the outcome, or the failure of that."""
        try:
            if outcome.asset is not None:
                self._commit(outcome.asset)
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


def _threads() -> ThreadPoolExecutor:
    # Costs nothing until there is work.
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="geobox-emulator-work")


def outcome_of(work: Work) -> Outcome:
    """Does work; what it leaves behind, or the failure that it ended in."""
    try:
        return work()
    except JobError as error:
        return failure(str(error), error.kind)
    except Exception as error:
        _logger.exception("a defect of the emulator ended a remote task")
        return failure(f"internal error: {type(error).__name__}", "geobox.InternalError")
