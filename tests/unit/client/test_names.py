"""Names of layers and files in the spellings of Unicode."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from prefect_geobox.client import by_name, operations
from prefect_geobox.client.model.names import layer_name_of
from prefect_geobox.client.model.text import printable
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, TASK, task
from tests.kit.wire import Wire, form, query

COMPOSED, DECOMPOSED = "Z\u00fcrich", "Zu\u0308rich"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/cities.geojson", "cities"),
        ("parcels.2024-05-01.geojson", "parcels_2024_05_01"),
        ("v1.2 roads.zip", "v1_2_roads"),
        ("roads.shp.zip", "roads"),
        ("x.GDB.ZIP", "x"),
        ("dem.tar.gz", "dem"),
        ("readings.2024", "readings_2024"),
        (f"31_{DECOMPOSED} Gemeinden.geojson", f"31_{COMPOSED}_Gemeinden"),
        (
            "\u067e\u0627\u0631\u0633\u0644\u200c\u0647\u0627\u06cc \u062a.json",
            "\u067e\u0627\u0631\u0633\u0644\u200c\u0647\u0627\u06cc_\u062a",
        ),
        ("\u0939\u093f\u0928\u094d\u0926\u0940.gpkg", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ('it\'s "100%" {x}.csv', "it_s_100_x"),
        ("a\U0001f5fa\ufe0fb.csv", "a_b"),
        ("___.csv", "layer"),
        ("\u200c.csv", "layer"),
        (".geojson", "geojson"),
    ],
)
def test_the_name_of_a_layer_is_made_from_that_of_a_file(path: str, name: str) -> None:
    """Only known endings are cut; letters with their marks and joiners are kept, composed."""
    assert layer_name_of(path) == name


async def test_a_file_is_uploaded_under_its_composed_name(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A file as macOS names it is sent with composed letters, and looked up in both spellings."""
    path = tmp_path / f"{DECOMPOSED}.csv"
    path.write_bytes(b"a")
    wire.lists()
    wire.on("POST", "files/", {"uuid": ASSET, "name": "x", "file_type": "CSV"})
    await call("upload_file", path)
    (request,) = wire.work
    assert f'filename="{COMPOSED}.csv"'.encode() in request.content
    listing = dict(query(wire.seen[0]))["q"]
    assert listing == f"name = '{DECOMPOSED}.csv' OR name = '{COMPOSED}.csv'"


@pytest.mark.parametrize(("given", "there"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_a_name_is_found_in_each_spelling(
    call: Caller, wire: Wire, given: str, there: str
) -> None:
    """Something is found by its name whether its letters are composed or not."""
    wire.on("GET", "vectorLayers/", [{"uuid": ASSET, "name": there}])
    wire.on("GET", "vectorLayerViews/", [])
    wire.on("GET", "tasks/", [])
    wire.on("POST", f"vectorLayers/{ASSET}/export/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    assert (await call("find_asset", "vector", given)).uuid == ASSET
    await call("start", operations.export_features, by_name(given), "x.gpkg")
    (request,) = [seen for seen in wire.work if seen.method == "POST"]
    assert dict(form(request))["out_filename"] == "x.gpkg"


def test_joiners_are_part_of_a_text() -> None:
    """Joiners stay in texts for people; other invisible characters become spaces."""
    assert printable("a\u200cb\u200dc\u202ed\u200be") == "a\u200cb\u200dc d e"
    assert unicodedata.normalize("NFC", DECOMPOSED) == COMPOSED
