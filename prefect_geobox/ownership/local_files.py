"""Local files that a flow run has uploaded, found by the records of the run."""

from __future__ import annotations

import os
from typing import Any

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.http.multipart_upload import UploadSource
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import NotFoundError
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_log import open_log
from prefect_geobox.ownership.submit_once import upload_likeness


def recorded_source(given: str | os.PathLike[str], source: UploadSource) -> dict[str, Any]:
    """Returns what the record of an upload says about its file.

    Args:
        given: The path as the step was given it.
        source: The file, hashed.
    """
    return {"path": os.fspath(given), "size": source.size, "sha256": source.sha256}


async def uploaded_before(
    client: AsyncGeoboxClient, step: str, given: str | os.PathLike[str], key: str | None
) -> OutputAsset | None:
    """Returns what an earlier attempt of the run has uploaded from a file that is gone.

    Args:
        client: Reads.
        step: The step's name with hyphens.
        given: The path as the step was given it.
        key: The key of the step.

    Returns:
        The uploaded file; None outside a flow run, and if no attempt has uploaded it.

    Raises:
        InvalidArgumentError: The run has uploaded several files with different contents from it.
        NotFoundError: It was uploaded and deleted since.
    """
    log = await open_log()
    if log is None:
        return None
    record = log.find_from(os.fspath(given), upload_likeness(client, step, key))
    if record is None or record.uuid is None:
        return None
    try:
        asset = await client.get_asset(AssetKind.FILE, record.uuid)
    except NotFoundError as error:
        error.add_advice(
            f"An earlier attempt of this run has uploaded {os.fspath(given)!r} as {record.uuid}, "
            "and neither exists any more. Put the file back to upload it again."
        )
        raise
    run_logger().info(
        "There is no file %r here; an earlier attempt of this run has uploaded it: %s",
        os.fspath(given),
        asset,
    )
    return asset
