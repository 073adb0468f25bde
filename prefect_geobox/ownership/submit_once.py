"""Submits what a flow run owns exactly once, over all attempts of the run.

Each submission is recorded. A retry finds the record, reads the remote task that it names, and
decides by its state.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Generic, Literal, get_args

from typing_extensions import TypedDict

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import GeoboxError, InvalidArgumentError, NotFoundError
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError, LostContactError
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.submission import Found, Submission
from prefect_geobox.ownership.adoption import claimed, orphaned_submissions
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.run_monitor import is_process_ending
from prefect_geobox.ownership.submission_log import SubmissionLog, open_log
from prefect_geobox.ownership.submission_records import Record, record_new_owner
from prefect_geobox.ownership.submission_slots import RunPlace, submission_counter

OnGone = Literal["resubmit", "fail"]
Reattach = Literal["run", "deployment"]


class OwnershipOptions(TypedDict, total=False):
    """How a step owns the remote task that it starts.

    Attributes:
        key: Tells apart steps with equal arguments that a retry could mix up.
        on_gone: "resubmit" or, by default, "fail" where a retry finds that its remote task does
            not exist any more.
        reattach: "run", the default, or "deployment": whose earlier attempts to look for.
    """

    key: str | None
    on_gone: Literal["resubmit", "fail"]
    reattach: Literal["run", "deployment"]


#: The options of ownership where none are given.
OWNERSHIP_DEFAULTS: Final[Mapping[str, Any]] = {"key": None, "on_gone": "fail", "reattach": "run"}


class Decision(str, Enum):
    """Whether a step has started something, and what it did instead."""

    FRESH = "started"
    REATTACHED = "re-attached"
    FINISHED = "already finished"
    FOUND = "found after a crash"
    RENEWED = "failed before, started again"
    RESUBMITTED = "gone, started again"
    ADOPTED = "adopted from an earlier run"

    def __str__(self) -> str:
        return self.value

    @property
    def is_reattached(self) -> bool:
        """Whether nothing was started."""
        return self in (
            Decision.REATTACHED,
            Decision.FINISHED,
            Decision.FOUND,
            Decision.ADOPTED,
        )


@dataclass(frozen=True, slots=True)
class OwnedSubmission(Generic[Found]):
    """A submission of a step that is to be sent exactly once.

    Attributes:
        name: The step's name with hyphens.
        submission: How it is sent, and found again.
        read: Reads its remote task or file by uuid.
        inputs: What identifies it among the submissions of a run; JSON values, no secret.
        key: Distinguishes submissions whose inputs are equal on purpose.
        on_cancel: "abort" or "leave" the remote task when the user cancels the run.
        on_timeout: The same when the time limit of the task or the flow has passed.
        on_gone: "resubmit" or "fail" if a retry finds that the remote task no longer exists.
        reattach: "run" to search the attempts of this run only, "deployment" to search earlier
            runs of the deployment too.
        creates_asset: Whether it creates an asset of its own, which a failed run may delete.
        source: The local file that it sends: its path as given, size and SHA-256.
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
    source: Mapping[str, Any] | None = None


def check_ownership(on_gone: str, reattach: str) -> None:
    """Checks the options of an owned step, before any request is sent.

    Raises:
        InvalidArgumentError: One is not among the allowed values.
    """
    if on_gone not in get_args(OnGone):
        raise InvalidArgumentError(
            f"on_gone must be one of {', '.join(get_args(OnGone))}; got {on_gone!r}"
        )
    if reattach not in get_args(Reattach):
        raise InvalidArgumentError(
            f"reattach must be one of {', '.join(get_args(Reattach))}; got {reattach!r}"
        )


