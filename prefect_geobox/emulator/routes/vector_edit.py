"""Layers and views: edited by remote tasks, and views of layers created at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.parameters import boolean, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.publishing import read_publish_options
from prefect_geobox.emulator.jobs.start import create_asset, start_job
from prefect_geobox.emulator.state.layers import (
    Box,
    box_of,
    fields_of,
    make_view,
    rows_of,
    selected_fields,
    selected_rows,
)
from prefect_geobox.emulator.state.lookup import (
    LAYER_KINDS,
    requested_asset,
    requested_file,
    requested_layer,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from prefect_geobox.emulator.http.request_body import Body
    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Asset


async def calculate_field(request: Request) -> Response:
    """`POST {collection}/{uuid}/calculateField/` of a layer, view or table."""
    asset, body = requested_asset(request, *LAYER_KINDS, AssetKind.TABLE), body_of(request)
    target, expression = required(body, "target_field"), required(body, "expression")
    _check_field(asset, "target_field", target)
    rows = selected_rows(asset, body.params())
    work = partial(edits.calculate, asset, rows, target, expression)
    return await start_job(request, "vector:calculate-field", work, len(rows))


async def delete_features(request: Request) -> Response:
    """`POST {collection}/{uuid}/deleteFeatures/`. Without filters it deletes all; a guess."""
    layer = requested_asset(request, *LAYER_KINDS)
    rows = selected_rows(layer, body_of(request).params())
    work = partial(edits.delete, layer, rows)
    return await start_job(request, "vector:delete-features", work, len(rows))


async def import_features(request: Request) -> Response:
    """`POST {collection}/{uuid}/import/`."""
    layer, file = requested_asset(request, *LAYER_KINDS), requested_file(request)
    options = read_publish_options(body_of(request), AssetKind.VECTOR)

    def work() -> Outcome:
        features, errors = edits.read_features(file, options, layer)
        return edits.append(layer, features, errors, report_errors=options.report_errors)

    count = int(file.details["feature_count"])
    return await start_job(request, "import:file-to-vector-layer", work, count)


async def update_by_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/updateByLayer`."""
    layer = requested_asset(request, *LAYER_KINDS)
    source = requested_layer(request, "source_layer_uuid")
    options = _update_options(layer, body_of(request))
    _check_field(source, "common_field", options.common_field)

    def work() -> Outcome:
        return edits.update(layer, rows_of(source), options)

    count = len(rows_of(layer))
    return await start_job(request, "vector:update-by-layer", work, count)


async def update_by_file(request: Request) -> Response:
    """`POST {collection}/{uuid}/updateByFile`."""
    layer, body = requested_asset(request, *LAYER_KINDS), body_of(request)
    file, options = requested_file(request), _update_options(layer, body)
    reading = read_publish_options(body, AssetKind.VECTOR)

    def work() -> Outcome:
        features, _ = edits.read_features(file, reading, layer)
        return edits.update(layer, features, options)

    count = len(rows_of(layer))
    return await start_job(request, "vector:update-by-file", work, count)


async def create_view(request: Request) -> Response:
    """`POST vectorLayers/{uuid}/views/`."""
    layer, body = requested_asset(request, AssetKind.VECTOR), body_of(request)
    name = required(body, "name")
    details = {
        "display_name": body.text("display_name") or name,
        "description": body.text("description"),
        "view_cols": body.text("view_cols") or "[ALL]",
    }
    view = make_view(layer, name, details, body.text("view_filter"), _view_extent(body))
    return create_asset(request, view)


def _check_field(asset: Asset, parameter: str, name: str) -> None:
    """Refuses a column that does not exist.

    Raises:
        ApiError: It does not exist.
    """
    if name not in {field.name for field in fields_of(asset)}:
        raise invalid_parameter("body", parameter, f"unknown field {name!r}")


def _view_extent(body: Body) -> Box | None:
    value = body.get("view_extent")
    if isinstance(value, list):
        return box_of([",".join(str(number) for number in value)], None)
    return box_of([str(value)], None) if value else None


def _update_options(layer: Asset, body: Body) -> edits.UpdateOptions:
    common_field = required(body, "common_field")
    _check_field(layer, "common_field", common_field)
    fields = selected_fields(layer, body.params(), "fields_to_update", "skip_fields")
    return edits.UpdateOptions(
        common_field=common_field,
        fields=tuple(field.name for field in fields),
        update_geometry=boolean(body.text("update_geometry")),
        delete_unmatched=boolean(body.text("delete_unmatched")),
        insert_missing=boolean(body.text("insert_missing")),
    )


_ASSET = "/v1/{collection}/{asset}"

ROUTES = [
    Route(f"{_ASSET}/calculateField", calculate_field, methods=["POST"]),
    Route(f"{_ASSET}/deleteFeatures", delete_features, methods=["POST"]),
    Route(f"{_ASSET}/import", import_features, methods=["POST"]),
    Route(f"{_ASSET}/updateByLayer", update_by_layer, methods=["POST"]),
    Route(f"{_ASSET}/updateByFile", update_by_file, methods=["POST"]),
    Route(f"{_ASSET}/views", create_view, methods=["POST"]),
]
