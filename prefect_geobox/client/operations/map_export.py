"""Exports of maps and of groups of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import AssetLike, Resource, to_input
from prefect_geobox.client.operations._operation import creates_asset
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations.vector_export import FeatureFormat
from prefect_geobox.client.polling.policy import WaitOptions


@creates_asset(AssetKind.FILE, endpoint="POST maps/{uuid}/export/", row=15)
def export_map_image(
    map: AssetLike,  # noqa: A002 - it is a map
    bbox: str | Iterable[float],
    width: int,
    height: int,
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
    target = to_input("map", map, Resource.MAP)
    return Request(
        "Export {map} as a picture",
        "{map}export/",
        {"map": target},
        params=[
            ("uuid", target),
            ("bbox", str(checks.box("bbox", bbox))),
            ("width", str(checks.whole("width", width, 10, 10_000))),
            ("height", str(checks.whole("height", height, 10, 10_000))),
        ],
    )


@creates_asset(AssetKind.FILE, endpoint="POST groupLayers/{uuid}/export/", row=19)
def export_group_layer(
    group_layer: AssetLike,
    filename: str | None = None,
    *,
    out_format: FeatureFormat | Any = "GPKG",
    out_srid: int | None = None,
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
        {"group_layer": to_input("group_layer", group_layer, Resource.GROUP_LAYER)},
        form={
            "out_format": checks.choice("out_format", out_format, FeatureFormat),
            "out_srid": checks.srid_or_none("out_srid", out_srid),
            "out_filename": checks.text_or_none("filename", filename),
            "run_async": True,
        },
        name=filename,
    )
