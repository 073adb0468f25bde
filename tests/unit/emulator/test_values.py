"""Values on their way through the emulator: read from files, filtered by, written into files."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.kit.geodata_files import vector_file
from tests.kit.plain_api import Api, geojson, new_name, point

pyogrio = pytest.importorskip("pyogrio")


def layer_of(api: Api, **properties: Any) -> dict[str, Any]:
    """A layer of one point with these properties."""
    return api.layer("a.geojson", geojson(point(1, 2), properties=properties))


def export(api: Api, layer: dict[str, Any], out_format: str, **form: Any) -> tuple[Any, bytes]:
    """Exports a layer: the result of the task, and the file."""
    data = {"out_filename": "a", "out_format": out_format, "zipped": "False", **form}
    start = api.json("POST", f"vectorLayers/{layer['uuid']}/export/", data=data)
    task = api.wait(start["task_id"])
    assert task["state"] == "SUCCESS", task["result"]
    return task["result"], api.http.get(f"files/{task['result']['file_uuid']}/download/").content


def messages(result: dict[str, Any]) -> list[str]:
    """What an export could not keep."""
    return [error["msg"] for error in result.get("errors", [])]


def columns_of(content: bytes, suffix: str, folder: Path) -> dict[str, Any]:
    """The columns of a file of one feature, as GDAL reads them."""
    path = folder / f"a{suffix}"
    path.write_bytes(content)
    meta, _, _, columns = pyogrio.raw.read(path)
    return {n: c[0] for n, c in zip(meta["fields"], columns, strict=True)}


def test_times_keep_their_offsets(api: Api, tmp_path: Path) -> None:
    """A time of a GPKG is served with its offset, and an exact one without is not given any."""
    path = tmp_path / "a.gpkg"
    path.write_bytes(vector_file(".gpkg", {"n": [1, 2]})[".gpkg"])
    with sqlite3.connect(path) as database:
        # Triggers of the format call functions that only GDAL has.
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("ALTER TABLE a ADD COLUMN seen DATETIME")
        database.execute("ALTER TABLE a ADD COLUMN raw BLOB")
        database.execute("ALTER TABLE a ADD COLUMN many INTEGER")
        database.execute(
            "UPDATE a SET seen = '2024-05-01T10:00:00+03:30', raw = x'00ff', many = ? WHERE n = 1",
            (2**60 + 1,),
        )
    database.close()
    layer = api.layer("a.gpkg", path.read_bytes())
    full, empty = (feature["properties"] for feature in api.features(layer))
    assert full["seen"] == "2024-05-01T10:00:00+03:30"
    assert full["raw"] == "00FF"
    assert full["many"] == 2**60 + 1
    assert (empty["seen"], empty["raw"], empty["many"]) == (None, None, None)
    fields = {f["name"]: f["datatype"] for f in api.get(f"vectorLayers/{layer['uuid']}/fields/")}
    assert (fields["seen"], fields["many"]) == ("DateTime", "Long")


def test_times_of_a_kml_keep_their_offsets(api: Api) -> None:
    """A time stamp of a KML is served with its offset."""
    content = b"""<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark>
    <TimeStamp><when>2024-05-01T10:00:00+03:30</when></TimeStamp>
    <Point><coordinates>1,2</coordinates></Point></Placemark></kml>"""
    [feature] = api.features(api.layer("a.kml", content))
    assert feature["properties"]["timestamp"] == "2024-05-01T10:00:00+03:30"


def test_shapefile_tells_what_it_cuts(api: Api) -> None:
    """The export names the columns that are renamed, and counts texts and numbers that are cut."""
    layer = layer_of(
        api,
        population_density=1.5,
        population_count=2**62 + 1,
        description="ä" * 200,
        tiny=1e-20,
        short="x",
        n=1,
    )
    result, content = export(api, layer, "Shapefile")
    assert messages(result) == [
        "the column 'population_density' is called 'population'",
        "the column 'population_count' is called 'populati_1'",
        "the column 'description' is called 'descriptio'",
        "1 of the numbers in 'population_count' lost digits",
        "1 of the texts in 'description' were cut to 254 bytes",
        "1 of the numbers in 'tiny' lost digits",
    ]
    assert all(error["layer"] == layer["name"] for error in result["errors"])
    assert {Path(name).suffix for name in ZipFile(io.BytesIO(content)).namelist()} >= {".shp"}


def test_shapefile_that_keeps_all_has_no_errors(api: Api) -> None:
    """An export without losses has no `errors`, with empty texts and values missing."""
    layer = layer_of(api, name="Straße", n=2**31, share=0.1, empty="", missing=None, flag=True)
    assert messages(export(api, layer, "Shapefile")[0]) == []


@pytest.mark.parametrize("out_format", ["GPKG", "KML"])
def test_columns_that_differ_only_in_case_are_renamed(
    api: Api, tmp_path: Path, out_format: str
) -> None:
    """Where a format cannot tell two columns apart, the second gets a number, and that is said."""
    layer = layer_of(api, Code="a", code="b", CODE="c")
    result, content = export(api, layer, out_format)
    assert messages(result) == [
        "the column 'code' is called 'code2'",
        "the column 'CODE' is called 'CODE3'",
    ]
    columns = columns_of(content, f".{out_format.lower()}", tmp_path)
    assert (columns["Code"], columns["code2"], columns["CODE3"]) == ("a", "b", "c")


def test_columns_called_as_those_of_a_gpkg_are_kept(api: Api, tmp_path: Path) -> None:
    """Columns `fid` and `geom` of a layer are written beside the GPKG's own, which give way."""
    result, content = export(api, layer_of(api, fid="a", geom="b"), "GPKG")
    assert messages(result) == []
    assert columns_of(content, ".gpkg", tmp_path) == {"fid": "a", "geom": "b"}


