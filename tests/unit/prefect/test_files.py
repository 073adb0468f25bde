"""Uploading and publishing as steps of a flow, on a real server."""

from __future__ import annotations

import base64
import json
import re
import sys

import pytest
from prefect import flow

from prefect_geobox import (
    AssetKind,
    InvalidArgumentError,
    NotFoundError,
    OutputAsset,
    TaskFailedError,
    TaskTimeoutError,
    apublish_file,
    aupload_file,
    publish_file,
    upload_file,
)
from prefect_geobox.reporting.markdown import escaped
from tests.kit.sample_data import CITIES, COUNTRIES

FAST = {"interval": 0.02, "max_interval": 0.05}


def test_publishing_real_geodata_shows_a_map_and_tracks_the_layer(
    credentials, geobox_emulator, records_of
):
    """A published file becomes a layer with its features, a map, metadata and its source."""

    @flow
    def publish():
        file = upload_file(credentials, COUNTRIES)
        return file, publish_file(credentials, file, "countries", **FAST)

    geobox_emulator.seconds = 2.0
    state = publish(return_state=True)

    file, layer = state.result()
    assert (file.kind, layer.kind, layer.name) == (AssetKind.FILE, AssetKind.VECTOR, "countries")
    host = geobox_emulator.url.removeprefix("http://")
    assert layer.asset_key == f"geobox://{host}/vector/{layer.uuid}"
    with credentials.get_client() as client:
        assert client.count_features(layer) == 177

    records = records_of(state)
    assert records.task_names(2) == {"upload-countries.geojson", "publish-countries"}
    text = records.artifact("geobox-publish-file")
    assert len(text) < 200_000
    (picture,) = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    svg = base64.b64decode(picture).decode()
    assert svg.count("<path ") >= 177
    assert layer.uuid in text
    assert "| Features | 177 |" in text
    assert "EPSG:3857" in text
    assert layer.api_url in text
    assert records.progress() == [100.0]
    assert "273,405 bytes" in records.artifact("geobox-upload-file")

    events = records.events("geobox.task.", 2)
    assert [event["event"] for event in events] == [
        "geobox.task.submitted",
        "geobox.task.finished",
    ]
    assert events[1]["payload"]["output"] == f"vector/{layer.uuid}"
    made = {
        event["resource"]["prefect.resource.id"]: event
        for event in records.events("prefect.asset.materialization.succeeded", 2)
    }
    assert set(made) == {file.asset_key, layer.asset_key}
    metadata = made[layer.asset_key]["payload"]
    assert (metadata["features"], metadata["geometry_type"], metadata["srid"]) == (
        177,
        "Polygon",
        3857,
    )
    assert len(metadata["extent"]) == 4
    submitted = events[0]["resource"]["prefect.resource.id"]
    assert submitted == f"geobox.task.{metadata['remote_task']}"
    assert metadata["seconds"] > 0
    sources = [
        related["prefect.resource.id"]
        for related in made[layer.asset_key]["related"]
        if related["prefect.resource.role"] == "asset"
    ]
    assert sources == [file.asset_key]
    (local,) = [
        related["prefect.resource.id"]
        for related in made[file.asset_key]["related"]
        if related["prefect.resource.role"] == "asset"
    ]
    assert local.startswith("file://")
    assert local.endswith("flows/data/countries.geojson")


async def test_async_twins_publish_too(credentials, records_of):
    """The async twins upload and publish with the same artifacts."""

    @flow
    async def publish():
        file = await aupload_file(credentials, CITIES)
        return await apublish_file(credentials, file, "cities", **FAST)

    state = await publish(return_state=True)

    layer = await state.result()
    records = records_of(state)
    assert layer.data["layer_type"] == "Point"
    assert "| Features | 243 |" in records.artifact("geobox-publish-file")
    assert records.task_names(2) == {"upload-cities.geojson", "publish-cities"}


def test_publishing_submitted_and_mapped(credentials):
    """Steps can be submitted and mapped; futures feed each other."""

    @flow
    def fan_out():
        file = upload_file.submit(credentials, CITIES)
        first = publish_file.submit(credentials, file, "first", **FAST)
        names = ["second", "third"]
        rest = publish_file.map(credentials, file, names, **FAST)
        return [first.result(), *rest.result()]

    assert [layer.name for layer in fan_out()] == ["first", "second", "third"]


