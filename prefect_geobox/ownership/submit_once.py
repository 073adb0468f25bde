"""Starts what a flow run owns exactly once, whichever attempt of the run comes to it.

Each submission is recorded; a retry finds the record, and decides what to do by how the remote task
stands that it names.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, Literal, get_args
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext, TaskRunContext

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import GeoboxError, InvalidArgumentError, NotFoundError
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError, LostContactError
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.submission import Found, Submission
from prefect_geobox.ownership.adoption import claimed, orphaned_submissions
from prefect_geobox.ownership.interruption import ancestor_run_ids
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.run_monitor import is_stopped
from prefect_geobox.ownership.submission_records import Record, SubmissionLog

#: Bytes of a file that are read at once.
_CHUNK: Final = 1024 * 1024

OnGone = Literal["resubmit", "fail"]
Reattach = Literal["run", "deployment"]


class Decision(str, Enum):
    """What a step did instead of, or besides, starting something."""

    FRESH = "started"
    REATTACHED = "re-attached"
    FINISHED = "already finished"
    FOUND = "found after a crash"
    RENEWED = "failed before, started anew"
    RESUBMITTED = "gone, started anew"
    TAKEN_OVER = "taken over from an earlier run"

    def __str__(self) -> str:
        return self.value

    @property
    def is_reattached(self) -> bool:
        """Whether nothing was started."""
        return self in (
            Decision.REATTACHED,
            Decision.FINISHED,
            Decision.FOUND,
            Decision.TAKEN_OVER,
        )


@dataclass(frozen=True, slots=True)
class OwnedSubmission(Generic[Found]):
    """Something that a step wants to have started exactly once.

    Attributes:
        name: The step's name with hyphens.
        submission: How it is sent, and found again.
        read: Reads what came of it by its uuid.
        inputs: What makes it this submission and no other; JSON values, no secret.
        key: Tells apart what has the same inputs on purpose.
        on_cancel: What becomes of it when the user cancels the run.
        on_timeout: What becomes of it when the task's or the flow's time is up.
        on_gone: What to do where a retry finds that it is no longer there.
        makes: Whether what comes of it is its own, so that a failed run may delete it.
        reattach: Whether to look for it in attempts of this run only, or of the deployment's
            earlier runs too.
    """

    name: str
    submission: Submission[Found]
    read: Callable[[str], Awaitable[Found]]
    inputs: Mapping[str, Any]
    key: str | None = None
    on_cancel: str = "abort"
    on_timeout: str = "abort"
    on_gone: OnGone = "fail"
    reattach: Reattach = "run"
    creates_asset: bool = False


def check_owning(on_gone: str, reattach: str) -> None:
    """Refuses options that make no sense, before anything is sent.

    Raises:
        InvalidArgumentError: One is not among the values that there are.
    """
    if on_gone not in get_args(OnGone):
        raise InvalidArgumentError(
            f"on_gone must be one of {', '.join(get_args(OnGone))}; got {on_gone!r}"
        )
    if reattach not in get_args(Reattach):
        raise InvalidArgumentError(
            f"reattach must be one of {', '.join(get_args(Reattach))}; got {reattach!r}"
        )


class SubmissionCounter:
    """Numbers equal submissions within one attempt of a flow run.

    A retry that makes the same calls finds the same numbers, and so does a retried task run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, int, str], int] = {}
        self._of_task_run: dict[tuple[UUID, str], list[str]] = {}

    def next(self, run_id: UUID, attempt: int, task_run: TaskRun | None, digest: str) -> str:
        """The slot of the submission that is about to be made."""
        with self._lock:
            own: list[str] = []
            if task_run is not None:
                own = self._of_task_run.setdefault((task_run.id, digest), [])
                made = self._count(task_run.id, task_run.run_count, digest)
                if made < len(own):
                    return own[made]
            slot = f"{digest}-{self._count(run_id, attempt, digest)}"
            own.append(slot)
            return slot

    def _count(self, run_id: UUID, attempt: int, digest: str) -> int:
        count = self._counts.get((run_id, attempt, digest), 0)
        self._counts[run_id, attempt, digest] = count + 1
        return count


