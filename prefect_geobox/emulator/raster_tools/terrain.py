"""Slope and aspect of an elevation model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_geobox.emulator.geodata.optional_libraries import JobFailed
from prefect_geobox.emulator.raster_tools import grids

if TYPE_CHECKING:
    from prefect_geobox.emulator.raster_tools.grids import Array, Grid
    from prefect_geobox.emulator.state.store import Asset

# The weights of the neighbours beside the cell and at its corners, in either direction.
_WEIGHTS = {"Horn": (2.0, 1.0), "ZevenbergenThorne": (1.0, 0.0)}


def slope(
    *,
    raster: Asset,
    slope_units: str,
    algorithm: str,
    scale: float,
    compute_edges: bool,
    nodata_out: float,
) -> Grid:
    """How steep each cell is, in degrees or per cent."""
    grid = grids.read(raster)
    east, north = _gradient(grid, algorithm, compute_edges=compute_edges)
    steepness = np.hypot(east, north) / scale
    values = np.degrees(np.arctan(steepness)) if slope_units == "degree" else 100 * steepness
    return grids.made([values], grid.frame, "float32", nodata_out)


def aspect(
    *,
    raster: Asset,
    algorithm: str,
    trigonometric: bool,
    zero_for_flat: bool,
    compute_edges: bool,
    nodata_out: float,
) -> Grid:
    """Which way each cell faces: downhill, in degrees."""
    grid = grids.read(raster)
    east, north = _gradient(grid, algorithm, compute_edges=compute_edges)
    # Counter-clockwise from the east; downhill is where the gradient does not point.
    facing = np.degrees(np.arctan2(-north, -east))
    values = np.mod(facing if trigonometric else 90 - facing, 360)
    values[(east == 0) & (north == 0)] = 0 if zero_for_flat else np.nan
    return grids.made([values], grid.frame, "float32", nodata_out)


def _gradient(grid: Grid, algorithm: str, *, compute_edges: bool) -> tuple[Array, Array]:
    """How much the ground rises to the east and to the north, NaN where that is unknown."""
    heights = grid.band(1)
    if min(heights.shape) < 2:
        reason = "the raster has fewer than two rows or columns"
        raise JobFailed(reason, "geobox.InvalidRasterError")
    # Beyond the edge the ground goes on as it came, which is GDAL's way too.
    padded = np.pad(heights, 1, mode="reflect", reflect_type="odd")
    rows, columns = heights.shape

    def neighbour(down: int, right: int) -> Array:
        found = padded[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        # A neighbour without a value counts as level with the cell.
        return np.where(np.isnan(found), heights, found) if compute_edges else found

    beside, corner = _WEIGHTS[algorithm]
    weights = {-1: corner, 0: beside, 1: corner}
    total = 2 * sum(weights.values())
    width, height = grid.frame.cell
    rises_east = sum(w * (neighbour(k, 1) - neighbour(k, -1)) for k, w in weights.items() if w)
    rises_north = sum(w * (neighbour(-1, k) - neighbour(1, k)) for k, w in weights.items() if w)
    east: Array = np.asarray(rises_east) / (total * width)
    north: Array = np.asarray(rises_north) / (total * height)
    unknown = np.isnan(heights)
    if not compute_edges:
        unknown |= np.isnan(_window_sum(padded, rows, columns))
        unknown[[0, -1], :] = True
        unknown[:, [0, -1]] = True
    east[unknown] = north[unknown] = np.nan
    return east, north


def _window_sum(padded: Array, rows: int, columns: int) -> Array:
    windows = (padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    return np.asarray(sum(windows))
