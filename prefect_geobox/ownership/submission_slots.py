"""Slots: which submission of a flow run a step is about to send, the same in each attempt.

A slot is a digest of the inputs and of the subflow that the step is in, and the number of equal
submissions before it there. Prefect numbers the subflows of a run, and gives a subflow the same
number in a retry, even if other subflows are skipped because their results are persisted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import TaskRunContext

from prefect_geobox.client.read_once import ReadOnce
from prefect_geobox.ownership.run_context import Ancestry, read_ancestry


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where in a flow run a step is called.

    Attributes:
        root_id: The outermost flow run.
        path: The subflows on the way to the step, as a retry calls them again.
        attempts: The attempts of the outermost run and of the subflows that Prefect numbers.
        retried: The task runs and unnumbered subflow runs around the step, innermost first, each
            with its attempt. A retry of one repeats the submissions within it.
    """

    root_id: UUID
    path: tuple[str, ...]
    attempts: tuple[int, ...]
    retried: tuple[tuple[UUID, int], ...]


#: The runs around the attempts of flow runs: they stay as they are until the next attempt.
_ancestries: Final[ReadOnce[tuple[UUID, UUID], Ancestry]] = ReadOnce(1000)


async def read_run_place(prefect: PrefectClient, flow_run: FlowRun) -> RunPlace:
    """Returns where the calling step is; read once for an attempt of the flow run.

    Args:
        prefect: Reads.
        flow_run: The flow run that the step is called in, with its current state.
    """
    ancestry = await _ancestry_of(prefect, flow_run)
    runs = ancestry.runs
    # In a task, Prefect gives a subflow a random key: it does not know it again in a retry.
    keys = [caller.dynamic_key for caller in ancestry.callers]
    numbers = [key if key.isdigit() else "" for key in keys]
    numbered = 0
    while numbered < len(numbers) and numbers[numbered]:
        numbered += 1
    path = [
        _element(run, number if place < numbered else "")
        for place, (run, number) in enumerate(zip(runs[1:], numbers, strict=True))
    ]
    task_runs = _task_runs_around()
    retried: list[tuple[UUID, int]] = []
    for place, run in reversed(list(enumerate(runs))):
        retried += [(t.id, t.run_count) for t in task_runs if t.flow_run_id == run.id]
        if place > numbered:
            retried.append((run.id, run.run_count))
    attempts = tuple(run.run_count for run in runs[: numbered + 1])
    return RunPlace(runs[0].id, tuple(path), attempts, tuple(retried))


async def _ancestry_of(prefect: PrefectClient, flow_run: FlowRun) -> Ancestry:
    if flow_run.state is None:
        return await read_ancestry(prefect, flow_run.id)
    # Each attempt of a run, and of a run around it, begins with a new state of this one.
    attempt = (flow_run.id, flow_run.state.id)
    return await _ancestries.get(attempt, lambda: read_ancestry(prefect, flow_run.id))


def _element(run: FlowRun, number: str) -> str:
    # Two deployments of one flow are numbered apart.
    return f"{run.flow_id} {run.deployment_id or ''} {number}"


def _task_runs_around() -> list[TaskRun]:
    """The task runs around the calling code, innermost first: the step, tasks that call it."""
    task_runs: list[TaskRun] = []
    context: Any = TaskRunContext.get()
    while isinstance(context, TaskRunContext):
        task_runs.append(context.task_run)
        # The context that this one has replaced. Prefect has no public way to it; without it, a
        # retry of a task that calls steps starts them again.
        context = getattr(getattr(context, "_token", None), "old_value", None)
    return task_runs


class SubmissionCounter:
    """Numbers equal submissions within one attempt of a flow run.

    A retry of the run, of a subflow or of a task that makes the same calls gets the same slots.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, tuple[int, ...], str], int] = {}
        self._slots: dict[tuple[UUID, str], list[str]] = {}
        self._claims: dict[tuple[UUID, tuple[int, ...]], dict[str, dict[UUID, int]]] = {}

    def next(self, place: RunPlace, digest: str) -> str:
        """Returns the slot of the submission that is about to be sent.

        Args:
            place: Where the step is called.
            digest: Equal for submissions that only their order tells apart.
        """
        with self._lock:
            new_to: list[list[str]] = []
            slot = ""
            for run_id, attempt in place.retried:
                known = self._slots.setdefault((run_id, digest), [])
                number = self._count(run_id, (attempt,), digest)
                if number < len(known):
                    slot = known[number]
                    break
                new_to.append(known)
            slot = slot or f"{digest}-{self._count(place.root_id, place.attempts, digest)}"
            for known in new_to:
                known.append(slot)
            return slot

    def claim(self, place: RunPlace, record_id: str) -> None:
        """Notes that a submission of this attempt has a record.

        Args:
            place: Where the step is called.
            record_id: The record.
        """
        with self._lock:
            claims = self._claims.setdefault((place.root_id, place.attempts), {})
            claims[record_id] = dict(place.retried)

    def is_free(self, place: RunPlace, record_id: str) -> bool:
        """Whether a record belongs to no other submission of this attempt.

        Args:
            place: Where the step is called.
            record_id: The record.
        """
        with self._lock:
            holder = self._claims.get((place.root_id, place.attempts), {}).get(record_id)
            # One of an earlier attempt of a task or subflow around the step is to be found again.
            return holder is None or any(
                holder.get(run_id, attempt) != attempt for run_id, attempt in place.retried
            )

    def _count(self, run_id: UUID, attempts: tuple[int, ...], digest: str) -> int:
        count = self._counts.get((run_id, attempts, digest), 0)
        self._counts[run_id, attempts, digest] = count + 1
        return count


#: The counter of this process.
_counter = SubmissionCounter()


def submission_counter() -> SubmissionCounter:
    """The counter of this process."""
    return _counter
