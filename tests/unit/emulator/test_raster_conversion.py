"""Analyses between rasters and layers, with the official SDK, against shapely's answers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.kit.plain_api import Api, geojson, new_name, point

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("rasterio")

import numpy as np
import pyogrio
import shapely
from geobox.enums import (
    AnalysisDataType,
    FileType,
    PolygonizeConnectivity,
)
from rasterio import Affine

from tests.kit.geotiff import (
    BUMPS,
    CELL,
    MERCATOR,
    NORTH,
    WEST,
    download_raster,
    failed,
    layer_of,
    made,
    publish_raster,
    raster_of,
)
from tests.kit.official_sdk import ended, settled


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """A polygon."""
    return shapely.geometry.mapping(shapely.box(west, south, east, north))


async def test_rasterize(client: Any, api: Api) -> None:
    """A layer is burnt as a value or as that of a column; elsewhere there is none."""
    shapes = (box(0, 0, 20, 20), box(12, 12, 40, 40))
    layer = await layer_of(client, api, *shapes)
    run = client.raster_analysis.rasterize
    read = await made(api, run(layer=layer, output_raster_name=new_name(), burn_value=5))
    assert (read.extent, read.profile["dtype"]) == ((0, 0, 40, 40), "int16")
    assert read.profile["crs"].to_epsg() == 3857
    inside = shapely.union_all([shapely.geometry.shape(shape) for shape in shapes])
    for row in range(4):
        for column in range(4):
            middle = shapely.Point(column * 10 + 5, 40 - row * 10 - 5)
            assert read.band.mask[row, column] != inside.contains(middle)
    assert set(read.band.compressed()) == {5}
    # geojson() numbers its features; the later lies on top.
    read = await made(
        api,
        run(
            layer=layer,
            output_raster_name=new_name(),
            pixel_size=20,
            burn_attribute="number",
            data_type=AnalysisDataType.float32,
            nodata=0,
        ),
    )
    assert read.band.tolist() == [[None, 2], [1, None]]


def test_rasterize_a_view(api: Api) -> None:
    """A view gives only the features that it shows, and is found only as a view."""
    layer = api.layer("a.geojson", geojson(box(0, 0, 10, 10), box(90, 0, 100, 10), crs=MERCATOR))
    create = {"name": new_name(), "view_filter": "number = 2"}
    view = api.json("POST", f"vectorLayers/{layer['uuid']}/views/", data=create)
    data = {"layer_uuid": view["uuid"], "output_raster_name": new_name()}
    assert api.http.post("analysis/rasterize/", data=data).status_code == 404
    start = api.json("POST", "analysis/rasterize/", data={**data, "is_view": "True"})
    task = api.wait(start["task_id"])
    assert download_raster(api, task["result"]["raster_uuid"]).extent == (90, 0, 100, 10)


async def test_clip(client: Any, api: Api) -> None:
    """Only cells with their middle in the layer are left, cropped or where they were."""
    values = np.arange(1, 17, dtype="uint8").reshape(4, 4)
    raster = await raster_of(client, api, values)
    # The second and third column, and all but the last row.
    shape = box(WEST + 8, NORTH - 32, WEST + 31, NORTH + 50)
    layer = await layer_of(client, api, shape, box(0, 0, 1, 1))
    run = client.raster_analysis.clip
    cropped = await made(api, run(raster=raster, layer=layer, output_raster_name=new_name()))
    assert cropped.band.tolist() == values[:3, 1:3].tolist()
    assert cropped.extent == (WEST + 10, NORTH - 30, WEST + 30, NORTH)
    whole = await made(
        api,
        run(
            raster=raster,
            layer=layer,
            output_raster_name=new_name(),
            crop=False,
            dst_nodata=0,
            where="number = 1",
        ),
    )
    assert whole.profile["dtype"] == "uint8"
    assert (~whole.band.mask).nonzero()[0].size == 6
    assert whole.extent == (WEST, NORTH - 40, WEST + 40, NORTH)
    nowhere = run(raster=raster, layer=layer, output_raster_name=new_name(), where="number = 2")
    assert "do not overlap" in await failed(nowhere)
    nothing = run(raster=raster, layer=layer, output_raster_name=new_name(), where="number = 3")
    assert "no feature" in await failed(nothing)


async def test_clip_real_countries(client: Any, api: Api, countries: bytes) -> None:
    """A raster in degrees is clipped by a layer in metres, where that country lies."""
    degrees = Affine(1, 0, -180, 0, -1, 90)
    world = np.arange(180 * 360, dtype="int32").reshape(180, 360)
    uuid = publish_raster(api, world, crs="EPSG:4326", transform=degrees)
    raster = await settled(client.get_raster(uuid))
    layer = await settled(client.get_vector(api.layer("c.geojson", countries)["uuid"]))
    task = client.raster_analysis.clip(
        raster=raster, layer=layer, output_raster_name=new_name(), where="name = 'Brazil'"
    )
    read = await made(api, task)
    features = json.loads(countries)["features"]
    found = [f["geometry"] for f in features if f["properties"]["name"] == "Brazil"]
    brazil = shapely.geometry.shape(found[0])
    middles = shapely.points(*np.meshgrid(np.arange(-179.5, 180), np.arange(89.5, -90, -1)))
    assert set(read.band.compressed()) == set(world[shapely.contains(brazil, middles)])


async def polygons(api: Api, tmp_path: Path, task: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The shapes and values in the file that a task of the SDK made, and what is known of it."""
    done = await ended(task)
    assert done.state == "SUCCESS", done.result
    file = await settled(done.output_asset)
    assert file.file_type is FileType.GPKG
    path = tmp_path / file.name
    path.write_bytes(api.http.get(f"files/{file.uuid}/download/").content)
    meta, _, shapes, columns = pyogrio.raw.read(path)
    return shapely.from_wkb(shapes), columns[0].tolist(), {**meta, "file": file}


