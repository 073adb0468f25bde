"""Groups of layers: made, listed, filled and exported."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import integer, invalid_parameter, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.exports import Picked, export
from prefect_geobox.emulator.jobs.start import created, started
from prefect_geobox.emulator.routes.resources.assets import asset_of
from prefect_geobox.emulator.routes.vector_edit import export_format
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.layers import BASE_SRID, fields_of, rows_of
from prefect_geobox.emulator.state.store import Asset, Kind, OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

_KINDS: dict[str, Kind] = {"vector": AssetKind.VECTOR, "view": OtherKind.VIEW}


async def create_group(request: Request) -> Response:
    """`POST groupLayers/`."""
    body = body_of(request)
    name = required(body, "name")
    listed = body.get("layers")
    members = [_member(request, one) for one in (listed if isinstance(listed, list) else [])]
    details = {
        "display_name": body.text("display_name") or name,
        "description": body.text("description"),
        "is_shared": False,
    }
    return created(request, Asset(OtherKind.GROUP, name, details, members=members))


async def list_layers(request: Request) -> Response:
    """`GET groupLayers/{uuid}/layers`."""
    members = _group(request).members
    return JSONResponse([{"is_view": one.source is not None, **one.view()} for one in members])


async def add_layer(request: Request) -> Response:
    """`POST groupLayers/{uuid}/layers`."""
    group, member = _group(request), _member(request, dict(body_of(request).params()))
    if member not in group.members:
        group.members.append(member)
    return JSONResponse(group.view())


async def remove_layer(request: Request) -> Response:
    """`DELETE groupLayers/{uuid}/layers`."""
    group, member = _group(request), _member(request, dict(body_of(request).params()))
    group.members = [one for one in group.members if one.uuid != member.uuid]
    return JSONResponse(group.view())


async def export_group(request: Request) -> Response:
    """`POST groupLayers/{uuid}/export/`."""
    group, body = _group(request), body_of(request)
    if not group.members:
        raise invalid_parameter("path", "uuid", f"the group {group.name!r} has no layers")
    parts = [
        Picked(
            one.name, one.details["layer_type"], one.details["has_z"], fields_of(one), rows_of(one)
        )
        for one in group.members
    ]
    work = partial(
        export,
        parts,
        body.text("out_filename") or group.name,
        export_format(body.text("out_format") or "GPKG"),
        integer(body.text("out_srid"), "body", "out_srid", BASE_SRID),
        zipped=False,
    )
    count = sum(len(part.rows) for part in parts)
    return await started(request, "export:group-layer-to-file", work, count)


def _group(request: Request) -> Asset:
    return asset_of(request, OtherKind.GROUP)


def _member(request: Request, described: Any) -> Asset:
    named = described if isinstance(described, dict) else {}
    kind = _KINDS.get(str(named.get("layer_type")))
    if kind is None:
        message = f"is none of {', '.join(_KINDS)}"
        raise invalid_parameter("body", "layer_type", message, "type_error.enum")
    uuid = str(named.get("layer_uuid"))
    found = state_of(request).store.find(kind, uuid)
    if found is None:
        raise invalid_parameter("body", "layer_uuid", f"there is no {kind} layer {uuid!r}")
    return found


ROUTES = [
    Route("/v1/groupLayers", create_group, methods=["POST"]),
    Route("/v1/{collection}/{asset}/layers", list_layers),
    Route("/v1/{collection}/{asset}/layers", add_layer, methods=["POST"]),
    Route("/v1/{collection}/{asset}/layers", remove_layer, methods=["DELETE"]),
]
