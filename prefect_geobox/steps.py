"""Steps that change something in Geobox: they upload, or start a remote task and own it."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_geobox.artifacts import StepSummary, leave_last_summary, leave_summary
from prefect_geobox.cancellation import INTERRUPTIONS
from prefect_geobox.client.arguments import UuidLike, checked_uuid, readable_file
from prefect_geobox.client.errors import GeoboxError
from prefect_geobox.client.models import AssetKind, OutputAsset, printable
from prefect_geobox.client.policy import Action, WaitPolicy
from prefect_geobox.client.publishing import PublishAs, PublishOptions, check_publishing
from prefect_geobox.client.waiting import raise_for_failures
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.execution import AWAITING, BLOCKING, Execution, drive
from prefect_geobox.lineage import local_file_asset, prefect_asset
from prefect_geobox.owning import OnGone, Reattach, Step, check_owning, digest_of, start_once
from prefect_geobox.reporting import WaitReport
from prefect_geobox.runs import parameter, run_logger
from prefect_geobox.showing import lease, show_output, start_owned, watch


def _upload_name() -> str:
    return f"upload-{printable(Path(str(parameter('path'))).name, 100)}"


def _publish_name() -> str:
    return f"publish-{printable(str(parameter('name')), 100)}"


@task(task_run_name=_upload_name, cache_policy=NO_CACHE)
def upload_file(
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    reattach: Reattach = "run",
) -> OutputAsset:
    """Uploads a file, streamed from disk: `POST files/`.

    A retry of the flow run or of the task finds a file that it has uploaded already, by its name
    and content.

    Args:
        credentials: The account.
        path: The file.
        key: Tells apart uploads of equal files that a retry could mix up.
        reattach: "run" looks for what earlier attempts of this flow run have uploaded; "deployment"
            also takes over what crashed or failed runs of the same deployment have.

    Raises:
        FileNotFoundError: There is no such file; nothing was sent.
        OSError: It is a folder or cannot be read; nothing was sent.
        InvalidArgumentError: It is empty; nothing was sent.
        GeoboxError: The server refused it, or the connection broke.

    Example:
        ```python
        file = upload_file(credentials, "parcels.gpkg")
        layer = publish_file(credentials, file, "parcels")
        ```
    """
    return drive(_upload(BLOCKING, credentials, path, key, reattach))


@task(task_run_name=_upload_name, cache_policy=NO_CACHE)
async def aupload_file(
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    reattach: Reattach = "run",
) -> OutputAsset:
    """Uploads a file, streamed from disk. Async twin of `upload_file`."""
    return await _upload(AWAITING, credentials, path, key, reattach)


async def _upload(
    execution: Execution,
    credentials: GeoboxCredentials,
    path: str | os.PathLike[str],
    key: str | None,
    reattach: Reattach,
) -> OutputAsset:
    check_owning("resubmit", reattach)
    file = readable_file(path)
    size = file.stat().st_size
    began = time.monotonic()
    with lease(credentials) as client:

        async def read(uuid: str) -> OutputAsset:
            return await client.get_asset(AssetKind.FILE, uuid)

        step = Step(
            "upload-file",
            client.uploading(file, notify=run_logger().warning),
            read,
            {"name": file.name, "sha256": await execution.call(digest_of(file))},
            key=key,
            on_gone="resubmit",
            reattach=reattach,
        )
        asset, decision = await execution.call(start_once(client, step, threading.current_thread()))
        seconds = time.monotonic() - began
        run_logger().info(
            "Uploaded %s (%d bytes, %s) in %.1f s", file.name, size, decision, seconds
        )
        summary = StepSummary(
            "upload-file",
            f"Uploaded {file.name}",
            notes={
                "Size": f"{size:,} bytes",
                "Took": f"{seconds:.1f} s",
                "Upload was": str(decision),
            },
        )
        await show_output(execution, client, asset, summary, [local_file_asset(file)])
    return asset


@task(task_run_name=_publish_name, cache_policy=NO_CACHE)
def publish_file(
    credentials: GeoboxCredentials,
    file: UuidLike,
    name: str,
    *,
    publish_as: PublishAs | None = None,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_geom_type: str | None = None,
    input_srid: int = 3857,
    file_encoding: str = "UTF-8",
    replace_domain_codes_by_values: bool = False,
    report_errors: bool = True,
    as_terrain: bool = False,
    user_id: int | None = None,
    timeout: float | None = None,
    interval: float = 1.0,
    max_interval: float = 30.0,
    outage: float = 300.0,
    retry: int | None = None,
    progress_bar: bool = True,
    on_cancel: Action = "abort",
    on_timeout: Action = "abort",
    key: str | None = None,
    on_gone: OnGone = "fail",
    reattach: Reattach = "run",
) -> OutputAsset:
    """Publishes an uploaded file, waits for it and returns the new layer.

    Calls `POST files/{uuid}/publish/` once: a retry of the flow run or of the task re-attaches to
    the remote task that it has started already, returns its output where it has ended, and starts
    anew only where it has failed or was aborted.

    Args:
        credentials: The account.
        file: What `upload_file` returned, or the uuid of a file.
        name: The name of the new layer.
        publish_as: "vector", "raster", "model3d", "tiles3d" or "table"; by default what the file's
            format suggests.
        input_layer: The layer within the file; by default its first.
        input_dataset: The dataset within the file; by default that of its first layer.
        input_geom_type: The geometry type to read, such as `POINT`.
        input_srid: The EPSG code of the coordinates.
        file_encoding: The encoding of the attributes.
        replace_domain_codes_by_values: Whether coded values are written out.
        report_errors: Whether features that could not be read are reported.
        as_terrain: Whether a raster is a terrain.
        user_id: On behalf of this user; needs privileges.
        timeout: Seconds from now until the wait gives up; None for no limit.
        interval: The shortest pause between looks, in seconds; above 0.
        max_interval: The longest pause, in seconds; above 0.
        outage: Seconds of unbroken failure that are borne.
        retry: Instead of `outage`: the number of attempts that may fail in a row.
        progress_bar: Whether to read the progress too and show it as an artifact.
        on_cancel: "abort" or "leave" the remote task when the step is cancelled.
        on_timeout: "abort" or "leave" it when the time is up.
        key: Tells apart publishings with equal arguments that a retry could mix up. Without it
            they are told apart by their order.
        on_gone: "resubmit" or "fail" where a retry finds that its remote task is no longer there.
        reattach: "run" looks for what earlier attempts of this flow run have started; "deployment"
            also takes over what crashed or failed runs of the same deployment have left running,
            or have finished.

    Raises:
        InvalidArgumentError: An argument makes no sense; nothing was sent.
        TaskFailedError: The server could not publish it; the reason is in the message.
        TaskAbortedError: It was aborted.
        TaskTimeoutError: The time was up.
        LostContactError: The server could not be read for longer than `outage`.
        AmbiguousSubmissionError: It is not known whether the server started anything.
        GeoboxError: A request failed for good.

    Example:
        ```python
        layer = publish_file(credentials, file, "parcels", input_srid=4326, timeout=3600)
        print(layer.asset_key)
        ```
    """
    policy = WaitPolicy.of(
        timeout=timeout,
        interval=interval,
        max_interval=max_interval,
        outage=outage,
        retry=retry,
        on_cancel=on_cancel,
        on_timeout=on_timeout,
    )
    check_owning(on_gone, reattach)
    options: PublishOptions = {
        "publish_as": publish_as,
        "input_layer": input_layer,
        "input_dataset": input_dataset,
        "input_geom_type": input_geom_type,
        "input_srid": input_srid,
        "file_encoding": file_encoding,
        "replace_domain_codes_by_values": replace_domain_codes_by_values,
        "report_errors": report_errors,
        "as_terrain": as_terrain,
        "user_id": user_id,
    }
    return drive(
        _publish(
            BLOCKING, credentials, file, name, options, policy, progress_bar, key, on_gone, reattach
        )
    )


@task(task_run_name=_publish_name, cache_policy=NO_CACHE)
async def apublish_file(
    credentials: GeoboxCredentials,
    file: UuidLike,
    name: str,
    *,
    publish_as: PublishAs | None = None,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_geom_type: str | None = None,
    input_srid: int = 3857,
    file_encoding: str = "UTF-8",
    replace_domain_codes_by_values: bool = False,
    report_errors: bool = True,
    as_terrain: bool = False,
    user_id: int | None = None,
    timeout: float | None = None,
    interval: float = 1.0,
    max_interval: float = 30.0,
    outage: float = 300.0,
    retry: int | None = None,
    progress_bar: bool = True,
    on_cancel: Action = "abort",
    on_timeout: Action = "abort",
    key: str | None = None,
    on_gone: OnGone = "fail",
    reattach: Reattach = "run",
) -> OutputAsset:
    """Publishes an uploaded file and waits for the layer. Async twin of `publish_file`."""
    policy = WaitPolicy.of(
        timeout=timeout,
        interval=interval,
        max_interval=max_interval,
        outage=outage,
        retry=retry,
        on_cancel=on_cancel,
        on_timeout=on_timeout,
    )
    check_owning(on_gone, reattach)
    options: PublishOptions = {
        "publish_as": publish_as,
        "input_layer": input_layer,
        "input_dataset": input_dataset,
        "input_geom_type": input_geom_type,
        "input_srid": input_srid,
        "file_encoding": file_encoding,
        "replace_domain_codes_by_values": replace_domain_codes_by_values,
        "report_errors": report_errors,
        "as_terrain": as_terrain,
        "user_id": user_id,
    }
    return await _publish(
        AWAITING, credentials, file, name, options, policy, progress_bar, key, on_gone, reattach
    )


async def _publish(
    execution: Execution,
    credentials: GeoboxCredentials,
    file: UuidLike,
    name: str,
    options: PublishOptions,
    policy: WaitPolicy,
    show_progress: bool,
    key: str | None,
    on_gone: OnGone,
    reattach: Reattach,
) -> OutputAsset:
    uuid = checked_uuid("file", file)
    check_publishing(name, options)
    logger = run_logger()
    with lease(credentials) as client:
        began = client.clock.monotonic()
        if isinstance(file, OutputAsset) and "file_type" in file.data:
            source = file
        else:
            source = await execution.call(client.get_asset(AssetKind.FILE, uuid))
        step = Step(
            "publish-file",
            client.publishing(source, name, notify=logger.warning, **options),
            client.get_task,
            {"file": uuid, "name": name, **options},
            key=key,
            on_cancel=policy.on_cancel,
            on_timeout=policy.on_timeout,
            on_gone=on_gone,
            reattach=reattach,
        )
        started, decision = await start_owned(execution, client, step)
        report = WaitReport(execution, [started.uuid], show_progress=show_progress)
        summary = StepSummary(
            "publish-file",
            f"Published {source.name or uuid} as {name}",
            notes={"Remote task was": str(decision)},
        )
        try:
            tasks = await watch(
                execution,
                client,
                [started.uuid],
                policy,
                report,
                show_progress=show_progress,
                began=began,
            )
            raise_for_failures(tasks)
            asset = await execution.call(client.require_output(tasks[0], name))
        except (GeoboxError, *INTERRUPTIONS) as error:
            failed = replace(
                summary,
                title=f"Could not publish {source.name or uuid} as {name}",
                tasks=report.tasks or [started],
                stats=report.stats,
                error=error,
            )
            leave = leave_summary if isinstance(error, GeoboxError) else leave_last_summary
            await leave(execution, failed)
            raise
        if tasks[0].errors is not None:
            logger.warning("%s was published, but not all of it: %s", name, tasks[0].reason)
        done = replace(summary, tasks=tasks, stats=report.stats)
        await show_output(execution, client, asset, done, [prefect_asset(source)])
    return asset