_slots = SubmissionCounter()


async def submit_once(
    client: AsyncGeoboxClient, step: OwnedSubmission[Found], caller: threading.Thread
) -> tuple[Found, Decision]:
    """Starts something for the flow run, or finds what an earlier attempt has started.

    Runs on the I/O thread, in the context of the task run. Outside a flow run nothing is recorded.

    Args:
        client: Sends and reads.
        step: What to start.
        caller: The thread of the step. Once its process is being ended nothing more is started.

    Raises:
        NotFoundError: It was started and is gone, and `on_gone` is "fail".
        AmbiguousSubmissionError: It may have been started, and the server cannot tell.
        GeoboxError: It was not started.
    """
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    run = flow.flow_run if flow is not None else None
    if run is None:
        return await client.submit(step.submission), Decision.FRESH
    async with get_client() as prefect:
        root = (await ancestor_run_ids(prefect, run.id))[-1]
        digest = _digest(client, step)
        task_run = task.task_run if task else None
        # A subflow is part of an attempt of the outermost run, whatever its own count says.
        attempt = run.run_count if root == run.id else (await prefect.read_flow_run(root)).run_count
        slot = _slots.next(root, attempt, task_run, digest)
        ledger = SubmissionLog(prefect, root, task_run.id if task_run else None, slot)
        return await _start_once(client, step, ledger, caller)


async def _start_once(
    client: AsyncGeoboxClient,
    step: OwnedSubmission[Found],
    ledger: SubmissionLog,
    caller: threading.Thread,
) -> tuple[Found, Decision]:
    earlier = await ledger.find()
    decision = Decision.FRESH
    if earlier is not None and earlier.uuid is not None:
        found, decision = await _resume(client, step, ledger, earlier)
        if found is not None:
            return found, decision
    # One at a time, so that a crash leaves one in doubt and not several.
    async with client.shared_session().submissions.exclusive(step.submission):
        if earlier is not None and earlier.uuid is None:
            found, decision = await _resume(client, step, ledger, earlier)
            if found is not None:
                return found, decision
        if is_stopped(caller):
            raise GeoboxError(f"{step.submission.title} was not started: the run is being ended.")
        if earlier is None and step.reattach == "deployment":
            inherited = await _take_over(client, step, ledger)
            if inherited is not None:
                return inherited, Decision.TAKEN_OVER
        return await _start(client, step, ledger, decision)


async def _take_over(
    client: AsyncGeoboxClient, step: OwnedSubmission[Found], ledger: SubmissionLog
) -> Found | None:
    """What a crashed run of the deployment has started and left, as this run's own from now on."""
    digest, new_owner = _digest(client, step), f"{ledger.run_id} {ledger.slot}"
    any_of_them = replace(step, on_gone="resubmit")
    async for record in orphaned_submissions(ledger.prefect, ledger.run_id, digest):
        async with claimed(ledger.prefect, record, new_owner) as is_ours:
            if not is_ours:
                continue
            found, _ = await _resume(client, any_of_them, ledger, record)
            if found is None:
                continue
            await ledger.hand_over(record, new_owner)
            mine = {"uuid": found.uuid, "companions": list(record.companions)}
            await ledger.write({**_record(client, step, ledger.slot, None), **mine})
            run_logger().info("%s was left by an earlier run of this deployment.", found.uuid)
            return found
    return None


