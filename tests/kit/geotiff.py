"""Small GeoTIFFs with known values, made and read by rasterio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from .official_sdk import ended, settled
from .plain_api import Api, geojson, new_name

# The north western corner of every raster that is made here, in metres of EPSG:3857.
WEST, NORTH, CELL = 1000.0, 2000.0, 10.0
MERCATOR = "EPSG:3857"
# Some hills.
BUMPS = np.random.default_rng(5).integers(0, 40, (6, 7)).astype("float32")


def geotiff(values: Any, nodata: float | None = None, **profile: Any) -> bytes:
    """A GeoTIFF of a band, or several, with cells of 10 metres."""
    bands = np.asarray(values)
    bands = bands[None] if bands.ndim == 2 else bands
    count, height, width = bands.shape
    made = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": bands.dtype,
        "crs": MERCATOR,
        "transform": from_origin(WEST, NORTH, CELL, CELL),
        "nodata": nodata,
        **profile,
    }
    with MemoryFile() as memory:
        with memory.open(**made) as target:
            target.write(bands)
        return bytes(memory.read())


@dataclass(frozen=True)
class Read:
    """A raster that was downloaded: its values, masked where it has none, and its profile."""

    values: Any
    profile: dict[str, Any]

    @property
    def band(self) -> Any:
        """The first band."""
        return self.values[0]

    @property
    def extent(self) -> tuple[float, ...]:
        """West, south, east and north."""
        t, p = self.profile["transform"], self.profile
        return (t.c, t.f + t.e * p["height"], t.c + t.a * p["width"], t.f)


def publish_raster(api: Api, values: Any, nodata: float | None = None, **profile: Any) -> str:
    """Publishes a GeoTIFF; the uuid of the raster."""
    content = geotiff(values, nodata, **profile)
    task = api.publish("a.tif", content, publish_as="raster", layer_name=new_name())
    return str(task["result"]["raster_uuid"])


def download_raster(api: Api, uuid: str) -> Read:
    """Downloads a raster and reads it."""
    answer = api.http.get(f"rasters/{uuid}/download/")
    assert answer.status_code == 200
    with MemoryFile(answer.content) as memory, memory.open() as source:
        return Read(source.read(masked=True), dict(source.profile))


async def raster_of(client: Any, api: Api, values: Any, nodata: float | None = None) -> Any:
    """A published raster, as the SDK sees it."""
    return await settled(client.get_raster(publish_raster(api, values, nodata)))


async def layer_of(client: Any, api: Api, *shapes: Any, **options: Any) -> Any:
    """A published layer of shapes in EPSG:3857, as the SDK sees it."""
    made = api.layer("a.geojson", geojson(*shapes, crs=MERCATOR, **options))
    return await settled(client.get_vector(made["uuid"]))


async def made(api: Api, task: Any) -> Read:
    """The raster that a task of the SDK made, read back."""
    done = await ended(task)
    assert done.state == "SUCCESS", done.result
    raster = await settled(done.output_asset)
    assert type(raster).__name__.endswith("Raster")
    return download_raster(api, raster.uuid)


async def failed(task: Any) -> str:
    """The reason for which a task of the SDK failed."""
    done = await ended(task)
    assert done.state == "FAILURE"
    return str(done.errors["detail"]["msg"])
