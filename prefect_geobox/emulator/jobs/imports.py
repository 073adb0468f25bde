"""Imports from other servers and from databases: what both have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.http.errors import not_found
from prefect_geobox.emulator.http.parameters import boolean, integer, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.publishing import PublishOptions, publish_source
from prefect_geobox.emulator.jobs.start import api_error_of, start_job
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import BASE_SRID
from prefect_geobox.emulator.state.store import OtherKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from prefect_geobox.emulator.geodata.features import VectorSource
    from prefect_geobox.emulator.state.remote_tasks import Outcome


async def list_tables(request: Request, address: str) -> list[dict[str, Any]]:
    """What an address has to import, in the API's own shape.

    Raises:
        ApiError: The emulator has no source at this address, or it cannot be read.
    """
    sources = state_of(request).sources
    try:
        return await asyncio.to_thread(lambda: sources.find(address).tables())
    except JobError as error:
        raise api_error_of(error) from None


async def import_layer(
    request: Request, task_name: str, address: str, table: str, name: str
) -> Response:
    """Starts the remote task that makes a layer of a table.

    Args:
        request: The request.
        task_name: The name of the task.
        address: The address of the source.
        table: The table.
        name: The name of the layer.
    """
    body = body_of(request)
    read = table_reader(request, address, table)
    options = PublishOptions(
        kind=AssetKind.VECTOR,
        name=name,
        dataset=None,
        layer=table,
        geometry_type=body.text("input_geom_type"),
        srid=BASE_SRID,
        encoding="UTF-8",
        report_errors=boolean(body.text("report_errors")),
    )
    return await start_job(request, task_name, lambda: publish_source(read(), table, options))


async def import_into_layer(request: Request, task_name: str, address: str, table: str) -> Response:
    """Starts the remote task that appends a table to a layer or view.

    Args:
        request: The request.
        task_name: The name of the task.
        address: The address of the source.
        table: The table.

    Raises:
        ApiError: There is no such layer or view.
    """
    body = body_of(request)
    kind = OtherKind.VIEW if boolean(body.text("is_view")) else AssetKind.VECTOR
    uuid = required(body, "layer_uuid")
    target = state_of(request).store.find(kind, uuid)
    if target is None:
        raise not_found("layer" if kind is AssetKind.VECTOR else "view", uuid)
    read = table_reader(request, address, table)
    report_errors = boolean(body.text("report_errors"))

    def work() -> Outcome:
        features, errors = edits.features_for_layer(read(), table, BASE_SRID, target)
        return edits.append(target, features, errors, report_errors=report_errors)

    return await start_job(request, task_name, work)


def table_reader(request: Request, address: str, table: str) -> Callable[[], VectorSource]:
    """A function that reads a table; it raises `JobError` if that fails."""
    text = body_of(request).text("input_srid")
    srid = integer(text, "body", "input_srid", BASE_SRID) if text else None
    sources = state_of(request).sources
    return lambda: sources.find(address).read(table, srid)
