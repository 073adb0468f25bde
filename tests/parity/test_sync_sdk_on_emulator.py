"""The official SDK, unmodified and blocking, as a client of the emulator."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import Api, geojson, new_name, point
from tests.kit.sample_data import CITIES
from tests.kit.until import HANGING

pytest.importorskip("geobox")

from geobox import GeoboxClient
from geobox.enums import FileOutputFormat, FileType, LayerType, PublishFileType, TaskStatus
from geobox.exception import AuthenticationError, NotFoundError, ValidationError

TIFF = b"II*\0" + bytes(60)


@pytest.fixture
def client(geobox: GeoboxEmulator) -> Iterator[Any]:
    """A client that logged in with its password."""
    sdk = GeoboxClient(host=geobox.url, username=geobox.username, password=geobox.password)
    yield sdk
    sdk.session.close()


@pytest.fixture
def city_file(tmp_path: Path, cities: bytes) -> str:
    """The path of a GeoJSON."""
    path = tmp_path / "cities.geojson"
    path.write_bytes(cities)
    return str(path)


def published(client: Any, path: str, name: str | None = None, **options: Any) -> Any:
    """Uploads and publishes a file and waits for it; the ended task."""
    task = client.upload_file(path).publish(name=name or new_name(), **options)
    task.wait(interval=0.01, progress_bar=False, timeout=HANGING)
    task.refresh_data()
    return task


def test_each_kind_of_credential_opens(geobox: GeoboxEmulator) -> None:
    """Password, API key and token each let the SDK in, and it sends no other."""
    geobox.clear_requests()
    by_password = GeoboxClient(host=geobox.url, username=geobox.username, password=geobox.password)
    by_key = GeoboxClient(host=geobox.url, apikey=geobox.apikey)
    by_token = GeoboxClient(host=geobox.url, access_token=by_password.access_token)
    for client in (by_password, by_key, by_token):
        assert client.get_tasks(return_count=True) >= 0
        client.session.close()
    assert [request.path for request in geobox.requests] == ["/v1/auth/token/", *["/v1/tasks/"] * 3]


def test_wrong_credentials_are_authentication_errors(geobox: GeoboxEmulator) -> None:
    """A wrong password, key or token raises the SDK's own class."""
    with pytest.raises(AuthenticationError):
        GeoboxClient(host=geobox.url, username=geobox.username, password="wrong")
    for wrong in ({"apikey": "wrong"}, {"access_token": "wrong"}):
        client = GeoboxClient(host=geobox.url, **wrong)
        with pytest.raises(AuthenticationError, match="Invalid Authentication"):
            client.get_tasks()
        client.session.close()


def test_revoked_token_is_an_authentication_error(geobox: GeoboxEmulator, client: Any) -> None:
    """A token stops working in the middle of things once it is revoked."""
    client.get_tasks()
    geobox.revoke_tokens()
    with pytest.raises(AuthenticationError):
        client.get_tasks()


def test_file_is_uploaded_and_published(client: Any, city_file: str) -> None:
    """A file becomes a layer, of which the SDK reads details, features and fields."""
    file = client.upload_file(city_file)
    assert repr(file) == f"File(uuid={file.uuid}, file_name=cities.geojson, file_type=GeoJSON)"
    name = new_name()
    task = file.publish(name=name)
    assert task.status in set(TaskStatus)
    assert task.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
    task.refresh_data()
    assert task.errors is None
    assert task.finished_at >= task.started_at >= task.accepted_at
    layer = task.output_asset
    assert (layer.name, layer.layer_type) == (name, LayerType.Point)
    assert layer.created_at.year >= 2024
    features = layer.get_features(limit=5)
    assert len(features) == 5
    assert features[0].srid == 3857
    assert features[0].geometry.geom_type == "Point"
    assert layer.get_features(return_count=True) == 243
    assert layer.get_features(geojson=True, out_srid=4326)["crs"]["properties"]["name"]
    assert layer.get_feature(features[2].id).data == features[2].data
    assert [(field.name, field.data_type.value) for field in layer.get_fields()] == [
        ("name", "String")
    ]


def test_wait_with_a_progress_bar(geobox: GeoboxEmulator, client: Any) -> None:
    """The SDK's wait, bar and all, sees a task through; a failure is returned, not raised."""
    for final in ("SUCCESS", "FAILURE"):
        task = client.get_task(geobox.add_task(seconds=0.15, state=final))
        assert task.wait(interval=0.03, progress_bar=True) is TaskStatus[final]
    paths = [request.path for request in geobox.requests]
    assert any(path.endswith("/status/") for path in paths)


