"""Exports of maps and of groups of layers."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from annotated_types import Ge, Le
from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.operations._inputs import GroupLayerLike, MapLike, inputs
from prefect_geobox.client.operations._operation import creates_asset
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._validation import BBox, Srid
from prefect_geobox.client.operations.vector_export import FeatureFormat
from prefect_geobox.client.polling.policy import WaitOptions

#: The width or height of a picture.
Pixels = Annotated[int, Ge(10), Le(10_000)]


@creates_asset(AssetKind.FILE, endpoint="POST maps/{uuid}/export/", sdk="Map.export_map_to_image")
def export_map_image(
    map: MapLike,  # noqa: A002 - it is a map
    bbox: BBox,
    width: Pixels,
    height: Pixels,
    **_: Unpack[WaitOptions],
) -> Request:
    """Exports a part of a map as a picture.

    Args:
        map: The map.
        bbox: The part: west, south, east, north in degrees.
        width: In pixels, from 10 to 10,000.
        height: In pixels, from 10 to 10,000.

    Example:
        ```python
        picture = export_map_image(credentials, by_name("city map"), [51, 35, 52, 36], 800, 600)
        ```
    """
    return Request(
        "Export {map} as a picture",
        "{map}export/",
        inputs(map),
        params=[
            ("uuid", map),
            ("bbox", str(bbox)),
            ("width", str(width)),
            ("height", str(height)),
        ],
    )


@creates_asset(AssetKind.FILE, endpoint="POST groupLayers/{uuid}/export/", sdk="GroupLayer.export")
def export_group_layer(
    group_layer: GroupLayerLike,
    filename: str | None = None,
    *,
    out_format: FeatureFormat | Enum = "GPKG",
    out_srid: Srid | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Exports all layers of a group to one file.

    Args:
        group_layer: The group layer.
        filename: The name of the file; by default the server's choice.
        out_format: "GPKG" or another format, as of `export_features`.
        out_srid: The EPSG code of the coordinates; by default the server's choice.

    Example:
        ```python
        file = export_group_layer(credentials, by_name("utilities"), "utilities.gpkg")
        ```
    """
    return Request(
        "Export {group_layer}",
        "{group_layer}export/",
        inputs(group_layer),
        form={
            "out_format": out_format,
            "out_srid": out_srid,
            "out_filename": filename,
            "run_async": True,
        },
        name=filename,
    )
