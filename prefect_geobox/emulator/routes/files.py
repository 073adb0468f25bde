"""Files: uploaded and published."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.http.errors import ApiError, invalid_parameter, missing_parameter
from prefect_geobox.emulator.http.parameters import boolean, choice, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.publishing import (
    PUBLISH_AS,
    TASK_NAMES,
    publish,
    read_publish_options,
)
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.lookup import requested_asset
from prefect_geobox.emulator.state.uploaded_files import ACCEPTED_SUFFIXES, is_accepted, make_file

if TYPE_CHECKING:
    from starlette.requests import Request


async def upload_file(request: Request) -> Response:
    """`POST files/`."""
    try:
        library("python_multipart", "Uploading a file")
    except JobError as error:
        raise ApiError(422, {"msg": str(error), "type": error.kind}) from None
    body = body_of(request)
    file = body.uploads.get("file")
    if file is None:
        raise missing_parameter("body", "file")
    if not is_accepted(file.filename):
        message = (
            f"files such as {file.filename!r} are not accepted; "
            f"these are: {', '.join(ACCEPTED_SUFFIXES)}"
        )
        raise invalid_parameter("body", "file", message)
    scan = boolean(body.text("scan_archive"), default=True)
    state = state_of(request)
    asset = await asyncio.to_thread(make_file, file.filename, file.content, scan_archive=scan)
    state.store.add(asset)
    return JSONResponse(asset.view())


async def publish_file(request: Request) -> Response:
    """`POST files/{uuid}/publish/`."""
    state, body = state_of(request), body_of(request)
    file = requested_asset(request, AssetKind.FILE)
    publish_as = choice(required(body, "publish_as"), "body", "publish_as", PUBLISH_AS)
    options = read_publish_options(body, PUBLISH_AS[publish_as], required(body, "layer_name"))
    features = int(file.details["feature_count"])
    work = partial(publish, file, options)
    return JSONResponse(state.start(TASK_NAMES[options.kind], work, features))


ROUTES = [
    Route("/v1/files", upload_file, methods=["POST"]),
    Route("/v1/files/{asset}/publish", publish_file, methods=["POST"]),
]
