"""Analyses of the cells of rasters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.plain_values import plain_tree
from prefect_geobox.client.operations._inputs import Input, RasterLike, Resource, inputs, to_input
from prefect_geobox.client.operations._operation import Evidence, LayerOptions, creates_asset
from prefect_geobox.client.operations._raster_request import (
    DataType,
    Resampling,
    raster_request,
)
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._validation import (
    BBox,
    NonNegativeInt,
    Pair,
    PositiveInt,
    PositiveNumber,
    UserId,
    joined,
    number,
    whole,
)

Bounds = Literal["left", "right", "both", "neither"]


#: A raster, or a raster and the number of one of its bands.
Variable = RasterLike | tuple[RasterLike, int]


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/calculator/",
    sdk="RasterAnalysis.calculator",
    evidence=Evidence.DOCUMENTED,
)
def calculate_raster(
    variables: Mapping[str, Variable] | str,
    expression: str,
    name: str,
    *,
    match_raster: RasterLike | None = None,
    resample: Resampling | Enum = "bilinear",
    out_dtype: DataType | Enum = "float32",
    dst_nodata: float = -9999,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Computes a new raster from the cells of others.

    Args:
        variables: The names in the expression, each with a raster, or with a raster and the number
            of a band; also as JSON with uuids.
        expression: What to compute, such as `(NIR - RED) / (NIR + RED)`.
        name: The name of the new raster.
        match_raster: The raster whose grid the new one has; by default that of the first variable.
        resample: How cells are resampled, such as "near" or "bilinear".
        out_dtype: The type of the cells, such as "int16" or "float32".
        dst_nodata: The value of cells that could not be computed.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        bands = {"NIR": (scene, 4), "RED": (scene, 3)}
        ndvi = calculate_raster(credentials, bands, "(NIR - RED) / (NIR + RED)", "ndvi")
        ```
    """
    given = _variables(variables)
    bands = {ref.field: ref for ref, _ in given.values()}

    def finish(request: Request) -> dict[str, Any]:
        uuid = {ref.field: request.inputs[ref.field].uuid for ref, _ in given.values()}
        known = {
            key: uuid[ref.field] if band is None else [uuid[ref.field], band]
            for key, (ref, band) in given.items()
        }
        return {**(request.form or {}), "variables": json.dumps(known)}

    return raster_request(
        "calculator",
        "Calculate a raster",
        bands | inputs(match_raster),
        name,
        {
            "variables": {
                key: ref if band is None else [ref, band] for key, (ref, band) in given.items()
            },
            "expr": expression,
            "output_raster_name": name,
            "match_raster_uuid": match_raster,
            "resample": resample,
            "out_dtype": out_dtype,
            "dst_nodata": dst_nodata,
            "user_id": user_id,
        },
        finish=finish,
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/reclassify/",
    sdk="RasterAnalysis.reclassify",
    evidence=Evidence.DOCUMENTED,
)
def reclassify_raster(
    raster: RasterLike,
    name: str,
    rules: Mapping[Any, float] | Sequence[Sequence[float]] | str,
    *,
    default_value: float | None = None,
    nodata_in: float | None = -9999,
    nodata_out: float = -9999,
    out_dtype: DataType | Enum = "int16",
    inclusive: Bounds | Enum = "left",
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Gives the cells of a raster other values.

    Args:
        raster: The raster.
        name: The name of the new raster.
        rules: `{old: new, …}` by value, or `[[low, high, new], …]` by range; also as JSON.
        default_value: The value of cells that no rule names; by default the server's choice.
        nodata_in: The value of cells without data in the raster; None for the raster's own.
        nodata_out: The value of cells without data in the new raster.
        out_dtype: The type of the cells, such as "int16" or "float32".
        inclusive: Which ends of a range belong to it: "left", "right", "both" or "neither".
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        classes = [[0, 5, 1], [5, 15, 2], [15, 90, 3]]
        steepness = reclassify_raster(credentials, slope, "steepness", classes)
        ```
    """
    text, mode = _rules(rules)
    return raster_request(
        "reclassify",
        "Reclassify {raster}",
        inputs(raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "rules": text,
            "mode": mode,
            "default_value": default_value,
            "nodata_in": nodata_in,
            "nodata_out": nodata_out,
            "out_dtype": out_dtype,
            "inclusive": inclusive,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/resample/",
    sdk="RasterAnalysis.resample",
    evidence=Evidence.DOCUMENTED,
)
def resample_raster(
    raster: RasterLike,
    name: str,
    *,
    out_res: Pair | None = None,
    scale_factor: PositiveNumber | None = None,
    match_raster: RasterLike | None = None,
    resample_method: Resampling | Enum = "near",
    dst_nodata: float = -9999,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Resamples a raster to other cells. One of three options says to which.

    Args:
        raster: The raster.
        name: The name of the new raster.
        out_res: The size of a cell, x and y.
        scale_factor: How many times finer the cells are; above 0.
        match_raster: The raster whose cells the new one has.
        resample_method: How cells are resampled, such as "near" or "bilinear".
        dst_nodata: The value of cells without data.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        coarse = resample_raster(credentials, raster, "coarse", out_res=(100, 100))
        ```
    """
    if sum(value is not None for value in (out_res, scale_factor, match_raster)) != 1:
        raise InvalidArgumentError(
            "exactly one of out_res, scale_factor and match_raster must be given"
        )
    return raster_request(
        "resample",
        "Resample {raster}",
        inputs(raster, match_raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "out_res": joined(out_res),
            "scale_factor": scale_factor,
            "match_raster_uuid": match_raster,
            "resample_method": resample_method,
            "dst_nodata": dst_nodata,
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/constant/",
    sdk="RasterAnalysis.constant",
    evidence=Evidence.DOCUMENTED,
)
def constant_raster(
    name: str,
    extent: BBox,
    value: float,
    *,
    pixel_size: PositiveNumber = 10,
    dtype: DataType | Enum = "float32",
    nodata: float = -9999,
    align_to: Pair | None = None,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Makes a raster of one value.

    Args:
        name: The name of the new raster.
        extent: The box that it covers: west, south, east, north.
        value: The value of every cell.
        pixel_size: The size of a cell in map units; above 0.
        dtype: The type of the cells, such as "int16" or "float32".
        nodata: The value of cells without data.
        align_to: A corner of the grid that the cells fit into, x and y.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        zero = constant_raster(credentials, "zero", (0, 0, 1000, 1000), 0, pixel_size=50)
        ```
    """
    return raster_request(
        "constant",
        "Make a raster of one value",
        {},
        name,
        {
            "output_raster_name": name,
            "extent": joined(extent),
            "value": value,
            "pixel_size": pixel_size,
            "dtype": dtype,
            "nodata": nodata,
            "align_to": joined(align_to),
            "user_id": user_id,
        },
    )


@creates_asset(
    AssetKind.RASTER,
    endpoint="POST analysis/fill/",
    sdk="RasterAnalysis.fill_nodata",
    evidence=Evidence.DOCUMENTED,
)
def fill_nodata(
    raster: RasterLike,
    name: str,
    *,
    band: PositiveInt | Literal["all"] = 1,
    nodata: float | None = None,
    max_search_dist: PositiveNumber | None = None,
    smoothing_iterations: NonNegativeInt | None = None,
    mask_raster: RasterLike | None = None,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Fills the gaps of a raster from the cells around them.

    Args:
        raster: The raster.
        name: The name of the new raster.
        band: The number of a band, or "all".
        nodata: The value of the gaps; by default the raster's own value for no data.
        max_search_dist: How many cells away values may be; above 0.
        smoothing_iterations: How often the result is smoothed; 0 or more.
        mask_raster: A raster that is 0 where gaps are.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        whole = fill_nodata(credentials, by_name("heights"), "heights_filled")
        ```
    """
    return raster_request(
        "fill",
        "Fill the gaps of {raster}",
        inputs(raster, mask_raster),
        name,
        {
            "raster_uuid": raster,
            "output_raster_name": name,
            "band": band,
            "nodata": nodata,
            "max_search_dist": max_search_dist,
            "smoothing_iterations": smoothing_iterations,
            "mask_raster_uuid": mask_raster,
            "user_id": user_id,
        },
    )


def _variables(given: Mapping[str, Variable] | str) -> dict[str, tuple[Input, int | None]]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise InvalidArgumentError(f"variables must be JSON; got {given!r}") from None
    if not isinstance(given, Mapping) or not given:
        raise InvalidArgumentError(
            f"variables must give a raster for each name, as {{'NIR': raster}}; got {given!r}"
        )
    found: dict[str, tuple[Input, int | None]] = {}
    for name, value in given.items():
        field = f"variables[{name!r}]"
        if not isinstance(name, str) or not name.isidentifier():
            raise InvalidArgumentError(f"{field} is not a name that an expression can use")
        if not isinstance(value, (tuple, list)):
            found[name] = to_input(field, value, Resource.RASTER), None
        elif len(value) == 2:
            band = whole(f"{field}[1]", value[1], 1)
            found[name] = to_input(field, value[0], Resource.RASTER), band
        else:
            raise InvalidArgumentError(f"{field} must be a raster, or a raster and a band")
    return found


def _rules(given: Mapping[Any, float] | Sequence[Sequence[float]] | str) -> tuple[str, str]:
    rules: Any = plain_tree(given)
    if isinstance(given, str):
        try:
            rules = json.loads(given)
        except ValueError:
            raise InvalidArgumentError(f"rules must be JSON; got {given!r}") from None
    if isinstance(rules, Mapping) and rules:
        for old, new in rules.items():
            number(f"rules[{old!r}]", new)
        mode = "exact"
    elif isinstance(rules, (list, tuple)) and rules:
        for place, rule in enumerate(rules):
            if not isinstance(rule, (list, tuple)) or len(rule) != 3:
                raise InvalidArgumentError(
                    f"rules[{place}] must be low, high and the new value; got {rule!r}"
                )
            for part, value in zip(("low", "high", "new"), rule, strict=True):
                number(f"rules[{place}].{part}", value)
        mode = "range"
    else:
        raise InvalidArgumentError(
            f"rules must be {{old: new, …}} or [[low, high, new], …]; got {given!r}"
        )
    return given if isinstance(given, str) else json.dumps(rules), mode