async def test_polygonize(client: Any, api: Api, tmp_path: Path) -> None:
    """Groups of cells of one value become polygons in a GPKG, which can be published."""
    values = np.array([[1, 1, 2], [1, 2, 0], [3, 3, 0]], "uint8")
    raster = await raster_of(client, api, values, 0)
    run, name = client.raster_analysis.polygonize, new_name()
    shapes, found, meta = await polygons(api, tmp_path, run(raster=raster, output_layer_name=name))
    areas = sorted((v, s.area / CELL**2) for v, s in zip(found, shapes, strict=True))
    assert areas == [(0, 2), (1, 3), (2, 1), (2, 1), (3, 2)]
    assert shapely.union_all(shapes).bounds == (WEST, NORTH - 30, WEST + 30, NORTH)
    assert meta["file"].name == f"{name}.gpkg"
    assert [layer["layer"] for layer in meta["file"].layers] == [name]
    assert (meta["crs"], meta["fields"].tolist()) == (MERCATOR, ["DN"])
    options = {
        "mask_nodata": True,
        "connectivity": PolygonizeConnectivity.connected_8,
        "value_field": "class",
        "keep_values": "[2, 3, 0]",
        "layer_name": "inner",
    }
    shapes, found, meta = await polygons(
        api, tmp_path, run(raster=raster, output_layer_name=new_name(), **options)
    )
    assert sorted(found) == [2, 3]
    assert meta["fields"].tolist() == ["class"]
    publish = meta["file"].publish(name=new_name())
    layer = await settled((await ended(publish)).output_asset)
    assert layer.feature_count == 2


def idw_by_hand(
    x: float, y: float, points: list[tuple[float, float, float]], power: float, radius: float
) -> float | None:
    """The value of a place, by the formula."""
    near = sorted((math.hypot(px - x, py - y), value) for px, py, value in points)
    near = [(distance, value) for distance, value in near[:2] if distance <= radius]
    if not near:
        return None
    weights = [distance**-power for distance, _ in near]
    return sum(w * v for w, (_, v) in zip(weights, near, strict=True)) / sum(weights)


async def test_idw(client: Any, api: Api) -> None:
    """Each cell has the mean of the nearest points, weighted by distance, or no value."""
    known = [(2.0, 3.0, 1.0), (41.0, 8.0, 5.0), (13.0, 38.0, 9.0)]
    document = json.loads(geojson(*(point(x, y) for x, y, _ in known), crs=MERCATOR))
    for feature, (_, _, value) in zip(document["features"], known, strict=True):
        feature["properties"] = {"height": value}
    made_layer = api.layer("a.geojson", json.dumps(document).encode())
    layer = await settled(client.get_vector(made_layer["uuid"]))
    [field] = await settled(layer.get_fields())
    options = {"z_field": field, "power": 3.0, "max_points": 2, "radius": 30}
    task = client.raster_analysis.idw_interpolation(
        layer=layer, output_raster_name=new_name(), extent="0,0,60,40", **options
    )
    read = await made(api, task)
    assert read.extent == (0, 0, 60, 40)
    for row in range(4):
        for column in range(6):
            value = idw_by_hand(column * 10 + 5, 40 - row * 10 - 5, known, 3.0, 30)
            if value is None:
                assert read.band.mask[row, column]
            else:
                assert read.band[row, column] == pytest.approx(value, rel=1e-5)
    match = publish_raster(api, BUMPS)
    far = client.raster_analysis.idw_interpolation(
        layer=layer, output_raster_name=new_name(), match_raster_uuid=match, **options
    )
    read = await made(api, far)
    assert read.band.shape == BUMPS.shape
    assert read.band.mask.all()