def test_progress_is_a_percentage(geobox: GeoboxEmulator, client: Any) -> None:
    """The SDK makes a percentage of the emulator's progress, and None where there is none."""
    running = client.get_task(geobox.add_task(seconds=60, pending=0))
    assert running.progress in {None, 1}
    assert client.get_task(geobox.add_task(seconds=0)).progress == 100
    assert client.get_task(geobox.add_task(seconds=0, progress=False)).progress is None


def test_task_is_aborted(geobox: GeoboxEmulator, client: Any) -> None:
    """An abort reaches the task; a second one is ignored by the SDK."""
    task = client.get_task(geobox.add_task(seconds=60))
    task.abort()
    assert task.status is TaskStatus.ABORTED
    assert task.wait(progress_bar=False) is TaskStatus.ABORTED
    task.abort()


def test_tasks_are_listed_and_counted(client: Any) -> None:
    """The SDK's lists and counts take every filter, with either shape of a count."""
    for shape in ("int", "object"):
        with GeoboxEmulator(count_shape=shape) as geobox:
            sdk = GeoboxClient(host=geobox.url, apikey=geobox.apikey)
            for number in range(12):
                geobox.add_task(name=f"job {number:02}", seconds=0, state="FAILURE")
            waiting = geobox.add_task(name="waits", seconds=60, pending=1)
            assert len(sdk.get_tasks()) == 10
            assert sdk.get_tasks(return_count=True) == 13
            assert sdk.get_tasks(state=TaskStatus.FAILURE, return_count=True) == 12
            assert [task.uuid for task in sdk.get_tasks(state=TaskStatus.PENDING)] == [waiting]
            by_name = sdk.get_tasks(q="name LIKE 'job%'", order_by="name D", skip=1, limit=2)
            assert [task.name for task in by_name] == ["job 10", "job 09"]
            assert len(sdk.get_tasks(search="WAITS", search_fields="name", user_id=1)) == 1
            assert sdk.get_tasks(shared=True) == []
            with pytest.raises(ValidationError, match="unknown field"):
                sdk.get_tasks(order_by="owner A")
            sdk.session.close()


def test_unknown_task_is_not_found(client: Any) -> None:
    """An unknown task raises the SDK's own class."""
    with pytest.raises(NotFoundError, match="gone"):
        client.get_task("gone")


def test_failed_publication_has_its_reason(client: Any, tmp_path: Path) -> None:
    """The SDK finds the reason of a failure in the task's result."""
    path = tmp_path / "broken.geojson"
    path.write_bytes(b"{")
    task = published(client, str(path))
    assert task.status is TaskStatus.FAILURE
    assert task.errors["detail"]["type"] == "geobox.InvalidFileError"
    assert task.output_asset is None


def test_partial_publication_has_errors_and_a_layer(client: Any, tmp_path: Path) -> None:
    """What was left out stands beside the layer."""
    path = tmp_path / "partial.geojson"
    path.write_bytes(geojson(point(1, 2), None))
    task = published(client, str(path))
    assert task.status is TaskStatus.SUCCESS
    assert len(task.errors["errors"]) == 1
    assert task.output_asset.feature_count == 1


def test_zipped_shapefile_is_published(client: Any, tmp_path: Path, cities: bytes) -> None:
    """The SDK reads the layers of a zipped Shapefile and publishes the first."""
    pyogrio = pytest.importorskip("pyogrio")
    pytest.importorskip("shapely")
    meta, _, geometry, columns = pyogrio.raw.read(cities)
    pyogrio.raw.write(
        tmp_path / "cities.shp",
        geometry,
        columns,
        meta["fields"],
        geometry_type="Point",
        crs=meta["crs"],
    )
    with ZipFile(tmp_path / "cities.zip", "w") as archive:
        for member in tmp_path.glob("cities.*"):
            if member.suffix != ".zip":
                archive.write(member, member.name)
    task = published(client, str(tmp_path / "cities.zip"))
    assert task.errors is None
    assert task.output_asset.feature_count == 243


def test_every_kind_of_output_is_fetched(
    client: Any, api: Api, geobox: GeoboxEmulator, city_file: str, tmp_path: Path
) -> None:
    """Raster, table, 3D tiles, model and file come back as the SDK's own classes."""
    (tmp_path / "a.tif").write_bytes(TIFF)
    (tmp_path / "a.csv").write_text("name,people\nA,1\nB,2\n")
    raster = published(client, str(tmp_path / "a.tif")).output_asset
    assert type(raster).__name__ == "Raster"
    assert raster.thumbnail.endswith(f"/v1/rasters/{raster.uuid}/thumbnail.png")
    table = published(
        client, str(tmp_path / "a.csv"), publish_as=PublishFileType.TABLE
    ).output_asset
    assert [row.people for row in table.get_rows()] == [1, 2]
    assert [field.name for field in table.get_fields()] == ["name", "people"]
    layer = published(client, city_file).output_asset
    export = layer.export_features(out_filename="out", out_format=FileOutputFormat.GeoJSON)
    assert export.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
    export.refresh_data()
    assert export.output_asset.file_type is FileType.Complex
    with ZipFile(tmp_path / "tiles.zip", "w") as archive:
        archive.writestr("tileset.json", "{}")
    tiles = published(client, str(tmp_path / "tiles.zip")).output_asset
    assert type(tiles).__name__ == "Tile3d"
    # The SDK uploads no GLB, but reads what others published.
    model = api.publish("a.glb", b"glTF", publish_as="model3d")
    task = client.get_task(model["uuid"])
    assert type(task.output_asset).__name__ == "Model"


