"""The official SDK, unmodified and asynchronous, as a client of the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import geojson, new_name, point
from tests.kit.until import HANGING

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")

from geobox.aio import AsyncGeoboxClient
from geobox.enums import FileOutputFormat, LayerType, PublishFileType, TaskStatus
from geobox.exception import AuthenticationError, NotFoundError, ValidationError

TIFF = b"II*\0" + bytes(60)


@pytest.fixture
async def client(geobox: GeoboxEmulator) -> AsyncIterator[Any]:
    """A client that logged in with its password."""
    login = {"username": geobox.username, "password": geobox.password}
    async with AsyncGeoboxClient(host=geobox.url, **login) as sdk:
        yield sdk


@pytest.fixture
def city_file(tmp_path: Path, cities: bytes) -> str:
    """The path of a GeoJSON."""
    path = tmp_path / "cities.geojson"
    path.write_bytes(cities)
    return str(path)


async def published(client: Any, path: str, name: str | None = None, **options: Any) -> Any:
    """Uploads and publishes a file and waits for it; the ended task."""
    file = await client.upload_file(path)
    task = await file.publish(name=name or new_name(), **options)
    return await ended(task)


async def ended(task: Any) -> Any:
    """Waits for a task; the task with its last state."""
    await task.wait(interval=0.01, progress_bar=False, timeout=HANGING)
    await task.refresh_data()
    return task


async def test_each_kind_of_credential_opens(geobox: GeoboxEmulator, client: Any) -> None:
    """Password, API key and token each let the SDK in."""
    assert await client.get_tasks(return_count=True) >= 0
    for credential in ({"apikey": geobox.apikey}, {"access_token": client.access_token}):
        async with AsyncGeoboxClient(host=geobox.url, **credential) as other:
            assert await other.get_tasks(return_count=True) >= 0


async def test_wrong_credentials_are_authentication_errors(geobox: GeoboxEmulator) -> None:
    """A wrong password or key raises the SDK's own class."""
    with pytest.raises(AuthenticationError):
        async with AsyncGeoboxClient(host=geobox.url, username="x", password="wrong"):
            pass
    async with AsyncGeoboxClient(host=geobox.url, apikey="wrong") as other:
        with pytest.raises(AuthenticationError):
            await other.get_tasks()


async def test_file_is_uploaded_and_published(client: Any, city_file: str) -> None:
    """A file becomes a layer, of which the SDK reads details, features and fields."""
    name = new_name()
    task = await published(client, city_file, name)
    assert await task.status is TaskStatus.SUCCESS
    assert task.errors is None
    layer = await task.output_asset
    assert (layer.name, layer.layer_type) == (name, LayerType.Point)
    features = await layer.get_features(limit=5)
    assert features[0].geometry.geom_type == "Point"
    assert await layer.get_features(return_count=True) == 243
    assert [field.name for field in await layer.get_fields()] == ["name"]


async def test_wait_with_a_progress_bar(geobox: GeoboxEmulator, client: Any) -> None:
    """The SDK's wait, bar and all, sees a task through; a failure is returned, not raised."""
    for final in ("SUCCESS", "FAILURE"):
        task = await client.get_task(geobox.add_task(seconds=0.15, state=final))
        assert await task.wait(interval=0.03, progress_bar=True) is TaskStatus[final]


async def test_progress_is_a_percentage(geobox: GeoboxEmulator, client: Any) -> None:
    """The SDK makes a percentage of the emulator's progress."""
    task = await client.get_task(geobox.add_task(seconds=0))
    assert await task.progress == 100


async def test_task_is_aborted(geobox: GeoboxEmulator, client: Any) -> None:
    """An abort reaches the task; a second one is ignored by the SDK."""
    task = await client.get_task(geobox.add_task(seconds=60))
    await task.abort()
    assert await task.status is TaskStatus.ABORTED
    await task.abort()


async def test_tasks_are_listed_and_counted() -> None:
    """The SDK's lists and counts take every filter."""
    with GeoboxEmulator() as geobox:
        for number in range(12):
            geobox.add_task(name=f"job {number:02}", seconds=0, state="FAILURE")
        waiting = geobox.add_task(name="waits", seconds=60, pending=1)
        async with AsyncGeoboxClient(host=geobox.url, apikey=geobox.apikey) as sdk:
            assert len(await sdk.get_tasks()) == 10
            assert await sdk.get_tasks(state=TaskStatus.FAILURE, return_count=True) == 12
            pending = await sdk.get_tasks(state=TaskStatus.PENDING)
            assert [task.uuid for task in pending] == [waiting]
            by_name = await sdk.get_tasks(q="name LIKE 'job%'", order_by="name D", limit=2)
            assert [task.name for task in by_name] == ["job 11", "job 10"]
            with pytest.raises(ValidationError, match="unknown field"):
                await sdk.get_tasks(search="x", search_fields="owner")