async def _start(
    client: AsyncGeoboxClient,
    step: OwnedSubmission[Found],
    ledger: SubmissionLog,
    decision: Decision,
) -> tuple[Found, Decision]:
    before = await client.existing(step.submission)
    intent = await ledger.write(_record(client, step, ledger.slot, before))
    rival = await ledger.find(other_than=intent)
    if rival is not None:
        # Another process runs this attempt too, and was first.
        await ledger.delete(intent)
        found, decision = await _resume(client, step, ledger, await ledger.settled(rival))
        if found is not None:
            return found, decision
        intent = await ledger.write(_record(client, step, ledger.slot, before))
    try:
        started = await client.submit(step.submission, before)
    except LostContactError as error:
        await ledger.complete(intent, error.task.uuid)
        raise
    except AmbiguousSubmissionError:
        # The intent stays: a retry must not start it blindly.
        raise
    except GeoboxError:
        await ledger.delete(intent)
        raise
    await ledger.complete(intent, started.uuid, _companions(started))
    return started, decision


async def _resume(
    client: AsyncGeoboxClient, step: OwnedSubmission[Found], ledger: SubmissionLog, record: Record
) -> tuple[Found | None, Decision]:
    """What came of an earlier attempt, or None and why it has to be started anew."""
    decision = Decision.REATTACHED
    uuid = record.uuid
    if uuid is None:
        found = await _found(client, step, ledger, record)
        if found is None:
            await ledger.delete(record)
            return None, Decision.FRESH
        await ledger.complete(record, found.uuid)
        return found, Decision.FOUND
    try:
        found = await step.read(uuid)
    except NotFoundError as error:
        if step.on_gone == "fail":
            error.add_advice(
                f"An earlier attempt of this run has started {uuid}, and it is gone. To have it "
                'started anew, pass on_gone="resubmit".'
            )
            raise
        await ledger.delete(record)
        return None, Decision.RESUBMITTED
    if isinstance(found, RemoteTask):
        found = found.model_copy(update={"companions": record.companions})
        all_of_it = [found, *[await step.read(other) for other in record.companions]]
        states = {task.state for task in all_of_it if isinstance(task, RemoteTask)}
        if states & {TaskState.FAILURE, TaskState.ABORTED}:
            await ledger.delete(record)
            return None, Decision.RENEWED
        is_finished = all(state.is_final for state in states)
        decision = Decision.FINISHED if is_finished else Decision.REATTACHED
    return found, decision


async def _found(
    client: AsyncGeoboxClient, step: OwnedSubmission[Found], ledger: SubmissionLog, record: Record
) -> Found | None:
    """What came of an intent whose process is gone."""
    if record.before is None:
        return None
    others = [other for other in await ledger.read() if other.id != record.id]
    # What others have recorded is theirs. What they have only intended looks the same as this: with
    # such a one, nobody can tell whose a new one is.
    known = frozenset(other.uuid for other in others if other.uuid is not None)
    likeness = (step.submission.kind, step.submission.similarity_key)
    rivals = [
        other
        for other in others
        if other.uuid is None and (other.data.get("kind"), other.data.get("alike")) == likeness
    ]
    return await client.find(step.submission, record.before | known, is_alone=not rivals)


def _companions(started: RemoteTask | OutputAsset) -> tuple[str, ...]:
    return started.companions if isinstance(started, RemoteTask) else ()


def _digest(client: AsyncGeoboxClient, step: OwnedSubmission[Any]) -> str:
    settings = client.settings
    identity = [
        step.name,
        step.key,
        settings.base_url,
        settings.credential.principal,
        dict(step.inputs),
    ]
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _record(
    client: AsyncGeoboxClient, step: OwnedSubmission[Any], slot: str, before: frozenset[str] | None
) -> dict[str, Any]:
    settings = client.settings
    return {
        "step": step.name,
        "kind": step.submission.kind,
        "alike": step.submission.similarity_key,
        "slot": slot,
        "uuid": None,
        "before": None if before is None else sorted(before),
        "base_url": settings.base_url,
        "principal": settings.credential.principal,
        "on_cancel": step.on_cancel,
        "makes": step.creates_asset,
    }


async def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content, read in a worker thread."""

    def digest() -> str:
        sha = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
        return sha.hexdigest()

    return await asyncio.to_thread(digest)
