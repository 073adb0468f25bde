"""What publishing sends, next to what the official SDK sends for the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client import (
    AsyncGeoboxClient,
    GeoboxClient,
    InvalidResponseError,
    OutputAsset,
    TaskFailedError,
)
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._publishing import suggested_publish_as
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, TASK, task
from tests.kit.wire import Wire, form, json_answer, reply

POINTS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "a"},
            "geometry": {"type": "Point", "coordinates": [51.3, 35.7]},
        }
    ],
}


def described(file_type: str = "GeoJSON", layers: Any = None) -> OutputAsset:
    """An uploaded file of this type."""
    data = {"uuid": ASSET, "file_type": file_type, "layers": layers}
    return OutputAsset(kind="file", uuid=ASSET, name="f", data=data, api_url="https://x/v1/f/")


FIRST = {"layers": [{"layer": "towns", "dataset": "towns.gpkg", "format": "GPKG"}, {"layer": "b"}]}


async def test_publish_form_defaults(call: Caller, wire: Wire) -> None:
    """A publish names what to make, the first layer of the file, and the usual values."""
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    assert (await call("start_publish", described("GPKG", FIRST), "towns")).uuid == TASK
    assert wire.work_lines == [f"POST files/{ASSET}/publish/", f"GET tasks/{TASK}/"]
    assert dict(form(wire.work[0])) == {
        "publish_as": "vector",
        "layer_name": "towns",
        "input_layer": "towns",
        "replace_domain_codes_by_values": "False",
        "input_dataset": "towns.gpkg",
        "input_srid": "3857",
        "file_encoding": "UTF-8",
        "report_errors": "True",
        "as_terrain": "False",
    }


OPTIONS = {
    "publish_as": "raster",
    "input_layer": "b",
    "input_dataset": "d",
    "input_geom_type": "POINT",
    "input_srid": 4326,
    "file_encoding": "cp1256",
    "replace_domain_codes_by_values": True,
    "report_errors": False,
    "as_terrain": True,
    "user_id": 9,
}


async def test_publish_form_takes_every_option(call: Caller, wire: Wire) -> None:
    """Every option replaces its default; a file known by its uuid only is read first."""
    wire.on("GET", f"files/{ASSET}/info/", {"uuid": ASSET, "file_type": "GPKG", "layers": FIRST})
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    await call("start_publish", ASSET, "شهر", **OPTIONS)
    assert wire.work_lines[0] == f"GET files/{ASSET}/info/"
    expected = {"layer_name": "شهر", **{name: str(value) for name, value in OPTIONS.items()}}
    assert dict(form(wire.work[1])) == expected


@pytest.mark.parametrize(
    ("file_type", "layers", "made"),
    [
        ("GeoJSON", None, "vector"),
        ("Shapefile", None, "vector"),
        ("CSV", None, "vector"),
        ("GeoTIFF", None, "raster"),
        ("GLB", None, "model3d"),
        ("ThreedTiles", None, "tiles3d"),
        ("XLSX", None, "table"),
        ("Complex", FIRST, "vector"),
        ("Complex", {"layers": [{"format": "GeoTIFF"}]}, "raster"),
    ],
)
def test_format_suggests_what_to_make(file_type: str, layers: Any, made: str) -> None:
    """A file is published as its format suggests, an archive as what is in it."""
    assert suggested_publish_as(described(file_type, layers)) == made


@pytest.mark.parametrize(
    ("file_type", "layers"),
    [
        ("Document", None),
        ("Complex", None),
        ("Complex", {"layers": []}),
        ("Complex", {"layers": "x"}),
        ("Complex", {"layers": [None]}),
        ("Complex", []),
        (None, None),
    ],
)
async def test_format_that_says_nothing_asks_for_publish_as(
    call: Caller, wire: Wire, file_type: Any, layers: Any
) -> None:
    """A file whose format does not determine its kind asks for `publish_as` by name."""
    with pytest.raises(InvalidArgumentError, match="publish_as must be given"):
        await call("start_publish", described(file_type, layers), "x")
    assert wire.seen == []


async def test_publish_file_returns_the_layer(call: Caller, wire: Wire) -> None:
    """A publish waits for its remote task and returns the asset that it made."""
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    ended = task("SUCCESS", result={"layer_uuid": ASSET})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), task("PROGRESS"), ended)
    wire.on("GET", f"vectorLayers/{ASSET}/", {"uuid": ASSET, "name": "towns"})
    layer = await call("publish_file", described(), "towns", progress_bar=False)
    assert (layer.kind, layer.uuid) == ("vector", ASSET)
    assert wire.count(f"POST files/{ASSET}/publish/") == 1


async def test_failed_publish_says_why(call: Caller, wire: Wire) -> None:
    """A publish whose remote task fails raises with the server's reason."""
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    failed = task("FAILURE", result={"detail": {"msg": "no geometry column"}})
    wire.on("GET", f"tasks/{TASK}/", failed)
    with pytest.raises(TaskFailedError, match="no geometry column"):
        await call("publish_file", described(), "towns")


