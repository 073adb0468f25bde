"""Slope and aspect of an elevation model, and distances to the nearest cell with a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.raster_tools import grids

if TYPE_CHECKING:
    from prefect_geobox.emulator.raster_tools.grids import Array, Grid
    from prefect_geobox.emulator.state.store import Asset

# The weights of the neighbours at the sides and at the corners of a cell.
_WEIGHTS = {"Horn": (2.0, 1.0), "ZevenbergenThorne": (1.0, 0.0)}
# The limit of the search for the nearest cell, which then takes a few seconds.
_MOST_STEPS = 2_000_000_000


def slope(
    *,
    raster: Asset,
    slope_units: str,
    algorithm: str,
    scale: float,
    compute_edges: bool,
    nodata_out: float,
) -> Grid:
    """The steepness of each cell, in degrees or per cent."""
    grid = grids.read(raster)
    east, north = _gradient(grid, algorithm, compute_edges=compute_edges)
    steepness = np.hypot(east, north) / scale
    values = np.degrees(np.arctan(steepness)) if slope_units == "degree" else 100 * steepness
    return grids.to_grid([values], grid.frame, "float32", nodata_out)


def aspect(
    *,
    raster: Asset,
    algorithm: str,
    trigonometric: bool,
    zero_for_flat: bool,
    compute_edges: bool,
    nodata_out: float,
) -> Grid:
    """The downhill direction of each cell, in degrees."""
    grid = grids.read(raster)
    east, north = _gradient(grid, algorithm, compute_edges=compute_edges)
    # Counter-clockwise from the east; downhill is opposite to the gradient.
    facing = np.degrees(np.arctan2(-north, -east))
    values = np.mod(facing if trigonometric else 90 - facing, 360)
    values[(east == 0) & (north == 0)] = 0 if zero_for_flat else np.nan
    return grids.to_grid([values], grid.frame, "float32", nodata_out)


def proximity(*, raster: Asset, dist_units: str, burn_value: float, nodata: float) -> Grid:
    """The distance from the centre of each cell to that of the nearest cell with a value.

    It is exact, while that of GDAL is an approximation.
    """
    grid = grids.read(raster)
    if grid.frame.width**2 * grid.frame.height > _MOST_STEPS:
        reason = "the raster is too large for the emulator's search for the nearest cell"
        raise JobError(reason, "geobox.RasterTooLargeError")
    is_target = grid.band(1) == burn_value
    width, height = grid.frame.cell if dist_units == "GEO" else (1.0, 1.0)
    squared = _column_distances(is_target, height) ** 2
    columns = np.arange(grid.frame.width) * width
    across = (columns[:, None] - columns[None, :]) ** 2
    # For each row: the nearest target over all columns, from the nearest in each column.
    distances = np.sqrt(np.stack([(across + row).min(axis=1) for row in squared]))
    return grids.to_grid([distances], grid.frame, "float32", nodata)


def _gradient(grid: Grid, algorithm: str, *, compute_edges: bool) -> tuple[Array, Array]:
    """The rise of the ground to the east and to the north, NaN where it is unknown."""
    heights = grid.band(1)
    if min(heights.shape) < 2:
        reason = "the raster has fewer than two rows or columns"
        raise JobError(reason, "geobox.InvalidRasterError")
    # Beyond the edge the slope is extrapolated, as GDAL does.
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


def _column_distances(is_target: Array, step: float) -> Array:
    """The distance from each cell to the nearest target in its column; inf if there is none."""
    distances = np.where(is_target, 0.0, np.inf)
    for row in range(1, len(distances)):
        distances[row] = np.minimum(distances[row], distances[row - 1] + step)
    for row in range(len(distances) - 2, -1, -1):
        distances[row] = np.minimum(distances[row], distances[row + 1] + step)
    return distances
