"""Caches of tiles: seeded and updated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import (
    LAYERS,
    AssetLike,
    LayerLike,
    RasterLike,
    Resource,
    to_input,
)
from prefect_geobox.client.operations._operation import seeds_cache
from prefect_geobox.client.operations._request import Request, without_none
from prefect_geobox.client.polling.policy import WaitOptions

Workers = Literal[1, 2, 4, 8, 12, 16, 20, 24]

_DEEPEST_ZOOM = 30


@seeds_cache(endpoint="POST vectorLayers/{uuid}/cache/seed/", row=9)
def seed_layer_cache(
    layer: LayerLike,
    from_zoom: int | None = None,
    to_zoom: int | None = None,
    *,
    ignore_cache: bool = False,
    workers: Workers = 1,
    user_id: int | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Fills the cache of a layer or view with tiles.

    Args:
        layer: The layer or view.
        from_zoom: The first zoom level; by default the server's choice.
        to_zoom: The last one; by default the server's choice.
        ignore_cache: Whether tiles that are there already are made again.
        workers: How many workers do it: 1, 2, 4, 8, 12, 16, 20 or 24.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        seed_layer_cache(credentials, layer, 0, 12, workers=4)
        ```
    """
    return Request(
        "Seed the cache of {layer}",
        "{layer}cache/seed/",
        {"layer": to_input("layer", layer, *LAYERS, is_view=is_view)},
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "ignore_cache": checks.flag("ignore_cache", ignore_cache),
                "workers": checks.choice("workers", workers, Workers),
                "user_id": checks.whole_or_none("user_id", user_id, 0),
            }
        ),
    )


@seeds_cache(endpoint="POST rasters/{uuid}/cache/seed/", row=10)
def seed_raster_cache(
    raster: RasterLike,
    from_zoom: int | None = None,
    to_zoom: int | None = None,
    *,
    extent: str | Iterable[float] | None = None,
    workers: Workers = 1,
    **_: Unpack[WaitOptions],
) -> Request:
    """Fills the cache of a raster with tiles.

    Args:
        raster: The raster.
        from_zoom: The first zoom level; by default the server's choice.
        to_zoom: The last one; by default the server's choice.
        extent: Only tiles in this box: west, south, east, north.
        workers: How many workers do it: 1, 2, 4, 8, 12, 16, 20 or 24.

    Example:
        ```python
        seed_raster_cache(credentials, raster, 0, 10)
        ```
    """
    return _seed("raster", raster, Resource.RASTER, from_zoom, to_zoom, extent, workers)


@seeds_cache(endpoint="POST mosaics/{uuid}/cache/seed/", row=10)
def seed_mosaic_cache(
    mosaic: AssetLike,
    from_zoom: int | None = None,
    to_zoom: int | None = None,
    *,
    extent: str | Iterable[float] | None = None,
    workers: Workers = 1,
    **_: Unpack[WaitOptions],
) -> Request:
    """Fills the cache of a mosaic with tiles.

    Args:
        mosaic: The mosaic.
        from_zoom: The first zoom level; by default the server's choice.
        to_zoom: The last one; by default the server's choice.
        extent: Only tiles in this box: west, south, east, north.
        workers: How many workers do it: 1, 2, 4, 8, 12, 16, 20 or 24.

    Example:
        ```python
        seed_mosaic_cache(credentials, by_name("orthophotos"), 0, 14, workers=8)
        ```
    """
    return _seed("mosaic", mosaic, Resource.MOSAIC, from_zoom, to_zoom, extent, workers)


def _seed(
    argument: str,
    target: AssetLike,
    kind: Resource,
    from_zoom: int | None,
    to_zoom: int | None,
    extent: str | Iterable[float] | None,
    workers: Workers,
) -> Request:
    return Request(
        f"Seed the cache of {{{argument}}}",
        f"{{{argument}}}cache/seed/",
        {argument: to_input(argument, target, kind)},
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": checks.box_or_none("extent", extent),
                "workers": checks.choice("workers", workers, Workers),
            }
        ),
    )


@seeds_cache(endpoint="POST tilesets/{uuid}/cache/seed/", row=11)
def seed_tileset_cache(
    tileset: AssetLike,
    from_zoom: int = 0,
    to_zoom: int = 14,
    *,
    extent: str | Iterable[float] = (),
    workers: Workers = 1,
    user_id: int = 0,
    **_: Unpack[WaitOptions],
) -> Request:
    """Fills the cache of a tileset with tiles.

    Args:
        tileset: The tileset.
        from_zoom: The first zoom level.
        to_zoom: The last one.
        extent: Only tiles in this box: west, south, east, north; empty for all.
        workers: How many workers do it: 1, 2, 4, 8, 12, 16, 20 or 24.
        user_id: On behalf of this user; needs privileges; 0 for nobody else.

    Example:
        ```python
        seed_tileset_cache(credentials, by_name("base map"), to_zoom=10)
        ```
    """
    given = extent if isinstance(extent, str) else list(extent)
    return Request(
        "Seed the cache of {tileset}",
        "{tileset}cache/seed/",
        {"tileset": to_input("tileset", tileset, Resource.TILESET)},
        json=without_none(
            {
                **_zooms(checks.whole("from_zoom", from_zoom), checks.whole("to_zoom", to_zoom)),
                "extent": checks.box("extent", given) if given else [],
                "workers": checks.choice("workers", workers, Workers),
                "user_id": checks.whole("user_id", user_id, 0),
            }
        ),
    )