def test_column_called_wkt_is_kept_in_a_csv(api: Api) -> None:
    """A column `wkt` of a layer is written beside that of the geometries."""
    _, content = export(api, layer_of(api, wkt="mine", n=0.0000001), "CSV", out_srid=4326)
    assert content.decode().splitlines()[0] == "wkt2,n,wkt"
    [feature] = api.features(api.layer("a.csv", content, input_srid=4326))
    assert feature["properties"] == {"wkt2": "mine", "n": 1e-07}


@pytest.mark.parametrize("out_format", ["GPKG", "CSV"])
def test_nested_values_are_written_as_json(api: Api, tmp_path: Path, out_format: str) -> None:
    """Lists and objects of a GeoJSON are written as JSON, not in the notation of Python."""
    layer = layer_of(api, nested={"ü": [1, None]}, values=["a"])
    _, content = export(api, layer, out_format)
    columns = columns_of(content, f".{out_format.lower()}", tmp_path)
    assert json.loads(columns["nested"]) == {"ü": [1, None]}
    assert json.loads(columns["values"]) == ["a"]


@pytest.mark.parametrize("out_format", ["GPKG", "Shapefile", "KML", "CSV", "GeoJSON"])
def test_very_large_whole_numbers_are_exported(api: Api, out_format: str) -> None:
    """A whole number that no 64 bits hold is exported, if need be as a floating-point number."""
    export(api, layer_of(api, n=10**20), out_format)


def test_layers_with_awkward_names_are_exported_together(api: Api) -> None:
    """Layers whose names differ in case, hold slashes or are long become layers of one file."""
    content = geojson(point(1, 2))
    base = new_name()
    names = [f"{base}A", f"{base}a", f"{base}/x", base + "é" * 200]
    layers = [
        {
            "layer_type": "vector",
            "layer_uuid": api.layer("a.geojson", content, layer_name=name)["uuid"],
        }
        for name in names
    ]
    group = api.json("POST", "groupLayers/", json={"name": new_name(), "layers": layers})
    for out_format, suffix in (("GPKG", ".gpkg"), ("GeoJSON", ".zip"), ("Shapefile", ".zip")):
        data = {"out_filename": "a", "out_format": out_format, "zipped": "False"}
        start = api.json("POST", f"groupLayers/{group['uuid']}/export/", data=data)
        task = api.wait(start["task_id"])
        assert task["state"] == "SUCCESS", task["result"]
        file = api.get(f"files/{task['result']['file_uuid']}/info/")
        assert file["name"] == f"a{suffix}"
        assert file["layer_count"] == 4


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("نام", "نام"),
        ("Größe", "Größe"),
        ("می\u200cشود", "می\u200cشود"),
        ("u\u0308ber", "u\u0308ber"),
        ("名前", "名前"),
        ('a "b"', '"a ""b"""'),
        ("with space", '"with space"'),
    ],
)
def test_filter_knows_columns_in_any_script(api: Api, column: str, written: str) -> None:
    """A column in any script needs no quotes in `q`, and a quote in a name is doubled."""
    layer = layer_of(api, **{column: 5})
    assert len(api.features(layer, q=f"{written} > 4 AND {written} IN (5)")) == 1
    assert api.features(layer, q=f"NOT {written}=5") == []
    answer = api.http.get(f"vectorLayers/{layer['uuid']}/features/", params={"q": "ناشناس = 1"})
    assert answer.status_code == 422
    assert "ناشناس" in answer.text