async def submit_once(
    client: AsyncGeoboxClient, owned: OwnedSubmission[Found], caller: threading.Thread
) -> tuple[Found, Decision]:
    """Sends a submission of the flow run, or finds what an earlier attempt has started.

    Runs on the I/O thread, in the context of the task run. Outside a flow run nothing is recorded.

    Args:
        client: Sends and reads.
        owned: What to submit.
        caller: The thread of the step. While its process is ending, nothing more is started.

    Returns:
        The remote task or file, and whether it was started now.

    Raises:
        NotFoundError: It was started and no longer exists, and `on_gone` is "fail".
        AmbiguousSubmissionError: It may have been started, and the server cannot tell.
        GeoboxError: It was not started.
    """
    log = await open_log()
    if log is None:
        return await client.submit(owned.submission), Decision.FRESH
    log.slot = submission_counter().next(log.place, _digest(client, owned, log.place))
    return await _start_once(client, owned, log, caller)


async def _start_once(
    client: AsyncGeoboxClient,
    owned: OwnedSubmission[Found],
    log: SubmissionLog,
    caller: threading.Thread,
) -> tuple[Found, Decision]:
    earlier = log.find()
    if earlier is None and owned.key is not None and owned.source is not None:
        # The key identifies the upload, whatever has become of the file's content.
        likeness = upload_likeness(client, owned.name, owned.key)
        earlier = log.find_from(owned.source["path"], likeness)
    decision = Decision.FRESH
    if earlier is not None and earlier.uuid is not None:
        found, decision = await _resume(client, owned, log, earlier)
        if found is not None:
            return found, decision
    # One at a time, so that a crash leaves at most one of them in doubt.
    async with client.shared_session().submissions.exclusive(owned.submission):
        if earlier is not None and earlier.uuid is None:
            found, decision = await _resume(client, owned, log, earlier)
            if found is not None:
                return found, decision
        if is_process_ending(caller):
            raise GeoboxError(f"{owned.submission.title} was not started: the run is being ended.")
        if earlier is None and owned.reattach == "deployment":
            adopted = await _adopt(client, owned, log)
            if adopted is not None:
                return adopted, Decision.ADOPTED
        return await _start(client, owned, log, decision)


async def _adopt(
    client: AsyncGeoboxClient, owned: OwnedSubmission[Found], log: SubmissionLog
) -> Found | None:
    """Adopts what a crashed run of the deployment has started; None if there is nothing."""
    digest, new_owner = log.slot.rpartition("-")[0], f"{log.run_id} {log.slot}"
    lenient = replace(owned, on_gone="resubmit")
    async for orphan in orphaned_submissions(log.prefect, log.run_id, digest):
        async with claimed(log.prefect, orphan, new_owner) as is_ours:
            if not is_ours:
                continue
            found, _ = await _resume(client, lenient, log, orphan.record)
            if found is None:
                continue
            await record_new_owner(log.prefect, orphan.run_id, orphan.record, new_owner)
            known = _record(client, owned)
            known["companions"] = list(orphan.record.companions)
            log.add_known(known, found.uuid)
            run_logger().info(
                "%s was started by an earlier run of this deployment; this run adopts it.",
                found.uuid,
            )
            return found
    return None


async def _start(
    client: AsyncGeoboxClient,
    owned: OwnedSubmission[Found],
    log: SubmissionLog,
    decision: Decision,
) -> tuple[Found, Decision]:
    before = await client.existing(owned.submission)
    while True:
        intent = await log.add_intent(_record(client, owned), before)
        try:
            is_valid, rival = await log.settle_with_rival(intent)
        except BaseException:
            # Nothing has been sent.
            log.delete(intent)
            raise
        if rival is not None:
            found, decision = await _resume(client, owned, log, rival)
            if found is not None:
                return found, decision
        if is_valid:
            break
    try:
        async with log.sending(intent):
            started = await client.submit(owned.submission, before)
    except LostContactError as error:
        log.complete(intent, error.task.uuid)
        raise
    except AmbiguousSubmissionError:
        # The intent stays: a retry must not start it blindly.
        raise
    except GeoboxError:
        log.delete(intent)
        raise
    log.complete(intent, started.uuid, _companions(started))
    return started, decision


