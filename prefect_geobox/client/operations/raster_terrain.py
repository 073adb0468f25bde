"""Analyses of elevation models and distances."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.operations._inputs import RasterLike, inputs
from prefect_geobox.client.operations._operation import Evidence, LayerOptions, creates_asset
from prefect_geobox.client.operations._raster_request import raster_request
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._validation import PositiveNumber, UserId

Algorithm = Literal["Horn", "ZevenbergenThorne"]


SlopeUnits = Literal["degree", "percent"]


DistanceUnits = Literal["GEO", "PIXEL"]


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/slope/",
    sdk="RasterAnalysis.slope",
    evidence=Evidence.DOCUMENTED,
)
def raster_slope(
    raster: RasterLike,
    name: str,
    *,
    slope_units: SlopeUnits | Enum = "degree",
    algorithm: Algorithm | Enum = "Horn",
    scale: PositiveNumber = 1,
    compute_edges: bool = True,
    nodata_out: float = -9999,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Computes the slope of an elevation model.

    Args:
        raster: The elevation model.
        name: The name of the new raster.
        slope_units: "degree" or "percent".
        algorithm: "Horn" or "ZevenbergenThorne".
        scale: How many horizontal units a vertical one is; above 0.
        compute_edges: Whether cells at the edge get a value.
        nodata_out: The value of cells that could not be computed.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        steep = raster_slope(credentials, by_name("heights"), "slope", slope_units="percent")
        ```
    """
    return raster_request(
        "slope",
        "Compute the slope of {raster}",
        inputs(raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "slope_units": slope_units,
            "algorithm": algorithm,
            "scale": scale,
            "compute_edges": compute_edges,
            "nodata_out": nodata_out,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/aspect/",
    sdk="RasterAnalysis.aspect",
    evidence=Evidence.DOCUMENTED,
)
def raster_aspect(
    raster: RasterLike,
    name: str,
    *,
    algorithm: Algorithm | Enum = "Horn",
    trigonometric: bool = False,
    zero_for_flat: bool = True,
    compute_edges: bool = True,
    nodata_out: float = -9999,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Computes which way the slopes of an elevation model face, in degrees.

    Args:
        raster: The elevation model.
        name: The name of the new raster.
        algorithm: "Horn" or "ZevenbergenThorne".
        trigonometric: Whether 0 is east and angles run counter-clockwise; else 0 is north and they
            run clockwise.
        zero_for_flat: Whether flat cells are 0; else they have no value.
        compute_edges: Whether cells at the edge get a value.
        nodata_out: The value of cells that could not be computed.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        aspect = raster_aspect(credentials, by_name("heights"), "aspect")
        ```
    """
    return raster_request(
        "aspect",
        "Compute the aspect of {raster}",
        inputs(raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "algorithm": algorithm,
            "trigonometric": trigonometric,
            "zero_for_flat": zero_for_flat,
            "compute_edges": compute_edges,
            "nodata_out": nodata_out,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/proximity/",
    sdk="RasterAnalysis.proximity",
    evidence=Evidence.DOCUMENTED,
)
def raster_proximity(
    raster: RasterLike,
    name: str,
    *,
    dist_units: DistanceUnits | Enum = "GEO",
    burn_value: float = 1,
    nodata: float = -9999,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Computes how far each cell is from the nearest target.

    Args:
        raster: The raster with the targets.
        name: The name of the new raster.
        dist_units: "GEO" for map units, "PIXEL" for cells.
        burn_value: The value of the cells that are targets.
        nodata: The value of cells without data.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        distance = raster_proximity(credentials, by_name("roads_raster"), "to_the_road")
        ```
    """
    return raster_request(
        "proximity",
        "Compute the distances to {raster}",
        inputs(raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "dist_units": dist_units,
            "burn_value": burn_value,
            "nodata": nodata,
            "user_id": user_id,
        },
    )