def test_a_name_that_is_taken_fails_with_the_servers_reason(credentials, records_of):
    """A second layer of the same name fails the step and shows why; the first one stays."""

    @flow
    def twice():
        file = upload_file(credentials, CITIES)
        publish_file(credentials, file, "cities", **FAST)
        publish_file(credentials, file, "cities", **FAST)

    state = twice(return_state=True)

    with pytest.raises(TaskFailedError, match="exists already"):
        state.result()
    texts = [str(a.data) for a in records_of(state).artifacts if a.key == "geobox-publish-file"]
    assert sum("Could not publish" in text for text in texts) == 1
    with credentials.get_client() as client:
        assert len(client.find_assets("vector", "cities")) == 1


def test_a_step_that_times_out_aborts_its_remote_task(credentials, geobox_emulator):
    """A step owns its remote task: when its time is up, the remote task is aborted."""
    geobox_emulator.seconds = 60

    @flow
    def impatient():
        file = upload_file(credentials, CITIES)
        publish_file(credentials, file, "cities", timeout=0.3, **FAST)

    with pytest.raises(TaskTimeoutError):
        impatient()
    with credentials.get_client() as client:
        (task,) = client.list_tasks()
        assert task.state.value == "ABORTED"
        assert client.find_assets("vector", "cities") == []


def test_features_that_were_left_out_are_said(credentials, records_of, tmp_path, caplog):
    """A layer that was published only in part says so, in the log and in a bounded artifact."""
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [n, n]}}
        for n in range(5)
    ] + [{"type": "Feature", "properties": {}, "geometry": None}] * 3000
    path = tmp_path / "partly.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))

    @flow
    def publish():
        return publish_file(credentials, upload_file(credentials, path), "partly", **FAST)

    state = publish(return_state=True)

    assert state.is_completed()
    left_out = "3,000 of 3,005 features were left out: the geometry is missing (3,000 times)"
    assert f"partly was published, but not all of it: {left_out}" in caplog.text
    text = records_of(state).artifact("geobox-publish-file")
    assert f"| Reported | {escaped(left_out)} |" in text
    assert len(text) < 10_000


def test_a_file_can_be_published_by_its_uuid(credentials):
    """A file that was uploaded elsewhere is published by its uuid alone."""
    with credentials.get_client() as client:
        file = client.upload_file(CITIES)

    @flow
    def publish():
        return publish_file(credentials, file.uuid, "by_uuid", **FAST)

    assert publish().name == "by_uuid"


@pytest.mark.parametrize("path", ["missing.geojson", "."])
def test_a_file_that_cannot_be_read_is_refused_before_any_request(
    credentials, geobox_emulator, path
):
    """A missing file and a folder fail the step without a request."""
    geobox_emulator.clear_requests()

    @flow
    def publish():
        upload_file(credentials, path)

    with pytest.raises(OSError, match=re.escape(repr(path))):
        publish()
    assert geobox_emulator.requests == []


def test_unknown_files_and_bad_options_are_named(credentials, geobox_emulator):
    """An unknown file and a bad option fail with an error that names them."""

    @flow
    def publish(file, **options):
        publish_file(credentials, file, "x", **options)

    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(NotFoundError, match=unknown):
        publish(unknown)
    geobox_emulator.clear_requests()
    asset = OutputAsset(
        kind=AssetKind.FILE, uuid=unknown, api_url="http://x/", data={"file_type": "GeoJSON"}
    )
    with pytest.raises(InvalidArgumentError, match="publish_as"):
        publish_file.fn(credentials, asset, "x", publish_as="picture")
    assert geobox_emulator.requests == []


def test_without_shapely_the_artifact_says_how_to_get_a_map(credentials, records_of, monkeypatch):
    """Without the extra the step works, and its artifact says how to get the map."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "shapely"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "shapely", None)

    @flow
    def publish():
        file = upload_file(credentials, CITIES)
        return publish_file(credentials, file, "cities", **FAST)

    state = publish(return_state=True)

    assert state.is_completed()
    text = records_of(state).artifact("geobox-publish-file").replace("\\", "")
    assert 'pip install "prefect-geobox[map]"' in text
    assert "| Features | 243 |" in text
