"""Analyses between layers and rasters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Protocol

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.plain_values import plain_items
from prefect_geobox.client.operations._inputs import (
    LayerLike,
    RasterLike,
    inputs,
)
from prefect_geobox.client.operations._operation import Evidence, LayerOptions, creates_asset
from prefect_geobox.client.operations._raster_request import (
    DataType,
    Resampling,
    raster_request,
)
from prefect_geobox.client.operations._request import IsView, Request
from prefect_geobox.client.operations._validation import (
    BBox,
    NonNegativeNumber,
    PositiveInt,
    PositiveNumber,
    UserId,
    joined,
    number,
    text,
)

Connectivity = Literal[4, 8]


class HasName(Protocol):
    """A field of a layer, such as an object of the official SDK."""

    @property
    def name(self) -> Any:
        """Its name, a text."""


def field_name(field: str, value: Any) -> str:
    """The name of a field, given so or as an object that has it as its `name`."""
    name = value if isinstance(value, str) else getattr(value, "name", value)
    return text(field, name, "a field")


def number_list(field: str, value: Any) -> str:
    """Numbers as JSON; given so or as a list."""
    values = plain_items(value)
    if isinstance(value, str):
        try:
            values = json.loads(value)
        except ValueError:
            values = None
    if not isinstance(values, list):
        raise InvalidArgumentError(f"{field} must be a list of numbers; got {value!r}")
    for place, each in enumerate(values):
        number(f"{field}[{place}]", each)
    return value if isinstance(value, str) else json.dumps(values)


#: A field, by its name or as an object with that name.
FieldLike = Annotated[str | HasName, field_name]

#: Numbers, also as JSON; reaches an operation as JSON.
NumberList = Annotated[str | Sequence[float], number_list]


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/rasterize/",
    sdk="RasterAnalysis.rasterize",
    evidence=Evidence.DOCUMENTED,
)
def rasterize(
    layer: LayerLike,
    name: str,
    *,
    pixel_size: PositiveNumber = 10,
    nodata: float | None = -9999,
    data_type: DataType | Enum = "int16",
    burn_value: float = 1,
    burn_attribute: str | None = None,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Burns the shapes of a layer or view into a new raster.

    Args:
        layer: The layer or view.
        name: The name of the new raster.
        pixel_size: The size of a cell in map units; above 0.
        nodata: The value of cells outside of the shapes.
        data_type: The type of the cells, such as "int16" or "float32".
        burn_value: The value of cells in a shape.
        burn_attribute: The field whose value they get instead.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        raster = rasterize(credentials, layer, "parcel_heights", burn_attribute="height")
        ```
    """
    return raster_request(
        "rasterize",
        "Rasterize {layer}",
        inputs(layer, is_view=is_view),
        name,
        {
            "layer_uuid": layer,
            "output_raster_name": name,
            "is_view": IsView("layer"),
            "pixel_size": pixel_size,
            "nodata": nodata,
            "data_type": data_type,
            "burn_value": burn_value,
            "burn_attribute": burn_attribute,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.FILE,
    AssetKind.VECTOR,
    endpoint="POST analysis/polygonize/",
    sdk="RasterAnalysis.polygonize",
    evidence=Evidence.CONFIRMED,
)
def polygonize(
    raster: RasterLike,
    name: str,
    *,
    publish: bool = False,
    band_index: PositiveInt = 1,
    value_field: str | None = None,
    mask_nodata: bool = False,
    connectivity: Connectivity | Enum = 4,
    keep_values: NumberList | None = None,
    layer_name: str | None = None,
    user_id: UserId | None = None,
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
    if options.get("temporary") and not publish:
        raise InvalidArgumentError(
            "temporary must be False without publish=True: Geobox has temporary layers and rasters "
            "only"
        )
    return raster_request(
        "polygonize",
        "Polygonize {raster}",
        inputs(raster),
        name,
        {
            "raster_uuid": raster,
            "output_layer_name": name,
            "band_index": band_index,
            "value_field": value_field,
            "mask_nodata": mask_nodata,
            "connectivity": connectivity,
            "keep_values": keep_values,
            "layer_name": layer_name,
            "user_id": user_id,
        },
        publish_as=name if publish else None,
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/clip/",
    sdk="RasterAnalysis.clip",
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
    resample: Resampling | Enum = "near",
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Clips a raster by the shapes of a layer or view.

    Args:
        raster: The raster.
        layer: The layer or view.
        name: The name of the new raster.
        where: Which of its features to use, such as `kind = 'forest'`.
        dst_nodata: The value of cells outside of the shapes.
        crop: Whether the new raster ends where the shapes do.
        resample: How cells are resampled, such as "near" or "bilinear".
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name given as `layer` is that of a view.

    Example:
        ```python
        city = clip_raster(credentials, by_name("heights"), boundary, "heights_of_the_city")
        ```
    """
    return raster_request(
        "clip",
        "Clip {raster} by {layer}",
        inputs(raster, layer, is_view=is_view),
        name,
        {
            "raster_uuid": raster,
            "layer_uuid": layer,
            "output_raster_name": name,
            "is_view": IsView("layer"),
            "where": where,
            "dst_nodata": dst_nodata,
            "crop": crop,
            "resample": resample,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/idw/",
    sdk="RasterAnalysis.idw_interpolation",
    evidence=Evidence.DOCUMENTED,
)
def interpolate_idw(
    layer: LayerLike,
    name: str,
    z_field: FieldLike,
    *,
    match_raster: RasterLike | None = None,
    pixel_size: PositiveNumber = 10,
    extent: BBox | None = None,
    power: PositiveNumber = 2.0,
    smoothing: NonNegativeNumber = 0.0,
    max_points: PositiveInt = 16,
    radius: PositiveNumber = 1000,
    nodata: float = -9999,
    out_dtype: DataType | Enum = "float32",
    user_id: UserId | None = None,
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
        extent: The box that it covers: west, south, east, north.
        power: How fast the influence of a point fades; above 0.
        smoothing: How much near points are evened out; 0 or more.
        max_points: How many points count for a cell at most; 1 or more.
        radius: How far away they may be, in map units; above 0.
        nodata: The value of cells that no point is near enough to.
        out_dtype: The type of the cells, such as "int16" or "float32".
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name given as `layer` is that of a view.

    Example:
        ```python
        rain = interpolate_idw(credentials, gauges, "rain", "millimetres", pixel_size=500)
        ```
    """
    return raster_request(
        "idw",
        "Interpolate {layer}",
        inputs(layer, match_raster, is_view=is_view),
        name,
        {
            "layer_uuid": layer,
            "output_raster_name": name,
            "z_field": z_field,
            "is_view": IsView("layer"),
            "match_raster_uuid": match_raster,
            "pixel_size": pixel_size,
            "extent": joined(extent),
            "power": power,
            "smoothing": smoothing,
            "max_points": max_points,
            "radius": radius,
            "nodata": nodata,
            "out_dtype": out_dtype,
            "user_id": user_id,
        },
    )
