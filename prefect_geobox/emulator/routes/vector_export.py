"""Layers and views: exported into files, copied as layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.emulator.http.parameters import boolean, choice, integer, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.exports import FORMATS, ExportedLayer, export_layers
from prefect_geobox.emulator.jobs.start import start_job
from prefect_geobox.emulator.state.layers import BASE_SRID, selected_fields, selected_rows
from prefect_geobox.emulator.state.lookup import LAYER_KINDS, requested_asset
from prefect_geobox.emulator.state.new_assets import asset_outcome, make_layer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from prefect_geobox.emulator.state.remote_tasks import Outcome


async def export_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/export/` of a layer or view."""
    layer, body = requested_asset(request, *LAYER_KINDS), body_of(request)
    params = body.params()
    exported = ExportedLayer(
        name=layer.name,
        layer_type=layer.details["layer_type"],
        has_z=layer.details["has_z"],
        fields=selected_fields(layer, params, "fields", "skip_fields"),
        rows=selected_rows(layer, params),
    )
    work = partial(
        export_layers,
        [exported],
        required(body, "out_filename"),
        choice(required(body, "out_format"), "body", "out_format", FORMATS),
        integer(body.text("out_srid"), "body", "out_srid", BASE_SRID),
        zipped=boolean(body.text("zipped"), default=True),
    )
    return await start_job(request, "export:vector-layer-to-file", work, len(exported.rows))


async def save_as_layer(request: Request) -> Response:
    """`POST {collection}/{uuid}/saveAsVectorLayer`."""
    layer, body = requested_asset(request, *LAYER_KINDS), body_of(request)
    params = body.params()
    name = required(body, "out_layer_name")
    fields = selected_fields(layer, params, "fields", "skip_fields")
    rows = [] if boolean(body.text("schema_only")) else selected_rows(layer, params)

    def work() -> Outcome:
        names = [field.name for field in fields]
        features = [
            {**row, "id": number, "properties": {n: row["properties"].get(n) for n in names}}
            for number, row in enumerate(rows, start=1)
        ]
        layer_type = str(layer.details["layer_type"])
        return asset_outcome(make_layer(name, layer_type, features, fields, temporary=False))

    return await start_job(request, "vector:save-as-vector-layer", work, len(rows))


ROUTES = [
    Route("/v1/{collection}/{asset}/export", export_layer, methods=["POST"]),
    Route("/v1/{collection}/{asset}/saveAsVectorLayer", save_as_layer, methods=["POST"]),
]
