"""Texts in other encodings, of every format that has texts."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("pyogrio")

from tests.kit.geodata_files import vector_file, zip_of, zipped_shapefile
from tests.kit.plain_api import Api, failure, geojson, point

CITY = "Москва"
GEOJSON = (
    geojson(point(37, 55), properties={"name": CITY}).decode().encode().decode("unicode_escape")
)
CSV = f"name,lon,lat\n{CITY},37,55\n"


def without_encoding(files: dict[str, bytes]) -> dict[str, bytes]:
    """A Shapefile that does not name its encoding."""
    table = files[".dbf"]
    return {**files, ".dbf": table[:29] + b"\0" + table[30:], ".cpg": b""}


def shapefile(encoding: str, *, named: bool = True) -> bytes:
    """A zipped Shapefile in an encoding that it names or not."""
    files = vector_file(".shp", {"name": [CITY]}, encoding=encoding)
    return zipped_shapefile("a", files if named else without_encoding(files))


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.geojson", GEOJSON.encode("cp1251"), {"file_encoding": "cp1251"}),
        ("a.geojson", GEOJSON.encode("utf-16"), {}),
        ("a.geojson", GEOJSON.encode("utf-8-sig"), {}),
        ("a.zip", zip_of({"a.geojson": GEOJSON.encode("cp1251")}), {"file_encoding": "cp1251"}),
        ("a.csv", CSV.encode("cp1251"), {"file_encoding": "windows-1251"}),
        ("a.csv", CSV.encode("utf-16"), {"file_encoding": "UTF-8"}),
        ("a.csv", CSV.encode("utf-8-sig"), {"file_encoding": "cp1251"}),
        ("a.zip", shapefile("cp1251"), {"file_encoding": "UTF-8"}),
        ("a.zip", shapefile("cp1251", named=False), {"file_encoding": "cp1251"}),
        ("a.zip", shapefile("UTF-8", named=False), {"file_encoding": "UTF-8"}),
    ],
    ids=[
        "geojson",
        "geojson-utf16",
        "geojson-mark",
        "geojson-zip",
        "csv",
        "csv-utf16",
        "csv-mark",
        "shapefile",
        "shapefile-unnamed",
        "shapefile-unnamed-utf8",
    ],
)
def test_text_is_read_in_its_encoding(
    api: Api, name: str, content: bytes, form: dict[str, str]
) -> None:
    """`file_encoding` holds for every format of texts; what a file says of itself is heeded."""
    [feature] = api.features(api.layer(name, content, **form))
    assert feature["properties"]["name"] == CITY


@pytest.mark.parametrize("declared", ["windows-1251", "koi8-r", "UTF-8"])
def test_kml_is_read_in_the_encoding_that_it_declares(api: Api, declared: str) -> None:
    """A KML may be in any encoding that it declares, though GDAL knows few of them."""
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><kml xmlns="http://www.opengis.net/kml/2.2">'
        f"<Document><name>{CITY}</name><Placemark><name>{CITY}</name>"
        "<Point><coordinates>37,55</coordinates></Point></Placemark></Document></kml>"
    )
    content = text.encode(declared)
    [layer] = api.upload("a.kml", content)["layers"]["layers"]
    assert layer["layer"] == CITY
    [feature] = api.features(api.layer("a.kml", content, input_layer=CITY))
    assert feature["properties"]["Name"] == CITY


def test_encoding_of_the_request_wins_over_a_wrong_one(api: Api) -> None:
    """A Shapefile that names the wrong encoding is read in the one that the request names."""
    files = vector_file(".shp", {"name": [CITY]}, encoding="cp1251")
    content = zipped_shapefile("a", {**files, ".cpg": b"UTF-8"})
    _, message = failure(api.publish("a.zip", content, file_encoding="UTF-8"))
    assert "its text is not UTF-8" in message
    [feature] = api.features(api.layer("a.zip", content, file_encoding="cp1251"))
    assert feature["properties"] == {"name": CITY}


def test_shapefile_without_encoding_falls_back_to_latin_1(api: Api) -> None:
    """Where a Shapefile names no encoding and is not in UTF-8, it is read as GDAL does."""
    files = vector_file(".shp", {"name": ["Zürich"]}, encoding="cp1252")
    content = zipped_shapefile("a", without_encoding(files))
    [feature] = api.features(api.layer("a.zip", content, file_encoding="UTF-8"))
    assert feature["properties"] == {"name": "Zürich"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.geojson", GEOJSON.encode("cp1251")), ("a.csv", CSV.encode("cp1251"))],
    ids=["geojson", "csv"],
)
@pytest.mark.parametrize(
    ("encoding", "reason"),
    [("UTF-8", "its text is not UTF-8"), ("marsian", "no encoding 'marsian'"), ("hex", "'hex'")],
)
def test_wrong_encoding_is_a_failure_that_names_the_parameter(
    api: Api, name: str, content: bytes, encoding: str, reason: str
) -> None:
    """A text that is not in the encoding of the request names `file_encoding` as the remedy."""
    kind, message = failure(api.publish(name, content, file_encoding=encoding))
    assert kind == "geobox.InvalidFileError"
    assert reason in message
    assert "file_encoding" in message


def test_encoding_holds_for_tables_and_imports(api: Api) -> None:
    """A table and an import into a layer are read in `file_encoding` too."""
    form: dict[str, Any] = {"publish_as": "table", "file_encoding": "cp1251"}
    table = api.publish("a.csv", CSV.encode("cp1251"), **form)["result"]["table_uuid"]
    [row] = api.get(f"tables/{table}/rows/", f="json", skip=0, limit=9, return_count="False")
    assert row["name"] == CITY
    layer = api.layer("a.csv", CSV.encode())
    file = api.upload("a.geojson", GEOJSON.encode("cp1251"))
    data = {"file_uuid": file["uuid"], "file_encoding": "cp1251"}
    start = api.json("POST", f"vectorLayers/{layer['uuid']}/import/", data=data)
    assert api.wait(start["task_id"])["state"] == "SUCCESS"
    assert [f["properties"]["name"] for f in api.features(layer)] == [CITY, CITY]
