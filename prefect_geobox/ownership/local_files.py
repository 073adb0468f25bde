"""Local files that a flow run has uploaded, found by the records of the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.http.multipart_upload import UploadSource
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import NotFoundError
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError
from prefect_geobox.client.submission import Submission
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_log import SubmissionLog, open_log
from prefect_geobox.ownership.submission_records import Record
from prefect_geobox.ownership.submit_once import Decision, find_intended, upload_likeness

#: What to do where several files may be the upload of one that is gone.
_ADVICE: Final = (
    "Delete in Geobox those that it is not, and retry the run; or go on with the uuid of the one."
)


def recorded_source(given: str | os.PathLike[str], source: UploadSource) -> dict[str, Any]:
    """Returns what the record of an upload says about its file.

    Args:
        given: The path as the step was given it.
        source: The file, hashed.
    """
    return {"path": os.fspath(given), "size": source.size, "sha256": source.sha256}


async def uploaded_before(
    client: AsyncGeoboxClient, step: str, given: str | os.PathLike[str], key: str | None
) -> tuple[OutputAsset, Decision] | None:
    """Returns what an earlier attempt of the run has uploaded from a file that is gone.

    Args:
        client: Reads.
        step: The step's name with hyphens.
        given: The path as the step was given it.
        key: The key of the step.

    Returns:
        The uploaded file, and how it was found; None outside a flow run, and if no attempt has
        begun to upload it.

    Raises:
        InvalidArgumentError: The run has uploaded several files with different contents from it.
        NotFoundError: It was uploaded and deleted since.
        FileNotFoundError: An attempt ended while it uploaded the file, and it has not arrived.
        AmbiguousSubmissionError: The same, and several files may be the one.
    """
    log = await open_log()
    if log is None:
        return None
    record = log.find_from(os.fspath(given), upload_likeness(client, step, key))
    if record is None:
        return None
    if record.uuid is None:
        return await _found_after_crash(client, log, record, os.fspath(given))
    return await _recorded(client, record.uuid, os.fspath(given)), Decision.REATTACHED


async def _recorded(client: AsyncGeoboxClient, uuid: str, path: str) -> OutputAsset:
    try:
        asset = await client.get_asset(AssetKind.FILE, uuid)
    except NotFoundError as error:
        error.add_advice(
            f"An earlier attempt of this run has uploaded {path!r} as {uuid}, and neither exists "
            "any more. Put the file back to upload it again."
        )
        raise
    run_logger().info(
        "There is no file %r here; an earlier attempt of this run has uploaded it: %s", path, asset
    )
    return asset


async def _found_after_crash(
    client: AsyncGeoboxClient, log: SubmissionLog, record: Record, path: str
) -> tuple[OutputAsset, Decision]:
    """Finds the upload of an attempt that ended before it recorded what the server answered."""
    submission = _lost_upload(client, record)
    begun = f"There is no file {path!r} here, and an earlier attempt ended while it uploaded it."
    async with client.shared_session().submissions.exclusive(submission):
        if record.before is None and (left := await _unrecorded(submission, log)):
            raise AmbiguousSubmissionError(
                f"{begun} It is not known which files of its name were there before. {_ADVICE}",
                left,
            )
        try:
            found = await find_intended(client, submission, log, record)
        except AmbiguousSubmissionError as error:
            error.add_context(f"{begun} {_ADVICE}")
            raise
    if found is not None:
        log.complete(record, found.uuid)
        return found, Decision.FOUND
    # Another process of the run may have been sending it until now.
    latest = await log.settled(record)
    if latest is not None and latest.uuid is not None:
        return await _recorded(client, latest.uuid, path), Decision.REATTACHED
    raise FileNotFoundError(
        f"{begun} Geobox has no new file of that name and size: the upload did not arrive. Put the "
        "file back and retry the run."
    )


def _lost_upload(client: AsyncGeoboxClient, record: Record) -> Submission[OutputAsset]:
    """The upload of a file that is gone: it can be looked up and not be sent."""
    source = record.data["source"]
    name, size = Path(source["path"]).name, source["size"]

    async def send() -> OutputAsset:
        raise FileNotFoundError(f"There is no file {source['path']!r} here.")

    return Submission(
        kind="file",
        title=f"The upload of {name}",
        send=send,
        newest=lambda _: client.find_assets(AssetKind.FILE, name),
        is_likely=lambda asset: asset.data.get("size", size) == size,
        notify=run_logger().warning,
        similarity_key=str(record.data.get("alike") or ""),
    )


async def _unrecorded(submission: Submission[OutputAsset], log: SubmissionLog) -> list[OutputAsset]:
    """The files that may be an upload and belong to no record of the run."""
    known = {record.uuid for record in await log.read()}
    newest = await submission.newest(RetryPolicy())
    return [each for each in newest if each.uuid not in known and submission.is_likely(each)]
