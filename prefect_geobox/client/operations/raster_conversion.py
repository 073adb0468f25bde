"""Analyses between layers and rasters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import (
    LAYERS,
    LayerLike,
    RasterLike,
    Resource,
    to_input,
)
from prefect_geobox.client.operations._operation import Evidence, LayerOptions, creates_asset
from prefect_geobox.client.operations._raster_request import (
    DataType,
    Resampling,
    optional_raster,
    raster_request,
)
from prefect_geobox.client.operations._request import Request

Connectivity = Literal[4, 8]


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/rasterize/",
    row=28,
    evidence=Evidence.DOCUMENTED,
)
def rasterize(
    layer: LayerLike,
    name: str,
    *,
    pixel_size: float = 10,
    nodata: float | None = -9999,
    data_type: DataType | Any = "int16",
    burn_value: float = 1,
    burn_attribute: str | None = None,
    user_id: int | None = None,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Burns the shapes of a layer or view into a new raster.

    Args:
        layer: The layer or view.
        name: The name of the new raster.
        pixel_size: The size of a cell in map units; above 0.
        nodata: What stands where no shape is.
        data_type: The type of the cells, such as "int16" or "float32".
        burn_value: What stands where a shape is.
        burn_attribute: The field whose value stands there instead.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        raster = rasterize(credentials, layer, "parcel_heights", burn_attribute="height")
        ```
    """
    source = to_input("layer", layer, *LAYERS, is_view=is_view)
    return raster_request(
        "rasterize",
        "Rasterize {layer}",
        {"layer": source},
        name,
        {
            "layer_uuid": source,
            "output_raster_name": name,
            "is_view": source.is_view,
            "pixel_size": checks.number("pixel_size", pixel_size, above=0),
            "nodata": checks.number_or_none("nodata", nodata),
            "data_type": checks.choice("data_type", data_type, DataType),
            "burn_value": checks.number("burn_value", burn_value),
            "burn_attribute": checks.text_or_none("burn_attribute", burn_attribute),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


@creates_asset(
    AssetKind.FILE,
    AssetKind.VECTOR,
    endpoint="POST analysis/polygonize/",
    row=29,
    evidence=Evidence.CONFIRMED,
)
def polygonize(
    raster: RasterLike,
    name: str,
    *,
    publish: bool = False,
    band_index: int = 1,
    value_field: str | None = None,
    mask_nodata: bool = False,
    connectivity: Connectivity | Any = 4,
    keep_values: str | Sequence[float] | None = None,
    layer_name: str | None = None,
    user_id: int | None = None,
    **options: Unpack[LayerOptions],
) -> Request:
    """Draws polygons around the equal cells of a raster.

    Geobox makes a GeoPackage file of them. With `publish` that file is published as a layer, by a
    second remote task.

    Args:
        raster: The raster.
        name: The name of the output.
        publish: Whether to publish the file as a layer of the same name; the file stays.
        band_index: The band; 1 or more.
        value_field: The field for the value of the cells; by default the server's choice.
        mask_nodata: Whether cells without a value are left out.
        connectivity: 4 or 8: whether cells that touch at a corner belong together.
        keep_values: Only cells with these values.
        layer_name: The name of the layer within the file; by default the server's choice.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        layer = polygonize(credentials, raster, "land_cover", publish=True, mask_nodata=True)
        ```
    """
    source = to_input("raster", raster, Resource.RASTER)
    if options.get("temporary") and not checks.flag("publish", publish):
        raise InvalidArgumentError(
            "temporary must be False without publish=True: Geobox has temporary layers and rasters "
            "only"
        )
    kept = keep_values if keep_values is None else _number_list("keep_values", keep_values)
    return raster_request(
        "polygonize",
        "Polygonize {raster}",
        {"raster": source},
        name,
        {
            "raster_uuid": source,
            "output_layer_name": name,
            "band_index": checks.whole("band_index", band_index, 1),
            "value_field": checks.text_or_none("value_field", value_field),
            "mask_nodata": checks.flag("mask_nodata", mask_nodata),
            "connectivity": checks.choice("connectivity", connectivity, Connectivity),
            "keep_values": kept,
            "layer_name": checks.text_or_none("layer_name", layer_name),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
        publish_as=name if checks.flag("publish", publish) else None,
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/clip/",
    row=30,
    evidence=Evidence.CONFIRMED,
)
def clip_raster(
    raster: RasterLike,
    layer: LayerLike,
    name: str,
    *,
    where: str | None = None,
    dst_nodata: float = -9999,
    crop: bool = True,
    resample: Resampling | Any = "near",
    user_id: int | None = None,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Clips a raster by the shapes of a layer or view.

    Args:
        raster: The raster.
        layer: The layer or view.
        name: The name of the new raster.
        where: Which of its features to use, such as `kind = 'forest'`.
        dst_nodata: What stands outside of the shapes.
        crop: Whether the new raster ends where the shapes do.
        resample: How cells are resampled, such as "near" or "bilinear".
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name given as `layer` is that of a view.

    Example:
        ```python
        city = clip_raster(credentials, by_name("heights"), boundary, "heights_of_the_city")
        ```
    """
    source = to_input("raster", raster, Resource.RASTER)
    mask = to_input("layer", layer, *LAYERS, is_view=is_view)
    return raster_request(
        "clip",
        "Clip {raster} by {layer}",
        {"raster": source, "layer": mask},
        name,
        {
            "raster_uuid": source,
            "layer_uuid": mask,
            "output_raster_name": name,
            "is_view": mask.is_view,
            "where": checks.text_or_none("where", where),
            "dst_nodata": checks.number("dst_nodata", dst_nodata),
            "crop": checks.flag("crop", crop),
            "resample": checks.choice("resample", resample, Resampling),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/idw/",
    row=36,
    evidence=Evidence.DOCUMENTED,
)
def interpolate_idw(
    layer: LayerLike,
    name: str,
    z_field: str | Any,
    *,
    match_raster: RasterLike | None = None,
    pixel_size: float = 10,
    extent: str | Iterable[float] | None = None,
    power: float = 2.0,
    smoothing: float = 0.0,
    max_points: int = 16,
    radius: float = 1000,
    nodata: float = -9999,
    out_dtype: DataType | Any = "float32",
    user_id: int | None = None,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Spreads the values of points over a new raster, by the inverse of the distance.

    Args:
        layer: The layer or view of points.
        name: The name of the new raster.
        z_field: The field with the values, or an object that has its name as `name`.
        match_raster: The raster whose grid the new one has.
        pixel_size: The size of a cell in map units; above 0.
        extent: Where to make it: west, south, east, north.
        power: How fast the influence of a point fades; above 0.
        smoothing: How much near points are evened out; 0 or more.
        max_points: How many points count for a cell at most; 1 or more.
        radius: How far away they may be, in map units; above 0.
        nodata: What stands where no point is near enough.
        out_dtype: The type of the cells, such as "int16" or "float32".
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name given as `layer` is that of a view.

    Example:
        ```python
        rain = interpolate_idw(credentials, gauges, "rain", "millimetres", pixel_size=500)
        ```
    """
    source = to_input("layer", layer, *LAYERS, is_view=is_view)
    grid = optional_raster("match_raster", match_raster)
    field = z_field if isinstance(z_field, str) else getattr(z_field, "name", z_field)
    return raster_request(
        "idw",
        "Interpolate {layer}",
        {"layer": source, **({"match_raster": grid} if grid else {})},
        name,
        {
            "layer_uuid": source,
            "output_raster_name": name,
            "z_field": checks.text("z_field", field, "a field"),
            "is_view": source.is_view,
            "match_raster_uuid": grid,
            "pixel_size": checks.number("pixel_size", pixel_size, above=0),
            "extent": checks.box_text_or_none("extent", extent),
            "power": checks.number("power", power, above=0),
            "smoothing": checks.number("smoothing", smoothing, 0),
            "max_points": checks.whole("max_points", max_points, 1),
            "radius": checks.number("radius", radius, above=0),
            "nodata": checks.number("nodata", nodata),
            "out_dtype": checks.choice("out_dtype", out_dtype, DataType),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


def _number_list(field: str, given: str | Sequence[float]) -> str:
    values: Any = given
    if isinstance(given, str):
        try:
            values = json.loads(given)
        except ValueError:
            values = None
    if not isinstance(values, (list, tuple)):
        raise InvalidArgumentError(f"{field} must be a list of numbers; got {given!r}")
    for place, value in enumerate(values):
        checks.number(f"{field}[{place}]", value)
    return given if isinstance(given, str) else json.dumps(list(values))
