"""Groups of layers: created; their layers listed, added and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.parameters import choice, required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.jobs.start import create_asset
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.lookup import requested_asset
from prefect_geobox.emulator.state.store import Asset, Kind, OtherKind

if TYPE_CHECKING:
    from starlette.requests import Request

_KINDS: dict[str, Kind] = {"vector": AssetKind.VECTOR, "view": OtherKind.VIEW}


async def create_group(request: Request) -> Response:
    """`POST groupLayers/`."""
    body = body_of(request)
    name = required(body, "name")
    listed = body.get("layers")
    members = [_member(request, entry) for entry in (listed if isinstance(listed, list) else [])]
    details = {
        "display_name": body.text("display_name") or name,
        "description": body.text("description"),
        "is_shared": False,
    }
    return create_asset(request, Asset(OtherKind.GROUP, name, details, members=members))


async def list_layers(request: Request) -> Response:
    """`GET groupLayers/{uuid}/layers`."""
    members = requested_asset(request, OtherKind.GROUP).members
    return JSONResponse(
        [{"is_view": member.source is not None, **member.view()} for member in members]
    )


async def add_layer(request: Request) -> Response:
    """`POST groupLayers/{uuid}/layers`."""
    group = requested_asset(request, OtherKind.GROUP)
    member = _member(request, dict(body_of(request).params()))
    if member not in group.members:
        group.members.append(member)
    return JSONResponse(group.view())


async def remove_layer(request: Request) -> Response:
    """`DELETE groupLayers/{uuid}/layers`."""
    group = requested_asset(request, OtherKind.GROUP)
    member = _member(request, dict(body_of(request).params()))
    group.members = [other for other in group.members if other.uuid != member.uuid]
    return JSONResponse(group.view())


def _member(request: Request, described: Any) -> Asset:
    named = described if isinstance(described, dict) else {}
    kind = _KINDS[choice(str(named.get("layer_type")), "body", "layer_type", _KINDS)]
    uuid = str(named.get("layer_uuid"))
    found = state_of(request).store.find(kind, uuid)
    if found is None:
        raise invalid_parameter("body", "layer_uuid", f"there is no {kind} layer {uuid!r}")
    return found


ROUTES = [
    Route("/v1/groupLayers", create_group, methods=["POST"]),
    Route("/v1/groupLayers/{asset}/layers", list_layers),
    Route("/v1/groupLayers/{asset}/layers", add_layer, methods=["POST"]),
    Route("/v1/groupLayers/{asset}/layers", remove_layer, methods=["DELETE"]),
]