async def _resume(
    client: AsyncGeoboxClient, owned: OwnedSubmission[Found], log: SubmissionLog, record: Record
) -> tuple[Found | None, Decision]:
    """Reads what an earlier attempt has started; None, and why, if it has to be started again."""
    decision = Decision.REATTACHED
    uuid = record.uuid
    if uuid is None:
        found = await find_intended(client, owned.submission, log, record)
        if found is None:
            latest = await log.settled(record)
            if latest is not None and latest.uuid is not None:
                return await _resume(client, owned, log, latest)
            log.delete(record)
            return None, Decision.FRESH
        log.complete(record, found.uuid)
        return found, Decision.FOUND
    try:
        found = await owned.read(uuid)
    except NotFoundError as error:
        if owned.on_gone == "fail":
            error.add_advice(
                f"An earlier attempt of this run has started {uuid}, and it no longer exists. To "
                'start it again, pass on_gone="resubmit".'
            )
            raise
        log.delete(record)
        return None, Decision.RESUBMITTED
    if isinstance(found, RemoteTask):
        found = found.model_copy(update={"companions": record.companions})
        tasks = [found, *[await owned.read(other) for other in record.companions]]
        states = {task.state for task in tasks if isinstance(task, RemoteTask)}
        if states & {TaskState.FAILURE, TaskState.ABORTED}:
            log.delete(record)
            return None, Decision.RENEWED
        is_finished = all(state.is_final for state in states)
        decision = Decision.FINISHED if is_finished else Decision.REATTACHED
    return found, decision


async def find_intended(
    client: AsyncGeoboxClient, submission: Submission[Found], log: SubmissionLog, record: Record
) -> Found | None:
    """Looks up the submission of an intent whose process has ended; None if it was not sent.

    Args:
        client: Reads.
        submission: What may have been sent.
        log: The records of the run.
        record: The intent.

    Raises:
        AmbiguousSubmissionError: It may have been sent, and the server cannot tell.
    """
    if record.before is None:
        return None
    others = [other for other in await log.read() if other.id != record.id]
    # What another record names belongs to that one. Another intent for an equal submission makes
    # it impossible to tell which of the two has started a new remote task.
    known = frozenset(other.uuid for other in others if other.uuid is not None)
    in_doubt = [
        str(other.data.get("alike") or "")
        for other in others
        if other.uuid is None and other.data.get("kind") == submission.kind
    ]
    # What a list says of a file distinguishes it from those with other keys.
    rivals = [key for key in in_doubt if key != submission.similarity_key]
    return await client.find(
        submission,
        record.before | known,
        is_alone=submission.similarity_key not in in_doubt,
        rivals=rivals if submission.kind == "task" else (),
    )


def upload_likeness(client: AsyncGeoboxClient, step: str, key: str | None) -> dict[str, Any]:
    """What the record of an upload says besides its file.

    Args:
        client: Its account.
        step: The step's name with hyphens.
        key: The key of the step.
    """
    settings = client.settings
    account = {"base_url": settings.base_url, "principal": settings.credential.principal}
    return {"step": step, "key": key, **account}


def _companions(started: RemoteTask | OutputAsset) -> tuple[str, ...]:
    return started.companions if isinstance(started, RemoteTask) else ()


def _digest(client: AsyncGeoboxClient, owned: OwnedSubmission[Any], place: RunPlace) -> str:
    settings = client.settings
    identity = [
        place.path,
        owned.name,
        owned.key,
        settings.base_url,
        settings.credential.principal,
        dict(owned.inputs),
    ]
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _record(client: AsyncGeoboxClient, owned: OwnedSubmission[Any]) -> dict[str, Any]:
    settings = client.settings
    return {
        "step": owned.name,
        "kind": owned.submission.kind,
        "alike": owned.submission.similarity_key,
        "base_url": settings.base_url,
        "principal": settings.credential.principal,
        "on_cancel": owned.on_cancel,
        "creates_asset": owned.creates_asset,
        "key": owned.key,
        "source": None if owned.source is None else dict(owned.source),
    }
