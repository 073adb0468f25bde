"""Analyses of elevation models and distances."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import RasterLike, Resource, to_input
from prefect_geobox.client.operations._operation import Evidence, LayerOptions, creates_asset
from prefect_geobox.client.operations._raster_request import raster_request
from prefect_geobox.client.operations._request import Request

Algorithm = Literal["Horn", "ZevenbergenThorne"]


SlopeUnits = Literal["degree", "percent"]


DistanceUnits = Literal["GEO", "PIXEL"]


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/slope/",
    row=32,
    evidence=Evidence.DOCUMENTED,
)
def raster_slope(
    raster: RasterLike,
    name: str,
    *,
    slope_units: SlopeUnits | Any = "degree",
    algorithm: Algorithm | Any = "Horn",
    scale: float = 1,
    compute_edges: bool = True,
    nodata_out: float = -9999,
    user_id: int | None = None,
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
        nodata_out: What stands where nothing could be computed.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        steep = raster_slope(credentials, by_name("heights"), "slope", slope_units="percent")
        ```
    """
    source = to_input("raster", raster, Resource.RASTER)
    return raster_request(
        "slope",
        "Compute the slope of {raster}",
        {"raster": source},
        name,
        {
            "raster_uuid": source,
            "output_raster_name": name,
            "slope_units": checks.choice("slope_units", slope_units, SlopeUnits),
            "algorithm": checks.choice("algorithm", algorithm, Algorithm),
            "scale": checks.number("scale", scale, above=0),
            "compute_edges": checks.flag("compute_edges", compute_edges),
            "nodata_out": checks.number("nodata_out", nodata_out),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/aspect/",
    row=33,
    evidence=Evidence.DOCUMENTED,
)
def raster_aspect(
    raster: RasterLike,
    name: str,
    *,
    algorithm: Algorithm | Any = "Horn",
    trigonometric: bool = False,
    zero_for_flat: bool = True,
    compute_edges: bool = True,
    nodata_out: float = -9999,
    user_id: int | None = None,
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
        nodata_out: What stands where nothing could be computed.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        aspect = raster_aspect(credentials, by_name("heights"), "aspect")
        ```
    """
    source = to_input("raster", raster, Resource.RASTER)
    return raster_request(
        "aspect",
        "Compute the aspect of {raster}",
        {"raster": source},
        name,
        {
            "raster_uuid": source,
            "output_raster_name": name,
            "algorithm": checks.choice("algorithm", algorithm, Algorithm),
            "trigonometric": checks.flag("trigonometric", trigonometric),
            "zero_for_flat": checks.flag("zero_for_flat", zero_for_flat),
            "compute_edges": checks.flag("compute_edges", compute_edges),
            "nodata_out": checks.number("nodata_out", nodata_out),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/proximity/",
    row=39,
    evidence=Evidence.DOCUMENTED,
)
def raster_proximity(
    raster: RasterLike,
    name: str,
    *,
    dist_units: DistanceUnits | Any = "GEO",
    burn_value: float = 1,
    nodata: float = -9999,
    user_id: int | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Computes how far each cell is from the nearest target.

    Args:
        raster: The raster with the targets.
        name: The name of the new raster.
        dist_units: "GEO" for map units, "PIXEL" for cells.
        burn_value: The value of the cells that are targets.
        nodata: What stands for no value.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        distance = raster_proximity(credentials, by_name("roads_raster"), "to_the_road")
        ```
    """
    source = to_input("raster", raster, Resource.RASTER)
    return raster_request(
        "proximity",
        "Compute the distances to {raster}",
        {"raster": source},
        name,
        {
            "raster_uuid": source,
            "output_raster_name": name,
            "dist_units": checks.choice("dist_units", dist_units, DistanceUnits),
            "burn_value": checks.number("burn_value", burn_value),
            "nodata": checks.number("nodata", nodata),
            "user_id": checks.whole_or_none("user_id", user_id, 0),
        },
    )
