"""Starts remote tasks and adds assets: what many requests have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.http.errors import ApiError
from prefect_geobox.emulator.http.parameters import boolean
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.remote_tasks import outcome_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.state.remote_tasks import Work
    from prefect_geobox.emulator.state.store import Asset


async def start_job(request: Request, name: str, work: Work, features: int = 0) -> Response:
    """Starts a remote task, or does its work at once where `run_async` is false.

    Args:
        request: The request that asks for it.
        name: The name of the task. Only the names of imports are known; the others are guesses.
        work: Its work.
        features: How many features it works on, which determines its duration.

    Raises:
        ApiError: The work was done at once, and failed.
    """
    state = state_of(request)
    if boolean(body_of(request).text("run_async"), default=True):
        return JSONResponse(state.start(name, work, features))
    outcome = state.tasks.commit(await asyncio.to_thread(outcome_of, work))
    if outcome.state != TaskState.SUCCESS.value:
        raise ApiError(422, outcome.result["detail"])
    # What the API answers here is not known; a guess: what the task's result would have been.
    return JSONResponse(outcome.result)


def create_asset(request: Request, asset: Asset) -> Response:
    """Adds an asset at once, without a remote task.

    Raises:
        ApiError: Another asset has its name.
    """
    try:
        state_of(request).store.add(asset)
    except JobError as error:
        raise api_error_of(error) from None
    return JSONResponse(asset.view())


def api_error_of(error: JobError) -> ApiError:
    """The error answer where work that fails was not done by a remote task."""
    return ApiError(422, {"msg": str(error), "type": error.kind})