async def test_many_waits_at_once(geobox: GeoboxEmulator, client: Any) -> None:
    """Fifty tasks are waited for side by side."""
    tasks = [await client.get_task(geobox.add_task(seconds=0.3)) for _ in range(50)]
    states = await asyncio.gather(*(t.wait(interval=0.1, progress_bar=False) for t in tasks))
    assert states == [TaskStatus.SUCCESS] * 50


async def test_unknown_task_is_not_found(client: Any) -> None:
    """An unknown task raises the SDK's own class."""
    with pytest.raises(NotFoundError, match="gone"):
        await client.get_task("gone")


async def test_failures_have_their_reason(client: Any, tmp_path: Path) -> None:
    """The SDK finds the reason of a failure, and what a partial success left out."""
    path = tmp_path / "a.geojson"
    path.write_bytes(b"{")
    task = await published(client, str(path))
    assert task.errors["detail"]["type"] == "geobox.InvalidFileError"
    assert await task.output_asset is None
    path.write_bytes(geojson(point(1, 2), None))
    task = await published(client, str(path))
    assert len(task.errors["errors"]) == 1
    assert (await task.output_asset).feature_count == 1


async def test_every_kind_of_output_is_fetched(client: Any, city_file: str, tmp_path: Path) -> None:
    """Raster, table and file come back as the SDK's own classes."""
    (tmp_path / "a.tif").write_bytes(TIFF)
    (tmp_path / "a.csv").write_text("name,people\nA,1\nB,2\n")
    task = await published(client, str(tmp_path / "a.tif"))
    assert type(await task.output_asset).__name__ == "AsyncRaster"
    task = await published(client, str(tmp_path / "a.csv"), publish_as=PublishFileType.TABLE)
    table = await task.output_asset
    assert [row.people for row in await table.get_rows()] == [1, 2]
    layer = await (await published(client, city_file)).output_asset
    export = await layer.export_features(out_filename="o", out_format=FileOutputFormat.GeoJSON)
    assert (await (await ended(export)).output_asset).name == "o.zip"


async def test_file_is_downloaded(
    client: Any, city_file: str, cities: bytes, tmp_path: Path
) -> None:
    """A download has the name and the bytes of the upload."""
    file = await client.upload_file(city_file)
    target = await file.download(save_path=f"{tmp_path}/down/", progress_bar=False)
    assert target == f"{tmp_path}/down/cities.geojson"
    assert (tmp_path / "down" / "cities.geojson").read_bytes() == cities


async def test_cache_is_seeded(client: Any, city_file: str) -> None:
    """Seeding the cache of a layer gives the SDK one task."""
    layer = await (await published(client, city_file)).output_asset
    [task] = await layer.seed_cache(from_zoom=0, to_zoom=3, workers=2)
    assert await (await ended(task)).status is TaskStatus.SUCCESS


async def test_vector_tools_make_layers(client: Any, city_file: str) -> None:
    """The SDK's buffer and centroid become layers."""
    pytest.importorskip("shapely")
    layer = await (await published(client, city_file)).output_asset
    tools = client.vector_tool
    buffer = await tools.buffer(vector_uuid=layer.uuid, distance=1000, output_layer_name=new_name())
    circles = await (await ended(buffer)).output_asset
    assert circles.layer_type is LayerType.Polygon
    centroid = await tools.centroid(vector_uuid=circles.uuid, output_layer_name=new_name())
    middles = await (await ended(centroid)).output_asset
    assert middles.layer_type is LayerType.Point
    assert await middles.get_features(return_count=True) == 243


async def test_assets_are_listed_kept_and_deleted(client: Any, city_file: str) -> None:
    """Layers and files are found by name, made temporary and permanent, and deleted."""
    name = new_name()
    layer = await (await published(client, city_file, name)).output_asset
    assert (await client.get_vector_by_name(name)).uuid == layer.uuid
    await layer.make_temporary()
    assert (await client.get_vector(layer.uuid)).temporary is True
    await layer.make_permanent()
    await layer.delete()
    assert await client.get_vector_by_name(name) is None
    file = await client.upload_file(city_file)
    assert await client.get_files(q="name = 'cities.geojson'", return_count=True) >= 1
    uuid = file.uuid
    await file.delete()
    with pytest.raises(NotFoundError):
        await client.get_file(uuid)
