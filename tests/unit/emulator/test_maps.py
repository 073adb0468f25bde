"""Maps, tilesets, mosaics and caches, with the official SDK as a client of the emulator."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from prefect_geobox.emulator.jobs.map_images import BACKGROUND
from tests.kit.plain_api import Api, geojson, new_name, point

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("PIL")

from geobox.enums import FileType
from geobox.exception import NotFoundError, ValidationError
from PIL import Image

from tests.kit.official_sdk import ended, settled

TIFF = b"II*\0" + bytes(60)
SQUARE = {"type": "Polygon", "coordinates": [[[2, 2], [8, 2], [8, 8], [2, 8], [2, 2]]]}


@pytest.fixture
async def layer(client: Any, api: Api) -> Any:
    """A layer of one square, from 2° to 8°, as the SDK sees it."""
    made = api.layer("a.geojson", geojson(SQUARE))
    return await settled(client.get_vector(made["uuid"]))


@pytest.fixture
async def raster(client: Any, api: Api) -> Any:
    """A raster, as the SDK sees it."""
    task = api.publish("a.tif", TIFF, publish_as="raster")
    return await settled(client.get_raster(task["result"]["raster_uuid"]))


async def a_map(client: Any, **options: Any) -> Any:
    """A new map."""
    return await settled(client.create_map(name=new_name(), **options))


async def test_map_lives(client: Any) -> None:
    """A map is made, found, changed and deleted."""
    style = {"version": 8, "layers": []}
    made = await a_map(client, display_name="A map", extent=[1, 2, 3, 4], style=style)
    assert (made.display_name, made.extent) == ("A map", [1, 2, 3, 4])
    assert await settled(made.style) == style
    assert made.thumbnail is not None
    await settled(made.update(description="of nothing"))
    found = await settled(client.get_map_by_name(made.name))
    assert (found.uuid, found.description) == (made.uuid, "of nothing")
    assert await settled(client.get_maps(return_count=True)) >= 1
    assert await settled(client.get_maps(shared=True)) == []
    with pytest.raises(ValidationError, match="already"):
        await settled(client.create_map(name=made.name))
    uuid = made.uuid
    await settled(made.delete())
    with pytest.raises(NotFoundError):
        await settled(client.get_map(uuid))


async def test_tileset_holds_layers(client: Any, layer: Any, api: Api) -> None:
    """A tileset is made of layers, which are added, listed and taken away."""
    made = await settled(client.create_tileset(name=new_name(), layers=[layer], max_zoom=9))
    assert made.max_zoom == 9
    second = api.layer("b.geojson", geojson(point(1, 2)))
    other = await settled(client.get_vector(second["uuid"]))
    await settled(made.add_layer(other))
    assert [one.uuid for one in await settled(made.get_layers())] == [layer.uuid, other.uuid]
    await settled(made.delete_layer(layer))
    assert [one.uuid for one in await settled(made.get_layers())] == [other.uuid]
    assert (await settled(client.get_tileset_by_name(made.name))).uuid == made.uuid
    await settled(made.delete())
    assert api.http.get(f"tilesets/{second['uuid']}/").status_code == 404


async def test_mosaic_holds_rasters(client: Any, raster: Any) -> None:
    """A mosaic is made, and rasters are added, listed and taken away."""
    made = await settled(client.create_mosaic(name=new_name(), min_zoom=3))
    await settled(made.add_rasters([raster]))
    assert [one.uuid for one in await settled(made.get_rasters())] == [raster.uuid]
    assert (await settled(client.get_mosaic_by_name(made.name))).min_zoom == 3
    await settled(made.remove_rasters([raster]))
    assert await settled(made.get_rasters()) == []
    await settled(made.delete())


async def cached(client: Any, kind: str, layer: Any, raster: Any) -> Any:
    """Something of a kind that has a cache."""
    if kind == "layer":
        return layer
    if kind == "raster":
        return raster
    if kind == "view":
        return await settled(layer.create_view(name=new_name()))
    if kind == "map":
        return await a_map(client)
    if kind == "tileset":
        return await settled(client.create_tileset(name=new_name(), layers=[layer]))
    return await settled(client.create_mosaic(name=new_name()))


@pytest.mark.parametrize(
    ("kind", "tasks"),
    [("layer", 1), ("view", 1), ("raster", 1), ("mosaic", 1), ("map", 1), ("tileset", 2)],
)
async def test_cache_is_seeded_measured_and_cleared(
    client: Any, layer: Any, raster: Any, kind: str, tasks: int
) -> None:
    """Seeding gives as many tasks as the SDK expects; the size grows with their end."""
    asset = await cached(client, kind, layer, raster)
    assert await settled(asset.cache_size) == 0
    started = await settled(asset.seed_cache(from_zoom=0, to_zoom=2, workers=4))
    assert len(started) == tasks
    for task in started:
        done = await ended(task)
        assert await settled(done.state) == "SUCCESS"
        assert await settled(done.output_asset) is None
    # 1 + 4 + 16 tiles by each task.
    assert await settled(asset.cache_size) == tasks * 21 * 256
    await settled(asset.clear_cache())
    assert await settled(asset.cache_size) == 0


@pytest.mark.parametrize(("kind", "tasks"), [("map", 1), ("tileset", 2)])
async def test_cache_is_updated(
    client: Any, layer: Any, raster: Any, kind: str, tasks: int
) -> None:
    """Maps and tilesets have their cache updated, in the shapes that the SDK's tests know."""
    asset = await cached(client, kind, layer, raster)
    started = await settled(asset.update_cache(from_zoom=1, to_zoom=1))
    assert len(started) == tasks
    for task in started:
        assert (await ended(task)).name == "cache:update"
    assert await settled(asset.cache_size) == tasks * 4 * 256