def test_file_is_downloaded(client: Any, city_file: str, cities: bytes, tmp_path: Path) -> None:
    """A download has the name and the bytes of the upload."""
    file = client.upload_file(city_file)
    target = file.download(save_path=f"{tmp_path}/down/", progress_bar=False)
    assert Path(target).name == "cities.geojson"
    assert Path(target).read_bytes() == cities


def test_caches_are_seeded(client: Any, city_file: str, tmp_path: Path) -> None:
    """Seeding the cache of a layer or a raster gives the SDK one task."""
    (tmp_path / "a.tif").write_bytes(TIFF)
    for path in (city_file, str(tmp_path / "a.tif")):
        asset = published(client, path).output_asset
        [task] = asset.seed_cache(from_zoom=0, to_zoom=3, workers=2)
        assert task.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
        assert task.output_asset is None


def test_vector_tools_make_layers(client: Any, city_file: str) -> None:
    """The SDK's buffer and centroid, saved as layers, have shapely's shapes."""
    shapely = pytest.importorskip("shapely")
    layer = published(client, city_file).output_asset
    buffer = client.vector_tool.buffer(
        vector_uuid=layer.uuid, distance=1000, output_layer_name=new_name()
    )
    assert buffer.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
    buffer.refresh_data()
    circles = buffer.output_asset
    assert circles.layer_type is LayerType.Polygon
    area = shapely.Point(0, 0).buffer(1000, quad_segs=8).area
    assert circles.get_features(limit=1)[0].geometry.area == pytest.approx(area)
    centroid = client.vector_tool.centroid(vector_uuid=circles.uuid, output_layer_name=new_name())
    assert centroid.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
    centroid.refresh_data()
    middles = centroid.output_asset.get_features(limit=300)
    for middle, city in zip(middles, layer.get_features(limit=300), strict=True):
        assert middle.geometry.distance(city.geometry) < 0.001


def test_assets_are_listed_kept_and_deleted(client: Any, city_file: str) -> None:
    """Layers and files are found by name, made temporary and permanent, and deleted."""
    name = new_name()
    layer = published(client, city_file, name=name).output_asset
    assert client.get_vector_by_name(name).uuid == layer.uuid
    assert client.get_vectors(q=f"name = '{name}'", return_count=True) == 1
    assert [one.name for one in client.get_vectors(search=name, order_by="name A")] == [name]
    layer.make_temporary()
    assert client.get_vector(layer.uuid).temporary is True
    layer.make_permanent()
    assert layer.temporary is False
    layer.delete()
    assert client.get_vector_by_name(name) is None
    file = client.upload_file(city_file)
    assert file.uuid in {one.uuid for one in client.get_files_by_name(name="cities.geojson")}
    assert len(client.get_files(search="cities", skip=0, limit=1)) == 1
    uuid = file.uuid
    file.delete()
    with pytest.raises(NotFoundError):
        client.get_file(uuid)


def test_numeric_task_ids_are_followed() -> None:
    """Where a start answers with a number, the SDK finds the task and goes on by its uuid."""
    with GeoboxEmulator(seconds=0.02, task_id_kind="id") as geobox:
        client = GeoboxClient(host=geobox.url, apikey=geobox.apikey)
        api_file = CITIES
        task = published(client, str(api_file))
        assert task.status is TaskStatus.SUCCESS
        paths = [request.path for request in geobox.requests]
        assert f"/v1/tasks/{task.id}/" in paths
        assert f"/v1/tasks/{task.uuid}/" in paths
        client.session.close()


def test_scripted_states_end_the_wait(
    geobox: GeoboxEmulator, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A state that the SDK does not know makes it retry, which a script of states can provoke."""
    uuid = geobox.add_task(states=["PENDING", "PENDING", "STARTED", "SUCCESS"])
    task = client.get_task(uuid)
    with caplog.at_level(logging.WARNING):
        assert task.wait(interval=0.01, progress_bar=False) is TaskStatus.SUCCESS
    assert "STARTED" in caplog.text
