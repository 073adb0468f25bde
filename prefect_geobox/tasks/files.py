"""Prefect tasks that upload and download files."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from prefect.assets import Asset

from prefect_geobox.client.api.downloads import file_input
from prefect_geobox.client.api.run_mode import RunMode, run_to_completion
from prefect_geobox.client.http.multipart_upload import (
    UploadSource,
    checked_local_path,
    readable_file,
    refuse_names_that_are_not_utf8,
)
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.model.validation import positive_seconds
from prefect_geobox.client.operations._inputs import AssetLike, ByName
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.interruption import flow_run_id
from prefect_geobox.ownership.local_files import recorded_source, uploaded_before
from prefect_geobox.ownership.run_context import parameter, run_logger
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.ownership.submit_once import (
    OwnedSubmission,
    Reattach,
    check_ownership,
    submit_once,
)
from prefect_geobox.reporting.assets import local_file_asset, materialize, referenced_assets
from prefect_geobox.reporting.summary import StepSummary, write_summary
from prefect_geobox.tasks._lifecycle import open_step, show_output
from prefect_geobox.tasks._step_task import step_task
from prefect_geobox.tasks._transfer_report import TransferReport


def _upload_name() -> str:
    return f"upload-{printable(Path(str(parameter('path'))).name, 100)}"


def _download_name() -> str:
    given = parameter("file")
    name = given.name if isinstance(given, (OutputAsset, ByName)) else str(given)
    return f"download-{printable(name, 100)}"


@step_task(task_run_name=_upload_name)
def upload_file(
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    reattach: Reattach = "run",
) -> OutputAsset:
    """Uploads a file, streamed from disk: `POST files/`.

    A retry of the flow run or of the task finds a file that was uploaded before, by its name and
    content. Where the file is gone, the record of the run decides: the upload from the same path,
    which is looked up by its name and size if its attempt ended before it had recorded it.

    Args:
        credentials: The account.
        path: The file.
        key: Identifies the upload in a retry, whose order or content of files may be another one.
        reattach: "run" finds what earlier attempts of this flow run have uploaded; "deployment"
            also adopts what crashed or failed runs of the same deployment have uploaded.

    Raises:
        FileNotFoundError: There is no such file, and the run has not uploaded it; no request was
            sent.
        OSError: It is a folder or cannot be read; no request was sent.
        InvalidArgumentError: It is empty, cannot be used without the files beside it, or its path
            is not UTF-8; no request was sent.
        LocalFileError: It changed, or could not be read any more, while it was sent.
        AmbiguousSubmissionError: It may have arrived, and the server cannot tell.
        GeoboxError: The server rejected it, or the connection broke.

    Example:
        ```python
        file = upload_file(credentials, "parcels.gpkg")
        layer = publish_file(credentials, file, "plots")
        ```
    """
    return run_to_completion(_upload(SYNC_MODE, credentials, path, key, reattach))


@step_task(task_run_name=_upload_name)
async def aupload_file(
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    reattach: Reattach = "run",
) -> OutputAsset:
    """Uploads a file, streamed from disk. Async twin of `upload_file`."""
    return await _upload(ASYNC_MODE, credentials, path, key, reattach)


async def _upload(
    mode: RunMode,
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    key: str | None,
    reattach: Reattach,
) -> OutputAsset:
    check_ownership("resubmit", reattach)
    try:
        file = readable_file(path)
    except FileNotFoundError as missing:
        return await _upload_of_earlier_attempt(mode, credentials, path, key, missing)
    # The whole path is recorded as the source of the upload.
    refuse_names_that_are_not_utf8("path", str(file.absolute()))
    began = time.monotonic()
    report = TransferReport(f"Upload of {file.name}")
    with open_step(credentials) as client:

        async def read(uuid: str) -> OutputAsset:
            return await client.get_asset(AssetKind.FILE, uuid)

        # Its size and time are noted first, so that no change after the hashing goes unnoticed.
        source = await mode.call(UploadSource.of(file).hashed())
        step = OwnedSubmission(
            "upload-file",
            client.uploading(source, on_bytes=report, notify=run_logger().warning),
            read,
            {"name": file.name, "sha256": source.sha256},
            key=key,
            on_gone="resubmit",
            reattach=reattach,
            creates_asset=True,
            source=recorded_source(path, source),
        )
        asset, decision = await mode.call(submit_once(client, step, threading.current_thread()))
        await mode.call(report.finish())
        seconds = time.monotonic() - began
        run_logger().info(
            "Uploaded %s (%d bytes, %s) in %.1f s", file.name, source.size, decision, seconds
        )
        summary = StepSummary(
            "upload-file",
            f"Uploaded {file.name}",
            notes={
                "Size": f"{source.size:,} bytes",
                "Took": f"{seconds:.1f} s",
                "Upload was": str(decision),
            },
        )
        await show_output(mode, client, asset, summary, [local_file_asset(file)])
    return asset


async def _upload_of_earlier_attempt(
    mode: RunMode,
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    key: str | None,
    missing: FileNotFoundError,
) -> OutputAsset:
    if flow_run_id() is None:
        raise missing
    with open_step(credentials) as client:
        found = await mode.call(uploaded_before(client, "upload-file", path, key))
        if found is None:
            raise missing
        asset, decision = found
        file = Path(path)
        notes = {"Upload was": f"{decision}; the file is not here any more"}
        summary = StepSummary("upload-file", f"Uploaded {file.name}", notes=notes)
        await show_output(mode, client, asset, summary, [local_file_asset(file)])
    return asset


@step_task(task_run_name=_download_name)
def download_file(
    credentials: GeoboxCredentials,
    file: AssetLike,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    timeout: float | None = None,
) -> Path:
    """Downloads a file, or the file of a raster: `GET files/{uuid}/download/`.

    It is streamed to a temporary file in the target folder and renamed when it is complete. After a
    broken connection the download resumes at that point, if the server supports that. An existing
    file is not overwritten; one with the same content, such as a retry finds, is left as it is.
    Where the download fails or its flow run is cancelled, nothing is left, no new folder either.

    Args:
        credentials: The account.
        file: The file or raster; a bare uuid or a name is that of a file.
        path: The target: a file, or a folder if it exists or ends with a slash; in a folder the
            file gets the name that the server gives it. Missing folders are created.
        overwrite: Whether an existing file with other content is replaced.
        timeout: Seconds from the call; above 0; None for no limit.

    Returns:
        The path of the downloaded file.

    Raises:
        InvalidArgumentError: It is neither a file nor a raster, or the timeout is invalid; no
            request was sent.
        TransferTimeoutError: The timeout ended.
        NameLookupError: No file has the name, or several have it.
        FileExistsError: Another file exists there.
        OSError: The target cannot be written.
        GeoboxError: The server rejected the request, or could not be reached for 30 s.

    Example:
        ```python
        path = download_file(credentials, file, "out/")
        ```
    """
    return run_to_completion(
        _download(SYNC_MODE, credentials, file, path, overwrite=overwrite, timeout=timeout)
    )


@step_task(task_run_name=_download_name)
async def adownload_file(
    credentials: GeoboxCredentials,
    file: AssetLike,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    timeout: float | None = None,
) -> Path:
    """Downloads a file. Async twin of `download_file`."""
    return await _download(
        ASYNC_MODE, credentials, file, path, overwrite=overwrite, timeout=timeout
    )


async def _download(
    mode: RunMode,
    credentials: GeoboxCredentials,
    file: AssetLike,
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    timeout: float | None,
) -> Path:
    ref = file_input(file)
    # Where it is written is recorded too.
    refuse_names_that_are_not_utf8("path", str(checked_local_path("path", path).absolute()))
    if timeout is not None:
        positive_seconds("timeout", timeout)
    began = time.monotonic()
    with open_step(credentials) as client:
        since = client.clock.monotonic()
        source = await mode.call(client.look_up(ref))
        report = TransferReport(f"Download of {source.label}")
        target = await mode.transfer(
            client.downloading(
                source, path, overwrite=overwrite, timeout=timeout, on_bytes=report, began=since
            )
        )
        await mode.call(report.finish())
        size, seconds = target.stat().st_size, time.monotonic() - began
        run_logger().info("Downloaded %s (%d bytes) in %.1f s", target, size, seconds)
        notes = {"Size": f"{size:,} bytes", "Took": f"{seconds:.1f} s", "Path": str(target)}
        title = f"Downloaded {source.label} to {target.name}"
        await write_summary(mode, StepSummary("download-file", title, notes=notes))
        asset: Asset = local_file_asset(target)
        materialize(asset, {"bytes": size}, referenced_assets(client.settings, [source]))
    return target
