"""The layer of a file that is read: the names that are sent, refused, and logged."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest

from prefect_geobox.client import InvalidArgumentError, OutputAsset, operations
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, OTHER, TASK, task
from tests.kit.wire import Wire, form

RIVERS = {"layer": "rivers", "dataset": "rivers.shp", "format": "Shapefile"}
ROADS = {"layer": "roads", "dataset": "roads.shp", "format": "Shapefile"}
HEIGHTS = {"layer": None, "dataset": "heights.tif", "format": "GeoTIFF"}


def archive(*layers: dict[str, Any], file_type: str = "Complex") -> OutputAsset:
    """An uploaded zip with these layers."""
    data = {"uuid": ASSET, "name": "a.zip", "file_type": file_type, "layers": {"layers": [*layers]}}
    return OutputAsset(kind="file", uuid=ASSET, name="a.zip", data=data, api_url="https://x/v1/f/")


def accept(wire: Wire, path: str) -> None:
    """Serves an endpoint that starts a remote task."""
    wire.lists()
    wire.on("POST", path, {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))


def sent(wire: Wire) -> dict[str, str]:
    """The form of the only request that started something."""
    (request,) = [seen for seen in wire.work if seen.method == "POST"]
    return dict(form(request))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("rivers", "rivers.shp")),
        ({"input_layer": "roads"}, ("roads", "roads.shp")),
        ({"input_dataset": "roads.shp"}, ("roads", "roads.shp")),
        ({"input_layer": "roads", "input_dataset": "roads.shp"}, ("roads", "roads.shp")),
    ],
)
async def test_layer_and_dataset_belong_together(
    call: Caller, wire: Wire, given: dict[str, str], expected: tuple[str, str]
) -> None:
    """Of a layer and its dataset, the one that is not given is that of the other."""
    accept(wire, f"files/{ASSET}/publish/")
    await call("start_publish", archive(RIVERS, ROADS), "x", **given)
    found = sent(wire)
    assert (found["input_layer"], found["input_dataset"]) == expected


async def test_a_name_that_is_composed_otherwise_is_found(call: Caller, wire: Wire) -> None:
    """A layer whose name a Mac has decomposed is found, and sent as the file has it."""
    decomposed = unicodedata.normalize("NFD", "Zürich")
    layer = {**ROADS, "layer": decomposed, "dataset": f"{decomposed}.shp"}
    accept(wire, f"files/{ASSET}/publish/")
    await call("start_publish", archive(RIVERS, layer), "x", input_layer="Zürich")
    found = sent(wire)
    assert (found["input_layer"], found["input_dataset"]) == (decomposed, f"{decomposed}.shp")


@pytest.mark.parametrize("operation", ["import_features", "update_by_file"])
async def test_an_edit_reads_the_file_to_pair_its_names(
    call: Caller, wire: Wire, operation: str
) -> None:
    """An import into a layer, and an update by file, look up the dataset of the given layer."""
    key = ("id",) if operation == "update_by_file" else ()
    path = "updateByFile" if operation == "update_by_file" else "import/"
    accept(wire, f"vectorLayers/{OTHER}/{path}")
    wire.on("GET", f"files/{ASSET}/info/", archive(RIVERS, ROADS).data)
    started = operations.OPERATIONS[operation]
    await call("start", started, OTHER, ASSET, *key, input_layer="roads")
    assert sent(wire)["input_dataset"] == "roads.shp"
    with pytest.raises(InvalidArgumentError, match=r"has no layer 'road'\. Did you mean roads\?"):
        await call("start", started, OTHER, ASSET, *key, input_layer="road")


async def test_rows_are_read_from_the_dataset_in_a_zip(call: Caller, wire: Wire) -> None:
    """An import of rows names the table within a zip, not the zip."""
    accept(wire, f"tables/{OTHER}/import-csv/")
    rows = {"layer": "readings", "dataset": "2024/readings.csv", "format": "CSV"}
    await call("start", operations.import_rows, OTHER, archive(rows))
    assert sent(wire)["input_dataset"] == "2024/readings.csv"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"input_layer": "well"},
            "input_layer: file 'a.zip' has no layer 'well'. Did you mean wells? There are wells (",
        ),
        ({"input_dataset": "x.shp"}, "input_dataset: file 'a.zip' has no dataset 'x.shp'."),
        (
            {"input_layer": "wells", "input_dataset": "roads.shp"},
            "input_dataset: 'roads.shp' of file 'a.zip' does not hold the layer 'wells'.",
        ),
        ({"input_layer": "roads"}, "input_dataset must be given: several datasets of file 'a.zip'"),
    ],
)
async def test_a_layer_that_the_file_does_not_have_is_refused(
    call: Caller, wire: Wire, given: dict[str, str], message: str
) -> None:
    """A name that the file does not have is refused with those that it has; nothing is sent."""
    wells = {"layer": "wells", "dataset": "wells.shp", "format": "Shapefile"}
    old = {**ROADS, "dataset": "old/roads.shp"}
    with pytest.raises(InvalidArgumentError, match="^" + re.escape(message)):
        await call("start_publish", archive(wells, ROADS, old), "x", **given)
    assert wire.seen == []


async def test_names_are_sent_as_given_where_the_server_lists_none(
    call: Caller, wire: Wire
) -> None:
    """Where the server lists no layers of a file, given names are sent unchecked."""
    accept(wire, f"files/{ASSET}/publish/")
    await call("start_publish", archive(file_type="GPKG"), "x", input_layer="a", input_dataset="b")
    assert (sent(wire)["input_layer"], sent(wire)["input_dataset"]) == ("a", "b")


async def test_the_format_is_that_of_the_layer(call: Caller, wire: Wire) -> None:
    """What an archive is published as follows from the layer that is taken, not from the first."""
    accept(wire, f"files/{ASSET}/publish/")
    await call("start_publish", archive(RIVERS, HEIGHTS), "x", input_dataset="heights.tif")
    assert sent(wire)["publish_as"] == "raster"
    assert "input_layer" not in sent(wire)


async def test_which_of_several_layers_is_taken_is_logged(
    call: Caller, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a file has several layers and none is named, the log says which one is taken."""
    accept(wire, f"files/{ASSET}/publish/")
    await call("start_publish", archive(RIVERS, ROADS), "x")
    assert "File 'a.zip' has 2 layers, and rivers (rivers.shp) is read." in caplog.text
    assert "There are rivers (rivers.shp), roads (roads.shp)." in caplog.text
    caplog.clear()
    await call("start_publish", archive(RIVERS, ROADS), "x", input_layer="roads")
    await call("start_publish", archive(ROADS), "x")
    assert caplog.text == ""


async def test_a_code_without_effect_is_logged(
    call: Caller, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """An EPSG code for GeoJSON, which has its own reference system, is reported as without effect.

    The code that GeoJSON has anyway is not.
    """
    accept(wire, f"files/{ASSET}/publish/")
    geojson = archive(file_type="GeoJSON")
    await call("start_publish", geojson, "x")
    await call("start_publish", geojson, "x", input_srid=4326)
    await call("start_publish", archive(ROADS), "x", input_srid=2056)
    assert caplog.text == ""
    await call("start_publish", geojson, "x", input_srid=2056)
    assert "input_srid=2056 has no effect: coordinates in GeoJSON" in caplog.text
