"""Information about a raster: its frame, its statistics, its value at a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.transform import rowcol
from rasterio.warp import transform, transform_bounds

from prefect_geobox.emulator.geodata.reprojection import WGS84
from prefect_geobox.emulator.raster_tools import grids

if TYPE_CHECKING:
    from prefect_geobox.emulator.state.store import Asset


def info(raster: Asset) -> dict[str, Any]:
    """Its frame and type. The keys of the API are not known; guesses.

    Raises:
        JobError: It cannot be read.
    """
    grid = grids.read(raster)
    frame = grid.frame
    return {
        "width": frame.width,
        "height": frame.height,
        "count": len(grid.bands),
        "dtype": str(grid.bands.dtype),
        "nodata": grid.nodata if grid.nodata is None or np.isfinite(grid.nodata) else "nan",
        "crs": frame.crs.to_string(),
        "resolution": list(frame.cell),
        "extent": list(frame.extent),
        "bounds": list(transform_bounds(frame.crs, WGS84, *frame.extent)),
    }


def statistics(raster: Asset, indexes: list[int]) -> dict[str, dict[str, float | int | None]]:
    """Statistics of its bands.

    That the bands are named `band1` and so on, and have `min` and `max`, is known; the other
    statistics are guesses.

    Args:
        raster: The raster.
        indexes: The bands, counted from 1; all if empty.

    Raises:
        JobError: It cannot be read, or has no such band.
    """
    grid = grids.read(raster)
    found: dict[str, dict[str, float | int | None]] = {}
    for number in indexes or range(1, len(grid.bands) + 1):
        values = grid.band(number)
        known = values[np.isfinite(values)]
        figures = {
            name: float(getattr(known, name)()) if known.size else None
            for name in ("min", "max", "mean", "std")
        }
        found[f"band{number}"] = {**figures, "count": int(known.size)}
    return found


def value_at(raster: Asset, latitude: float, longitude: float) -> float | None:
    """The value of its first band at a position; None if it has none there.

    Raises:
        JobError: It cannot be read.
    """
    grid = grids.read(raster)
    [x], [y], *_ = transform(WGS84, grid.frame.crs, [longitude], [latitude])
    row, column = rowcol(grid.frame.transform, x, y)
    if not (0 <= column < grid.frame.width and 0 <= row < grid.frame.height):
        return None
    value = grid.band(1)[row, column]
    return float(value) if np.isfinite(value) else None
