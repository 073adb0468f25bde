"""Rasters in memory: read from GeoTIFF, aligned to another grid, written as GeoTIFF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import array_bounds, from_origin
from rasterio.warp import reproject, transform_geom

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import WEB_MERCATOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prefect_geobox.emulator.state.store import Asset

    Array = NDArray[Any]

Extent = tuple[float, float, float, float]

# Pixels of 10 metres are the default; a raster of a country would have too many.
_MOST_CELLS = 16_000_000
# The names of the API that differ from those of rasterio.
_METHODS = {"near": "nearest", "cubicspline": "cubic_spline"}


@dataclass(frozen=True)
class Frame:
    """The position and size of a raster's cells.

    Attributes:
        transform: From column and row to coordinates.
        width: Columns.
        height: Rows.
        crs: The reference system.
    """

    transform: Any
    width: int
    height: int
    crs: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell."""
        return abs(self.transform.a), abs(self.transform.e)

    @property
    def extent(self) -> Extent:
        """West, south, east and north."""
        west, south, east, north = array_bounds(*self.shape, self.transform)
        return west, south, east, north

    def part(self, down: int, right: int, height: int, width: int) -> Frame:
        """The frame of a part of the rows and columns."""
        t = self.transform
        west, north = t.a * right + t.b * down + t.c, t.d * right + t.e * down + t.f
        return Frame(Affine(t.a, t.b, west, t.d, t.e, north), width, height, self.crs)

    def cell_centres(self) -> Array:
        """The coordinates of the centre of each cell, row by row."""
        right, down = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        t = self.transform
        east, north = t.a * right + t.b * down + t.c, t.d * right + t.e * down + t.f
        return np.column_stack([east.ravel(), north.ravel()])


@dataclass(frozen=True)
class Grid:
    """A raster.

    Attributes:
        bands: The values: bands, rows, columns.
        frame: Their position.
        nodata: The value of cells without a value; None if every cell has one.
    """

    bands: Array
    frame: Frame
    nodata: float | None

    def band(self, number: int) -> Array:
        """A band, counted from 1, as float64 with NaN where it has no value.

        Raises:
            JobError: There is no such band.
        """
        if not 1 <= number <= len(self.bands):
            reason = f"the raster has no band {number}, but {len(self.bands)}"
            raise JobError(reason, "geobox.InvalidParameterError")
        values: Array = self.bands[number - 1].astype("float64")
        if self.nodata is not None:
            values[self.bands[number - 1] == self.nodata] = np.nan
        return values


def read(raster: Asset) -> Grid:
    """Reads a raster asset.

    Raises:
        JobError: It cannot be read.
    """
    try:
        with MemoryFile(raster.content) as memory, memory.open() as source:
            # A guess: a raster without a reference system is in that of the layers.
            crs = source.crs or CRS.from_string(WEB_MERCATOR)
            frame = Frame(source.transform, source.width, source.height, crs)
            _check_size(frame)
            return Grid(source.read(), frame, source.nodata)
    except (RasterioError, CRSError, ValueError) as error:
        reason = f"the raster {raster.name} cannot be read: {type(error).__name__}"
        raise JobError(reason, "geobox.InvalidRasterError") from None


def write(grid: Grid) -> bytes:
    """A grid as GeoTIFF."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=len(grid.bands),
            width=grid.frame.width,
            height=grid.frame.height,
            dtype=grid.bands.dtype,
            transform=grid.frame.transform,
            crs=grid.frame.crs,
            nodata=grid.nodata,
            compress="deflate",
        ) as target:
            target.write(grid.bands)
        return bytes(memory.read())


def frame_of(extent: Extent, cell: tuple[float, float], crs: Any = WEB_MERCATOR) -> Frame:
    """A frame with its origin in the north west, large enough to cover an extent.

    Raises:
        JobError: It would have too many cells.
    """
    west, south, east, north = extent
    # A rounding error must not add a further cell.
    width = max(1, math.ceil((east - west) / cell[0] - 1e-9))
    height = max(1, math.ceil((north - south) / cell[1] - 1e-9))
    system = CRS.from_user_input(crs)
    frame = Frame(from_origin(west, north, *cell), width, height, system)
    _check_size(frame)
    return frame


def scaled(frame: Frame, width: int, height: int) -> Frame:
    """A frame of the same extent with other numbers of cells.

    Raises:
        JobError: It would have too many cells.
    """
    t, x, y = frame.transform, frame.width / width, frame.height / height
    finer = Frame(Affine(t.a * x, t.b * y, t.c, t.d * x, t.e * y, t.f), width, height, frame.crs)
    _check_size(finer)
    return finer


def aligned_band(grid: Grid, number: int, frame: Frame, method: str) -> Array:
    """A band resampled to a frame, as float64 with NaN where it has no value.

    Args:
        grid: The raster.
        number: The band, counted from 1.
        frame: The frame.
        method: The resampling method, by the API's name.
    """
    values = grid.band(number)
    if frame == grid.frame:
        return values
    target: Array = np.full(frame.shape, np.nan)
    reproject(
        values,
        target,
        src_transform=grid.frame.transform,
        src_crs=grid.frame.crs,
        src_nodata=np.nan,
        dst_transform=frame.transform,
        dst_crs=frame.crs,
        dst_nodata=np.nan,
        resampling=Resampling[_METHODS.get(method, method)],
    )
    return target


def to_grid(bands: list[Array], frame: Frame, dtype: str, nodata: float) -> Grid:
    """A raster of values; values that are not finite become nodata.

    Integers are rounded and clipped to the range of their type, as GDAL does.

    Args:
        bands: The values.
        frame: Their position.
        dtype: The type of the raster.
        nodata: The value of cells without a value.

    Raises:
        JobError: The type cannot hold the nodata value. That the API fails then is a guess.
    """
    if not fits(nodata, dtype):
        reason = f"the type {dtype} cannot hold the nodata value {nodata:g}"
        raise JobError(reason, "geobox.InvalidParameterError")
    values = np.stack(bands)
    missing = ~np.isfinite(values)
    values = np.where(missing, nodata, values)
    if np.issubdtype(np.dtype(dtype), np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return Grid(values.astype(dtype), frame, nodata)


def fits(value: float, dtype: str) -> bool:
    """Whether a type holds a value."""
    if not np.issubdtype(np.dtype(dtype), np.integer):
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def type_for_nodata(dtype: Any, nodata: float) -> str:
    """The type of a raster, or the smallest larger one that also holds a nodata value.

    A guess, for requests that name no type and a nodata value out of range, as -9999 for bytes.
    """
    if fits(nodata, str(dtype)):
        return str(dtype)
    other = np.min_scalar_type(int(nodata)) if float(nodata).is_integer() else np.float32
    return str(np.promote_types(dtype, other))


def geometry_in_frame(shape: dict[str, Any], frame: Frame) -> dict[str, Any]:
    """The geometry of a feature, from EPSG:3857 to the reference system of a frame."""
    if frame.crs == CRS.from_string(WEB_MERCATOR):
        return shape
    found: dict[str, Any] = transform_geom(WEB_MERCATOR, frame.crs, shape)
    return found


def _check_size(frame: Frame) -> None:
    if frame.width * frame.height > _MOST_CELLS:
        reason = (
            f"the raster would have {frame.width} x {frame.height} cells; "
            f"the emulator makes at most {_MOST_CELLS:,}"
        )
        raise JobError(reason, "geobox.RasterTooLargeError")
