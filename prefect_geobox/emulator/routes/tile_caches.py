"""Tile caches: seeded and updated by remote tasks, measured and cleared at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.emulator.http.errors import invalid_parameter, not_found
from prefect_geobox.emulator.http.request_body import Body, body_of
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.state.lookup import (
    LAYER_KINDS,
    collection_of,
    requested_asset,
    requested_composition,
)
from prefect_geobox.emulator.state.map_compositions import CompositionKind
from prefect_geobox.emulator.state.remote_tasks import Outcome

if TYPE_CHECKING:
    from starlette.requests import Request

# The numbers of workers that the official SDK accepts.
_WORKERS = (1, 2, 4, 8, 12, 16, 20, 24)
_ZOOMS = range(25)
_DEFAULT_TO_ZOOM = 14
# The assumed size of a tile.
_TILE_BYTES = 256
_TILES_FOR_DOUBLE_TIME = 1_000_000_000
_KINDS_WITH_TILES = (*LAYER_KINDS, AssetKind.RASTER)


async def seed_cache(request: Request) -> Response:
    """`POST {collection}/{uuid}/cache/seed/`: tasks without an output."""
    return _start(request, "cache:seed")


async def update_cache(request: Request) -> Response:
    """`POST tilesets/{uuid}/cache/update/` and `POST maps/{uuid}/cache/update/`."""
    if collection_of(request) not in {"tilesets", "maps"}:
        raise not_found("endpoint", request.url.path)
    return _start(request, "cache:update")


async def clear_cache(request: Request) -> Response:
    """`POST {collection}/{uuid}/cache/clear/`."""
    state_of(request).caches.pop(_cache_owner(request), None)
    # Clients read no answer; a guess.
    return JSONResponse({"success": True})


async def cache_size(request: Request) -> Response:
    """`POST {collection}/{uuid}/cache/size/`: a bare number."""
    seeded = state_of(request).caches.get(_cache_owner(request), [])
    tiles = sum(task.units or 0 for task in seeded if task.state == TaskState.SUCCESS.value)
    # The unit is not known; bytes are a guess.
    return JSONResponse(tiles * _TILE_BYTES)


def _start(request: Request, name: str) -> Response:
    state, key, body = state_of(request), _cache_owner(request), body_of(request)
    tiles = _tiles(body)
    collection = collection_of(request)
    answers: list[dict[str, Any]] = []
    for _ in range(2 if collection == "tilesets" else 1):
        seconds = state.seconds * (1 + min(tiles / _TILES_FOR_DOUBLE_TIME, 1))
        task = state.tasks.start(name, seconds, lambda: Outcome({}), units=tiles)
        state.caches.setdefault(key, []).append(task)
        answers.append({"task_id": state.task_id(task)})
    # The shapes in the SDK's own tests: an object for the seed of a map, a list of one with a
    # status for its update, a list of two for a tileset, a list of one for all others.
    if collection == "maps" and name == "cache:seed":
        return JSONResponse(answers[0])
    if collection == "maps":
        return JSONResponse([{**answers[0], "status": "started"}])
    return JSONResponse(answers)


def _cache_owner(request: Request) -> str:
    """The uuid of the asset or composition that has the cache.

    Raises:
        ApiError: It does not exist, or has no tiles.
    """
    if collection_of(request) in {kind.value for kind in CompositionKind}:
        return requested_composition(request).uuid
    return requested_asset(request, *_KINDS_WITH_TILES).uuid


def _tiles(body: Body) -> int:
    """The number of tiles that a request asks for, if they cover the whole world."""
    first = _zoom(body, "from_zoom", 0)
    last = _zoom(body, "to_zoom", max(first, _DEFAULT_TO_ZOOM))
    if last < first:
        raise invalid_parameter("body", "to_zoom", "is less than from_zoom")
    if body.get("workers") is not None and body.get("workers") not in _WORKERS:
        message = f"is none of {', '.join(map(str, _WORKERS))}"
        raise invalid_parameter("body", "workers", message, "type_error.enum")
    for name in ("extent", "extents"):
        value = body.get(name)
        extents = value if name == "extents" and isinstance(value, list) else [value]
        # The SDK sends an empty extent for that of a whole tileset.
        if not all(extent is None or extent == [] or _is_extent(extent) for extent in extents):
            raise invalid_parameter("body", name, "value is not four numbers", "type_error.list")
    return int(sum(4**zoom for zoom in range(first, last + 1)))


def _zoom(body: Body, name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value not in _ZOOMS:
        message = f"value is not an integer from {_ZOOMS[0]} to {_ZOOMS[-1]}"
        raise invalid_parameter("body", name, message, "type_error.integer")
    return value


def _is_extent(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(v, (int, float)) and math.isfinite(v) for v in value)
    )


_CACHE = "/v1/{collection}/{asset}/cache"

ROUTES = [
    Route(f"{_CACHE}/seed", seed_cache, methods=["POST"]),
    Route(f"{_CACHE}/update", update_cache, methods=["POST"]),
    Route(f"{_CACHE}/clear", clear_cache, methods=["POST"]),
    Route(f"{_CACHE}/size", cache_size, methods=["POST"]),
]
