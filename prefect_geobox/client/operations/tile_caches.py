"""Caches of tiles: seeded and updated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import (
    LayerLike,
    MapLike,
    MosaicLike,
    RasterLike,
    TilesetLike,
    inputs,
)
from prefect_geobox.client.operations._operation import seeds_cache
from prefect_geobox.client.operations._request import Request, without_none
from prefect_geobox.client.operations._validation import (
    BBox,
    BBoxes,
    PositiveInt,
    UserId,
    Zoom,
    box,
)
from prefect_geobox.client.polling.policy import WaitOptions

Workers = Literal[1, 2, 4, 8, 12, 16, 20, 24]


@seeds_cache(endpoint="POST vectorLayers/{uuid}/cache/seed/", sdk="VectorLayer.seed_cache")
def seed_layer_cache(
    layer: LayerLike,
    from_zoom: Zoom | None = None,
    to_zoom: Zoom | None = None,
    *,
    ignore_cache: bool = False,
    workers: Workers = 1,
    user_id: UserId | None = None,
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
        inputs(layer, is_view=is_view),
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "ignore_cache": ignore_cache,
                "workers": workers,
                "user_id": user_id,
            }
        ),
    )


@seeds_cache(endpoint="POST rasters/{uuid}/cache/seed/", sdk="Raster.seed_cache")
def seed_raster_cache(
    raster: RasterLike,
    from_zoom: Zoom | None = None,
    to_zoom: Zoom | None = None,
    *,
    extent: BBox | None = None,
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
    return Request(
        "Seed the cache of {raster}",
        "{raster}cache/seed/",
        inputs(raster),
        json=without_none({**_zooms(from_zoom, to_zoom), "extent": extent, "workers": workers}),
    )


@seeds_cache(endpoint="POST mosaics/{uuid}/cache/seed/", sdk="Mosaic.seed_cache")
def seed_mosaic_cache(
    mosaic: MosaicLike,
    from_zoom: Zoom | None = None,
    to_zoom: Zoom | None = None,
    *,
    extent: BBox | None = None,
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
    return Request(
        "Seed the cache of {mosaic}",
        "{mosaic}cache/seed/",
        inputs(mosaic),
        json=without_none({**_zooms(from_zoom, to_zoom), "extent": extent, "workers": workers}),
    )


def box_or_empty(field: str, value: Any) -> list[float]:
    """A bounding box, or an empty list for everything."""
    given = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
    return [] if given in ([], "") else box(field, given)


#: A bounding box, empty for everything.
BBoxOrEmpty = Annotated[str | Iterable[float], box_or_empty]


@seeds_cache(endpoint="POST tilesets/{uuid}/cache/seed/", sdk="Tileset.seed_cache")
def seed_tileset_cache(
    tileset: TilesetLike,
    from_zoom: Zoom = 0,
    to_zoom: Zoom = 14,
    *,
    extent: BBoxOrEmpty = (),
    workers: Workers = 1,
    user_id: UserId = 0,
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
    return Request(
        "Seed the cache of {tileset}",
        "{tileset}cache/seed/",
        inputs(tileset),
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": extent,
                "workers": workers,
                "user_id": user_id,
            }
        ),
    )


@seeds_cache(endpoint="POST tilesets/{uuid}/cache/update/", sdk="Tileset.update_cache")
def update_tileset_cache(
    tileset: TilesetLike,
    from_zoom: Zoom,
    to_zoom: Zoom,
    *,
    extents: BBoxes | None = None,
    user_id: UserId = 0,
    **_: Unpack[WaitOptions],
) -> Request:
    """Makes tiles in the cache of a tileset again.

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
    return Request(
        "Update the cache of {tileset}",
        "{tileset}cache/update/",
        inputs(tileset),
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extents": extents,
                "user_id": user_id,
            }
        ),
    )


@seeds_cache(endpoint="POST maps/{uuid}/cache/seed/", sdk="Map.seed_cache")
def seed_map_cache(
    map: MapLike,  # noqa: A002 - it is a map
    from_zoom: Zoom | None = None,
    to_zoom: Zoom | None = None,
    *,
    extent: BBox | None = None,
    workers: Workers = 1,
    scale: PositiveInt | None = None,
    user_id: UserId | None = None,
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
        inputs(map),
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": extent,
                "workers": workers,
                "user_id": user_id,
                "scale": scale,
            }
        ),
    )


@seeds_cache(endpoint="POST maps/{uuid}/cache/update/", sdk="Map.update_cache")
def update_map_cache(
    map: MapLike,  # noqa: A002 - it is a map
    from_zoom: Zoom | None = None,
    to_zoom: Zoom | None = None,
    *,
    extent: BBox | None = None,
    scale: PositiveInt | None = None,
    user_id: UserId | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Makes tiles in the cache of a map again.

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
        inputs(map),
        json=without_none(
            {
                **_zooms(from_zoom, to_zoom),
                "extent": extent,
                "user_id": user_id,
                "scale": scale,
            }
        ),
    )


def _zooms(from_zoom: int | None, to_zoom: int | None) -> dict[str, Any]:
    if from_zoom is not None and to_zoom is not None and from_zoom > to_zoom:
        raise InvalidArgumentError(
            f"from_zoom must not exceed to_zoom; got {from_zoom} and {to_zoom}"
        )
    return {"from_zoom": from_zoom, "to_zoom": to_zoom}