async def test_publish_without_output_is_an_invalid_response(call: Caller, wire: Wire) -> None:
    """A publish that succeeds without naming an asset raises instead of returning None."""
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task())
    with pytest.raises(InvalidResponseError, match=TASK):
        await call("publish_file", described(), "towns")


async def test_publish_that_runs_out_of_time_is_aborted(call: Caller, wire: Wire) -> None:
    """A publish owns its remote task: at its timeout it aborts it."""
    wire.lists()
    wire.on("POST", f"files/{ASSET}/publish/", {"task_id": TASK})
    wire.on("POST", f"tasks/{TASK}/abort/", reply(204))
    wire.on(
        "GET",
        f"tasks/{TASK}/",
        lambda _: json_answer(
            task("ABORTED" if wire.count(f"POST tasks/{TASK}/abort/") else "PENDING")
        ),
    )
    with pytest.raises(TimeoutError):
        await call("publish_file", described(), "towns", timeout=5, progress_bar=False)
    assert wire.count(f"POST tasks/{TASK}/abort/") == 1


def test_publish_form_equals_that_of_the_sdk(
    geobox_emulator: GeoboxEmulator, tmp_path: Path
) -> None:
    """For the same file our publish form is the SDK's, field by field."""
    sdk = pytest.importorskip("geobox")
    path = tmp_path / "points.geojson"
    path.write_text(json.dumps(POINTS))

    peer = sdk.GeoboxClient(host=geobox_emulator.url, apikey=geobox_emulator.apikey)
    peer.upload_file(str(path)).publish(name="same")
    peer.session.close()
    with GeoboxClient(geobox_emulator.url, apikey=geobox_emulator.apikey) as client:
        client.start_publish(client.upload_file(path), "same")

    theirs, ours = (
        request.body for request in geobox_emulator.requests if request.path.endswith("/publish/")
    )
    assert sorted(ours) == sorted(theirs)
    assert len(ours) == 9
    their_upload, our_upload = (
        request.body
        for request in geobox_emulator.requests
        if (request.method, request.path) == ("POST", "/v1/files/")
    )
    assert sorted(our_upload, key=repr) == sorted(their_upload, key=repr)


async def test_publish_end_to_end(geobox_emulator: GeoboxEmulator, tmp_path: Path) -> None:
    """Against the emulator a file is uploaded, published, counted and found by its name."""
    path = tmp_path / "points.geojson"
    path.write_text(json.dumps(POINTS))
    async with AsyncGeoboxClient(
        geobox_emulator.url,
        username=geobox_emulator.username,
        password=geobox_emulator.password,
    ) as client:
        file = await client.upload_file(path)
        layer = await client.publish_file(file, "towns", interval=0.01)
        assert await client.count_features(layer) == 1
        assert (await client.get_features(layer))["features"][0]["properties"]["name"] == "a"
        assert await client.find_assets("vector", "towns") == [layer]
        assert await client.count_tasks(state="SUCCESS") == 1
