"""Analyses that compute cell values: calculator, reclassify, resample, constant, fill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rasterio.fill import fillnodata

from prefect_geobox.emulator.raster_tools import grids

if TYPE_CHECKING:
    from prefect_geobox.emulator.raster_tools.expressions import Expression
    from prefect_geobox.emulator.raster_tools.grids import Extent, Grid
    from prefect_geobox.emulator.raster_tools.parameters import Rules
    from prefect_geobox.emulator.state.store import Asset

# The default search distance of GDAL.
_FILL_DISTANCE = 100.0
_NODATA = -9999.0
_LEFT_CLOSED = ("left", "both")
_RIGHT_CLOSED = ("right", "both")


def calculator(
    *,
    variables: dict[str, tuple[Asset, int]],
    expr: Expression,
    match_raster: Asset | None,
    resample: str,
    out_dtype: str,
    dst_nodata: float,
) -> Grid:
    """The value of an expression in each cell; no value where any variable has none."""
    read = {name: (grids.read(raster), band) for name, (raster, band) in variables.items()}
    first = next(iter(read.values()))[0]
    frame = first.frame if match_raster is None else grids.read(match_raster).frame
    values = {
        name: grids.aligned_band(grid, band, frame, resample) for name, (grid, band) in read.items()
    }
    result = expr.evaluate(values, frame.shape)
    unknown = np.any([np.isnan(values[name]) for name in values], axis=0)
    return grids.to_grid([np.where(unknown, np.nan, result)], frame, out_dtype, dst_nodata)


def reclassify(
    *,
    raster: Asset,
    rules: Rules,
    mode: str,
    default_value: float | None,
    nodata_in: float | None,
    nodata_out: float,
    out_dtype: str,
    inclusive: str,
) -> Grid:
    """New values for values or ranges of values; the first matching rule is used."""
    grid = grids.read(raster)
    old = grid.band(1)
    if nodata_in is not None:
        old[old == nodata_in] = np.nan
    # A value without a rule gets the default or, a guess, no value.
    new = np.full(old.shape, np.nan if default_value is None else default_value)
    new[np.isnan(old)] = np.nan
    for low, high, value in reversed(rules):
        if mode == "exact":
            found = old == low
        else:
            above = old >= low if inclusive in _LEFT_CLOSED else old > low
            found = above & (old <= high if inclusive in _RIGHT_CLOSED else old < high)
        new[found] = value
    return grids.to_grid([new], grid.frame, out_dtype, nodata_out)


def resample(
    *,
    raster: Asset,
    out_res: tuple[float, float] | None,
    scale_factor: float | None,
    match_raster: Asset | None,
    resample_method: str,
    dst_nodata: float,
) -> Grid:
    """The raster with cells of a given size, scaled by a factor, or those of another raster."""
    grid = grids.read(raster)
    if out_res is not None:
        west, _, _, north = extent = grid.frame.extent
        # As GDAL counts: one more cell if at least half of it is covered.
        width = max(1, math.floor((extent[2] - west) / out_res[0] + 0.5))
        height = max(1, math.floor((north - extent[1]) / out_res[1] + 0.5))
        covered = (west, north - height * out_res[1], west + width * out_res[0], north)
        frame = grids.frame_of(covered, out_res, grid.frame.crs)
    elif scale_factor is not None:
        width, height = (max(1, round(n * scale_factor)) for n in grid.frame.shape[::-1])
        frame = grids.scaled(grid.frame, width, height)
    else:
        assert match_raster is not None  # noqa: S101
        frame = grids.read(match_raster).frame
    numbers = range(1, len(grid.bands) + 1)
    bands = [grids.aligned_band(grid, number, frame, resample_method) for number in numbers]
    return grids.to_grid(
        bands, frame, grids.type_for_nodata(grid.bands.dtype, dst_nodata), dst_nodata
    )


def constant(
    *,
    extent: Extent,
    value: float,
    pixel_size: float,
    dtype: str,
    nodata: float,
    align_to: tuple[float, float] | None,
) -> Grid:
    """A raster of one value, in EPSG:3857; a guess, because no parameter names a system."""
    if align_to is not None:
        # Outwards, so that the extent stays covered.
        x, y = align_to
        west, south = (
            origin + math.floor((edge - origin) / pixel_size) * pixel_size
            for origin, edge in ((x, extent[0]), (y, extent[1]))
        )
        east, north = (
            origin + math.ceil((edge - origin) / pixel_size) * pixel_size
            for origin, edge in ((x, extent[2]), (y, extent[3]))
        )
        extent = (west, south, east, north)
    frame = grids.frame_of(extent, (pixel_size, pixel_size))
    return grids.to_grid([np.full(frame.shape, value)], frame, dtype, nodata)


def fill(
    *,
    raster: Asset,
    band: int | None,
    nodata: float | None,
    max_search_dist: float | None,
    smoothing_iterations: int | None,
    mask_raster: Asset | None,
) -> Grid:
    """Fills cells without a value from the cells around, in one band or, if None, in all."""
    grid = grids.read(raster)
    if nodata is not None:
        grid = grids.Grid(grid.bands, grid.frame, nodata)
    numbers = range(1, len(grid.bands) + 1) if band is None else [band]
    filled = []
    for number in numbers:
        values = grid.band(number)
        known = ~np.isnan(values)
        if mask_raster is not None:
            known &= grids.aligned_band(grids.read(mask_raster), 1, grid.frame, "near") > 0
        around = fillnodata(
            np.where(known, values, 0).astype("float32"),
            mask=known.astype("uint8"),
            max_search_distance=max_search_dist or _FILL_DISTANCE,
            smoothing_iterations=smoothing_iterations or 0,
        )
        # Cells beyond the search distance still have no value.
        reached = fillnodata(
            known.astype("float32"),
            mask=known.astype("uint8"),
            max_search_distance=max_search_dist or _FILL_DISTANCE,
        )
        filled.append(np.where(known, values, np.where(reached > 0, around, np.nan)))
    dtype, nodata = grid.bands.dtype, grid.nodata
    if nodata is not None:
        return grids.to_grid(filled, grid.frame, str(dtype), nodata)
    if np.isfinite(filled).all():
        return grids.Grid(np.stack(filled).astype(dtype), grid.frame, None)
    # Cells that the mask left out need a nodata value.
    return grids.to_grid(filled, grid.frame, grids.type_for_nodata(dtype, _NODATA), _NODATA)
