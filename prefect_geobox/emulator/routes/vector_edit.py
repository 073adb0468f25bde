"""What can be done with layers and views: exports, imports, edits, copies, views of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import boolean, integer, invalid_parameter, required
from prefect_geobox.emulator.http.request_body import Body, body_of
from prefect_geobox.emulator.jobs import edits
from prefect_geobox.emulator.jobs.exports import FORMATS, Picked, export
from prefect_geobox.emulator.jobs.publishing import PublishOrder, make_layer, succeeded
from prefect_geobox.emulator.jobs.start import created, started
from prefect_geobox.emulator.routes.resources.assets import asset_of
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import (
    BASE_SRID,
    Box,
    box_of,
    fields_of,
    make_view,
    picked,
    rows_of,
    selected,
)
from prefect_geobox.emulator.state.store import OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Asset

LAYER_KINDS = (AssetKind.VECTOR, OtherKind.VIEW)


async def export_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/export/` of a layer or view."""
    layer, body = asset_of(request, *LAYER_KINDS), body_of(request)
    params = body.params()
    part = Picked(
        layer.name,
        layer.details["layer_type"],
        layer.details["has_z"],
        selected(layer, params, "fields", "skip_fields"),
        picked(layer, params),
    )
    work = partial(
        export,
        [part],
        required(body, "out_filename"),
        export_format(required(body, "out_format")),
        integer(body.text("out_srid"), "body", "out_srid", BASE_SRID),
        zipped=boolean(body.text("zipped"), default=True),
    )
    return await started(request, "export:vector-layer-to-file", work, len(part.rows))


def export_format(name: str) -> str:
    """The format of a file to write.

    Raises:
        ApiError: There is no such format.
    """
    if name not in FORMATS:
        message = f"{name!r} is none of {', '.join(FORMATS)}"
        raise invalid_parameter("body", "out_format", message, "type_error.enum")
    return name


async def calculate_field(request: Request) -> Response:
    """`POST {collection}/{uuid}/calculateField/` of a layer, view or table."""
    asset, body = asset_of(request, *LAYER_KINDS, AssetKind.TABLE), body_of(request)
    target, expression = required(body, "target_field"), required(body, "expression")
    known_field(asset, "target_field", target)
    rows = picked(asset, body.params())
    work = partial(edits.calculate, asset, rows, target, expression)
    return await started(request, "vector:calculate-field", work, len(rows))


def known_field(asset: Asset, parameter: str, name: str) -> None:
    """Refuses a column that is not there.

    Raises:
        ApiError: It is not.
    """
    if name not in {field.name for field in fields_of(asset)}:
        raise invalid_parameter("body", parameter, f"unknown field {name!r}")


async def delete_features(request: Request) -> Response:
    """`POST {collection}/{uuid}/deleteFeatures/`. Without filters it deletes all; a guess."""
    layer = asset_of(request, *LAYER_KINDS)
    rows = picked(layer, body_of(request).params())
    work = partial(edits.delete, layer, rows)
    return await started(request, "vector:delete-features", work, len(rows))


async def import_features(request: Request) -> Response:
    """`POST {collection}/{uuid}/import/`."""
    layer, body = asset_of(request, *LAYER_KINDS), body_of(request)
    file, order = file_of(request, body), _reading(body)

    def work() -> Outcome:
        features, errors = edits.source_of(file, order, layer)
        return edits.append(layer, features, errors, report_errors=order.report_errors)

    count = int(file.details["feature_count"])
    return await started(request, "import:file-to-vector-layer", work, count)