def test_shapes_of_cache_answers(api: Api) -> None:
    """A map's seed is a bare object, its update has a status, a tileset's are lists of two."""
    made = {
        kind: api.json("POST", f"{kind}/", json={"name": new_name()})
        for kind in ("maps", "tilesets")
    }
    shapes = {
        (kind, verb): api.json("POST", f"{kind}/{made[kind]['uuid']}/cache/{verb}/")
        for kind in made
        for verb in ("seed", "update")
    }
    assert list(shapes["maps", "seed"]) == ["task_id"]
    assert [list(one) for one in shapes["maps", "update"]] == [["task_id", "status"]]
    assert [list(one) for one in shapes["tilesets", "seed"]] == [["task_id"], ["task_id"]]
    assert [list(one) for one in shapes["tilesets", "update"]] == [["task_id"], ["task_id"]]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"from_zoom": "low"}, "from_zoom"),
        ({"from_zoom": True}, "from_zoom"),
        ({"to_zoom": 99}, "to_zoom"),
        ({"from_zoom": 5, "to_zoom": 4}, "to_zoom"),
        ({"workers": 3}, "workers"),
        ({"extent": [1, 2, 3]}, "extent"),
        ({"extents": [[1, 2, 3, 4], "x"]}, "extents"),
    ],
)
def test_bad_parameter_of_a_cache_is_named(api: Api, body: dict[str, Any], name: str) -> None:
    """A 422 names the invalid parameter of a cache."""
    made = api.json("POST", "maps/", json={"name": new_name()})
    answer = api.http.post(f"maps/{made['uuid']}/cache/seed/", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", name]


def test_picture_without_its_library_fails(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the export of a map fails with the command that brings it."""
    made = api.json("POST", "maps/", json={"name": new_name()})
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    params = {"bbox": "[0, 0, 1, 1]", "width": 20, "height": 20}
    task = api.wait(api.json("POST", f"maps/{made['uuid']}/export/", params=params)["task_id"])
    assert task["result"]["detail"]["type"] == "geobox.MissingLibraryError"


def test_what_has_no_tiles_has_no_cache(api: Api) -> None:
    """Files have no cache, layers and rasters no update, and what does not exist has neither."""
    file = api.upload("a.geojson", geojson(point(1, 2)))
    layer = api.layer("a.geojson", geojson(point(1, 2)))
    for path in (
        f"files/{file['uuid']}/cache/seed/",
        f"vectorLayers/{layer['uuid']}/cache/update/",
        "rasters/gone/cache/seed/",
        "maps/gone/cache/size/",
        "nonsense/gone/cache/clear/",
    ):
        assert api.http.post(path).status_code == 404, path


async def picture(client: Any, made: Any, bbox: list[float], side: int, api: Api) -> Any:
    """The picture that a map is exported into."""
    done = await ended(made.export_map_to_image(bbox=bbox, width=side, height=side))
    file = await settled(done.output_asset)
    assert (file.name, file.file_type) == (f"{made.name}.png", FileType.Image)
    return Image.open(io.BytesIO(api.http.get(f"files/{file.uuid}/download/").content))


async def test_map_is_exported(client: Any, layer: Any, api: Api) -> None:
    """The picture has the size that was asked for, and the layer where it lies."""
    source = {"type": "vector", "tiles": [f"/v1/vectorLayers/{layer.uuid}/tiles/{{z}}.pbf"]}
    made = await a_map(client, style={"sources": {"a": source}})
    image = await picture(client, made, [0, 0, 10, 10], 100, api)
    assert (image.format, image.size) == ("PNG", (100, 100))
    is_drawn = [[image.getpixel((x, y)) != BACKGROUND for x in range(100)] for y in range(100)]
    # 6° of 10° either way.
    assert sum(map(sum, is_drawn)) == pytest.approx(60 * 60, rel=0.06)
    assert is_drawn[50][50]
    assert not is_drawn[10][50]
    assert not is_drawn[50][90]


async def test_map_without_layers_is_exported(client: Any, api: Api) -> None:
    """A map of nothing is a picture of its background."""
    image = await picture(client, await a_map(client), [50.2, 35.1, 51.4, 36.0], 10, api)
    assert image.getcolors() == [(100, BACKGROUND)]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"width": 9}, "width"),
        ({"height": "tall"}, "height"),
        ({"bbox": "[1, 2, 3]"}, "bbox"),
        ({"bbox": "[3, 2, 1, 4]"}, "bbox"),
        ({"bbox": "[0, 86, 1, 88]"}, "bbox"),
    ],
)
def test_bad_parameter_of_an_export_is_named(api: Api, params: dict[str, Any], name: str) -> None:
    """A 422 names the invalid parameter of a map's export."""
    made = api.json("POST", "maps/", json={"name": new_name()})
    good = {"bbox": "[0, 0, 1, 1]", "width": 20, "height": 20}
    answer = api.http.post(f"maps/{made['uuid']}/export/", params={**good, **params})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", name]


def test_hole_of_a_polygon_stays_empty(api: Api) -> None:
    """A hole, a line and a point of several layers are drawn as what they are."""
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    ring = {"type": "MultiPolygon", "coordinates": [[SQUARE["coordinates"][0], hole]]}
    line = {"type": "LineString", "coordinates": [[0, 9], [10, 9]]}
    layers = [api.layer("a.geojson", geojson(shape)) for shape in (ring, line, point(5, 1))]
    style = {"sources": [layer["uuid"] for layer in layers]}
    made = api.json("POST", "maps/", json={"name": new_name(), "style": style})
    params = {"bbox": "0,0,10,10", "width": 100, "height": 100}
    task = api.wait(api.json("POST", f"maps/{made['uuid']}/export/", params=params)["task_id"])
    content = api.http.get(f"files/{task['result']['file_uuid']}/download/").content
    image = Image.open(io.BytesIO(content))
    assert image.getpixel((50, 50)) == BACKGROUND
    drawn = {image.getpixel(at) for at in ((30, 50), (50, 10), (50, 90))}
    assert len(drawn) == 3
    assert BACKGROUND not in drawn
