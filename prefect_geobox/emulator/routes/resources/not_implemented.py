"""Endpoints of rasters, mosaics, tilesets and maps that the emulator lacks: it answers 501."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.emulator.http.errors import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_SHARED = ("settings", "share", "unshare", "shared-with-users", "wmts", "tilejson.json")
_TILES = ("tiles/{rest:path}", "render/{rest:path}")
_NOT_IMPLEMENTED = {
    "rasters": (*_SHARED, *_TILES, "profile", "updateStats"),
    "mosaics": (*_SHARED, *_TILES, "point"),
    "tilesets": (*_SHARED, *_TILES, "updateExtent"),
    "maps": (*_SHARED, *_TILES, "setReadonly", "setMultiuser", "markers", "models", "attachments"),
}


async def refuse(request: Request) -> Response:
    """Answers 501 in JSON."""
    detail = f"the emulator does not implement {request.method} {request.url.path}"
    raise ApiError(501, {"msg": detail, "type": "geobox.NotImplementedError"})


ROUTES = [
    Route(f"/v1/{collection}/{{asset}}/{part}", refuse, methods=["GET", "POST", "PUT", "DELETE"])
    for collection, parts in _NOT_IMPLEMENTED.items()
    for part in parts
]