@seeds_cache(endpoint="POST tilesets/{uuid}/cache/update/", row=12)
def update_tileset_cache(
    tileset: AssetLike,
    from_zoom: int,
    to_zoom: int,
    *,
    extents: Iterable[Iterable[float]] | None = None,
    user_id: int = 0,
    **_: Unpack[WaitOptions],
) -> Request:
    """Makes tiles in the cache of a tileset anew.

    Args:
        tileset: The tileset.
        from_zoom: The first zoom level.
        to_zoom: The last one.
        extents: Only tiles in these boxes, each west, south, east, north.
        user_id: On behalf of this user; needs privileges; 0 for nobody else.

    Example:
        ```python
        update_tileset_cache(credentials, tileset, 8, 12, extents=[[50, 35, 52, 36]])
        ```
    """
    boxes = None
    if extents is not None:
        boxes = [checks.box(f"extents[{place}]", box) for place, box in enumerate(extents)]
    return Request(
        "Update the cache of {tileset}",
        "{tileset}cache/update/",
        {"tileset": to_input("tileset", tileset, Resource.TILESET)},
        json=without_none(
            {
                **_zooms(checks.whole("from_zoom", from_zoom), checks.whole("to_zoom", to_zoom)),
                "extents": boxes,
                "user_id": checks.whole("user_id", user_id, 0),
            }
        ),
    )


@seeds_cache(endpoint="POST maps/{uuid}/cache/seed/", row=13)
def seed_map_cache(
    map: AssetLike,  # noqa: A002 - it is a map
    from_zoom: int | None = None,
    to_zoom: int | None = None,
    *,
    extent: str | Iterable[float] | None = None,
    workers: Workers = 1,
    scale: int | None = None,
    user_id: int | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Fills the cache of a map with tiles.

    Args:
        map: The map.
        from_zoom: The first zoom level; by default the server's choice.
        to_zoom: The last one; by default the server's choice.
        extent: Only tiles in this box: west, south, east, north.
        workers: How many workers do it: 1, 2, 4, 8, 12, 16, 20 or 24.
        scale: The scale of the tiles; by default the server's choice.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        seed_map_cache(credentials, by_name("city map"), 0, 12)
        ```
    """
    return Request(
        "Seed the cache of {map}",
        "{map}cache/seed/",
        {"map": to_input("map", map, Resource.MAP)},
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": checks.box_or_none("extent", extent),
                "workers": checks.choice("workers", workers, Workers),
                "user_id": checks.whole_or_none("user_id", user_id, 0),
                "scale": checks.whole_or_none("scale", scale, 1),
            }
        ),
    )


@seeds_cache(endpoint="POST maps/{uuid}/cache/update/", row=14)
def update_map_cache(
    map: AssetLike,  # noqa: A002 - it is a map
    from_zoom: int | None = None,
    to_zoom: int | None = None,
    *,
    extent: str | Iterable[float] | None = None,
    scale: int | None = None,
    user_id: int | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Makes tiles in the cache of a map anew.

    Args:
        map: The map.
        from_zoom: The first zoom level; by default the server's choice.
        to_zoom: The last one; by default the server's choice.
        extent: Only tiles in this box: west, south, east, north.
        scale: The scale of the tiles; by default the server's choice.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        update_map_cache(credentials, by_name("city map"), 10, 12)
        ```
    """
    return Request(
        "Update the cache of {map}",
        "{map}cache/update/",
        {"map": to_input("map", map, Resource.MAP)},
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": checks.box_or_none("extent", extent),
                "user_id": checks.whole_or_none("user_id", user_id, 0),
                "scale": checks.whole_or_none("scale", scale, 1),
            }
        ),
    )


def _zooms(from_zoom: int | None, to_zoom: int | None) -> dict[str, Any]:
    first = checks.whole_or_none("from_zoom", from_zoom, 0, _DEEPEST_ZOOM)
    last = checks.whole_or_none("to_zoom", to_zoom, 0, _DEEPEST_ZOOM)
    if first is not None and last is not None and first > last:
        raise InvalidArgumentError(f"from_zoom must not exceed to_zoom; got {first} and {last}")
    return {"from_zoom": first, "to_zoom": last}