async def save_as_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/saveAsVectorLayer`."""
    layer, body = asset_of(request, *LAYER_KINDS), body_of(request)
    params = body.params()
    name = required(body, "out_layer_name")
    fields = selected(layer, params, "fields", "skip_fields")
    rows = [] if boolean(body.text("schema_only")) else picked(layer, params)

    def work() -> Outcome:
        names = [field.name for field in fields]
        features = [
            {**row, "id": number, "properties": {n: row["properties"].get(n) for n in names}}
            for number, row in enumerate(rows, start=1)
        ]
        kind = str(layer.details["layer_type"])
        return succeeded(make_layer(name, kind, features, fields, temporary=False))

    return await started(request, "vector:save-as-vector-layer", work, len(rows))


async def update_by_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/updateByLayer`."""
    layer, body = asset_of(request, *LAYER_KINDS), body_of(request)
    source = find_layer(request, "source_layer_uuid", required(body, "source_layer_uuid"))
    order = _update_order(layer, body)
    known_field(source, "common_field", order.common_field)

    def work() -> Outcome:
        return edits.update(layer, rows_of(source), order)

    count = len(rows_of(layer))
    return await started(request, "vector:update-by-layer", work, count)


async def update_by_file(request: Request) -> Response:
    """`POST {collection}/{uuid}/updateByFile`."""
    layer, body = asset_of(request, *LAYER_KINDS), body_of(request)
    file, order = file_of(request, body), _update_order(layer, body)
    reading = _reading(body)

    def work() -> Outcome:
        features, _ = edits.source_of(file, reading, layer)
        return edits.update(layer, features, order)

    count = len(rows_of(layer))
    return await started(request, "vector:update-by-file", work, count)


def find_layer(request: Request, parameter: str, uuid: str) -> Asset:
    """The layer or view of this uuid.

    Raises:
        ApiError: There is none.
    """
    store = state_of(request).store
    found = store.find(AssetKind.VECTOR, uuid) or store.find(OtherKind.VIEW, uuid)
    if found is None:
        raise invalid_parameter("body", parameter, f"there is no layer {uuid!r}")
    return found


async def create_view(request: Request) -> Response:
    """`POST vectorLayers/{uuid}/views/`."""
    layer, body = asset_of(request, AssetKind.VECTOR), body_of(request)
    name = required(body, "name")
    details = {
        "display_name": body.text("display_name") or name,
        "description": body.text("description"),
        "view_cols": body.text("view_cols") or "[ALL]",
    }
    view = make_view(layer, name, details, body.text("view_filter"), _view_extent(body))
    return created(request, view)


def _view_extent(body: Body) -> Box | None:
    value = body.get("view_extent")
    if isinstance(value, list):
        return box_of([",".join(str(number) for number in value)], None)
    return box_of([str(value)], None) if value else None


def file_of(request: Request, body: Body) -> Asset:
    """The file that a body names in `file_uuid`.

    Raises:
        ApiError: There is none.
    """
    uuid = required(body, "file_uuid")
    file = state_of(request).store.find(AssetKind.FILE, uuid)
    if file is None:
        raise invalid_parameter("body", "file_uuid", f"there is no file {uuid!r}")
    return file


def _reading(body: Body) -> PublishOrder:
    return PublishOrder(
        kind=AssetKind.VECTOR,
        name="",
        dataset=body.text("input_dataset"),
        layer=body.text("input_layer"),
        geometry_type=body.text("input_geom_type"),
        srid=integer(body.text("input_srid"), "body", "input_srid", BASE_SRID),
        encoding=body.text("file_encoding") or "UTF-8",
        report_errors=boolean(body.text("report_errors"), default=True),
    )


def _update_order(layer: Asset, body: Body) -> edits.UpdateOrder:
    common_field = required(body, "common_field")
    known_field(layer, "common_field", common_field)
    params = body.params()
    fields = selected(layer, params, "fields_to_update", "skip_fields")
    return edits.UpdateOrder(
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
    Route(f"{_ASSET}/saveAsVectorLayer", save_as_layer, methods=["POST"]),
    Route(f"{_ASSET}/updateByLayer", update_by_layer, methods=["POST"]),
    Route(f"{_ASSET}/updateByFile", update_by_file, methods=["POST"]),
    Route(f"{_ASSET}/views", create_view, methods=["POST"]),
]
