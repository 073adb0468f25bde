"""Analyses between rasters and layers: rasterize, polygonize, clip and interpolate."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyogrio.raw
import shapely
from rasterio import features
from rasterio.warp import transform

from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import WEB_MERCATOR
from prefect_geobox.emulator.raster_tools import grids
from prefect_geobox.emulator.state.layers import record, rows_of
from prefect_geobox.emulator.state.uploaded_files import make_file

if TYPE_CHECKING:
    from prefect_geobox.emulator.http.filters import Filter
    from prefect_geobox.emulator.raster_tools.grids import Array, Extent, Grid
    from prefect_geobox.emulator.state.store import Asset

# The default of GDAL; the API's name of the column is not known.
_VALUE_FIELD = "DN"
# The number of distances computed in one step.
_CHUNK = 2_000_000


def rasterize(
    *,
    layer: Asset,
    pixel_size: float,
    nodata: float,
    data_type: str,
    burn_value: float,
    burn_attribute: str | None,
) -> Grid:
    """A raster, in EPSG:3857, with values where a layer has features; later features win."""
    rows = rows_of(layer)
    frame = grids.frame_of(_extent(rows), (pixel_size, pixel_size))
    values = [burn_value if burn_attribute is None else _number(r, burn_attribute) for r in rows]
    shapes = [
        (row["geometry"], value)
        for row, value in zip(rows, values, strict=True)
        if value is not None
    ]
    if not shapes:
        reason = f"no feature has a number in {burn_attribute!r}"
        raise JobError(reason, "geobox.NoFeaturesError")
    # Its type says a whole number; it takes any that the type of the cells can hold.
    empty: Any = np.nan
    burnt = features.rasterize(
        shapes, frame.shape, fill=empty, transform=frame.transform, dtype="float64"
    )
    return grids.to_grid([burnt], frame, data_type, nodata)


def polygonize(
    *,
    output_layer_name: str,
    raster: Asset,
    band_index: int,
    value_field: str | None,
    mask_nodata: bool,
    connectivity: int,
    keep_values: list[float] | None,
    layer_name: str | None,
) -> Asset:
    """A GPKG file with a polygon for each group of adjacent cells of one value."""
    grid = grids.read(raster)
    known = ~np.isnan(grid.band(band_index))
    band = grid.bands[band_index - 1]
    is_integer = np.issubdtype(band.dtype, np.integer)
    if str(band.dtype) not in {"uint8", "int16", "uint16", "int32", "float32"}:
        band = band.astype("int32" if is_integer else "float32")
    # Cells that are NaN are always left out.
    mask = known if mask_nodata or grid.nodata is None else ~np.isnan(band.astype("float64"))
    found = [
        (shapely.geometry.shape(shape), value)
        for shape, value in features.shapes(
            band, mask=mask, connectivity=connectivity, transform=grid.frame.transform
        )
        if keep_values is None or value in keep_values
    ]
    with tempfile.TemporaryDirectory(prefix="geobox-emulator-") as folder:
        path = Path(folder) / "out.gpkg"
        pyogrio.raw.write(
            path,
            np.array([shapely.to_wkb(shape) for shape, _ in found], dtype=object),
            [np.array([value for _, value in found], dtype="int64" if is_integer else "float64")],
            [value_field or _VALUE_FIELD],
            layer=layer_name or output_layer_name,
            driver="GPKG",
            geometry_type="Polygon",
            crs=grid.frame.crs.to_wkt(),
        )
        content = path.read_bytes()
    # The name of the file is a guess.
    name = f"{output_layer_name.removesuffix('.gpkg')}.gpkg"
    return make_file(name, content, scan_archive=False)


def clip(
    *,
    raster: Asset,
    layer: Asset,
    where: Filter | None,
    dst_nodata: float,
    crop: bool,
    resample: str,  # noqa: ARG001
) -> Grid:
    """The cells of a raster whose centres lie within a layer's geometries.

    Cells are not moved, so nothing is resampled. A cropped raster has only the rows and columns
    with such cells.
    """
    grid = grids.read(raster)
    rows = [row for row in rows_of(layer) if where is None or where.matches(record(row))]
    if not rows:
        raise JobError("no feature of the layer passes `where`", "geobox.NoFeaturesError")
    shapes = [grids.geometry_in_frame(row["geometry"], grid.frame) for row in rows]
    outside = features.geometry_mask(shapes, grid.frame.shape, grid.frame.transform)
    if outside.all():
        raise JobError("the raster and the layer do not overlap", "geobox.NoOverlapError")
    numbers = range(1, len(grid.bands) + 1)
    bands = [np.where(outside, np.nan, grid.band(number)) for number in numbers]
    dtype = grids.type_for_nodata(grid.bands.dtype, dst_nodata)
    frame = grid.frame
    if crop:
        down, right = (np.flatnonzero(~outside.all(axis=axis)) for axis in (1, 0))
        window = np.s_[down[0] : down[-1] + 1, right[0] : right[-1] + 1]
        bands = [band[window] for band in bands]
        frame = frame.part(int(down[0]), int(right[0]), *bands[0].shape)
    return grids.to_grid(bands, frame, dtype, dst_nodata)


def idw(
    *,
    layer: Asset,
    z_field: str,
    match_raster: Asset | None,
    pixel_size: float,
    extent: Extent | None,
    power: float,
    smoothing: float,
    max_points: int,
    radius: float,
    nodata: float,
    out_dtype: str,
) -> Grid:
    """Values of points, interpolated over a raster by the inverse of the distance."""
    rows = [row for row in rows_of(layer) if _number(row, z_field) is not None]
    if not rows or any(row["geometry"]["type"] != "Point" for row in rows):
        reason = f"{layer.name} is not a layer of points with numbers in {z_field!r}"
        raise JobError(reason, "geobox.NoFeaturesError")
    if match_raster is not None:
        frame = grids.read(match_raster).frame
    else:
        frame = grids.frame_of(extent or _extent(rows), (pixel_size, pixel_size))
    coordinates = [row["geometry"]["coordinates"] for row in rows]
    xs, ys, *_ = transform(
        WEB_MERCATOR, frame.crs, *zip(*(c[:2] for c in coordinates), strict=True)
    )
    points = np.column_stack([xs, ys])
    values = np.array([_number(row, z_field) for row in rows], dtype="float64")
    centres = frame.cell_centres()
    chunk = max(1, _CHUNK // len(points))
    options = (power, smoothing, max_points, radius)
    parts = [
        _weighted(centres[start : start + chunk], points, values, *options)
        for start in range(0, len(centres), chunk)
    ]
    return grids.to_grid([np.concatenate(parts).reshape(frame.shape)], frame, out_dtype, nodata)


def _weighted(
    centres: Array,
    points: Array,
    values: Array,
    power: float,
    smoothing: float,
    max_points: int,
    radius: float,
) -> Array:
    distances = np.hypot(*(centres[:, None, :] - points[None, :, :]).transpose(2, 0, 1))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :max_points]
    near, known = np.take_along_axis(distances, nearest, axis=1), values[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(near <= radius, (near**2 + smoothing**2) ** (-power / 2), 0.0)
        result: Array = (weights * known).sum(axis=1) / weights.sum(axis=1)
    # A cell centre on a point gets its value, because an infinite weight cannot be divided.
    is_on = np.isinf(weights[:, 0])
    result[is_on] = known[is_on, 0]
    return result


def _extent(rows: list[dict[str, Any]]) -> Extent:
    found = geometry.extent([row["geometry"] for row in rows])
    if found is None:
        raise JobError("the layer has no features", "geobox.NoFeaturesError")
    west, south, east, north = found
    return west, south, east, north


def _number(row: dict[str, Any], column: str) -> float | None:
    value = row["properties"].get(column)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
