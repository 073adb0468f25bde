"""Files with several layers: all are listed, the one that is named is published, no other is."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyogrio")

from tests.kit.geodata_files import vector_file, zip_of
from tests.kit.plain_api import Api, failure, geojson, new_name, point

KML = b"""<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Folder><name>Wells</name><Placemark><name>w</name>
<Point><coordinates>51.4,35.7</coordinates></Point></Placemark></Folder>
<Folder><name>Pipes</name><Placemark><name>p</name>
<LineString><coordinates>51.4,35.7 51.5,35.8</coordinates></LineString></Placemark></Folder>
</Document></kml>"""
GPX = b"""<gpx version="1.1" creator="tests" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="35.7" lon="51.4"/><trkpt lat="35.8" lon="51.5"/></trkseg></trk></gpx>"""


def shapefiles(**columns: str) -> bytes:
    """A zip with a Shapefile for each name, with one column."""
    members = {}
    for stem, column in columns.items():
        files = vector_file(".shp", {column: ["x"]})
        members |= {f"{stem}{suffix}": content for suffix, content in files.items()}
    return zip_of(members)


def listed(api: Api, name: str, content: bytes) -> list[tuple[str, str, str]]:
    """The layers of an upload: name, dataset and format."""
    layers = api.upload(name, content)["layers"]["layers"]
    return [(layer["layer"], layer["dataset"], layer["format"]) for layer in layers]


def test_every_shapefile_of_a_zip_is_listed_and_published(api: Api) -> None:
    """Each Shapefile of a zip is a layer, and either name of it is enough to publish it."""
    content = shapefiles(roads="road", rivers="river")
    assert listed(api, "a.zip", content) == [
        ("rivers", "rivers.shp", "Shapefile"),
        ("roads", "roads.shp", "Shapefile"),
    ]
    for form in (
        {"input_layer": "roads", "input_dataset": "roads.shp"},
        {"input_layer": "roads"},
        {"input_dataset": "roads.shp"},
    ):
        [feature] = api.features(api.layer("a.zip", content, **form))
        assert feature["properties"] == {"road": "x"}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"input_layer": "lakes"}, "no layer 'lakes', as in input_layer; it has: 'rivers' of"),
        ({"input_dataset": "lakes.shp"}, "no 'lakes.shp', as in input_dataset; it has: rivers.shp"),
        ({"input_layer": "roads", "input_dataset": "rivers.shp"}, "it has: 'rivers'"),
    ],
)
def test_layer_that_a_zip_lacks_is_refused(api: Api, form: dict[str, str], reason: str) -> None:
    """A layer or dataset that is not there is a FAILURE that lists those that are."""
    kind, message = failure(api.publish("a.zip", shapefiles(roads="a", rivers="b"), **form))
    assert kind == "geobox.InvalidFileError"
    assert reason in message


def test_layer_name_that_several_datasets_have_is_refused(api: Api) -> None:
    """A name that two datasets of a zip have is only taken together with a dataset."""
    content = zip_of({f"{year}/a.geojson": geojson(point(year, 0)) for year in (1, 2)})
    assert listed(api, "a.zip", content) == [
        ("a", "1/a.geojson", "GeoJSON"),
        ("a", "2/a.geojson", "GeoJSON"),
    ]
    _, message = failure(api.publish("a.zip", content, input_layer="a"))
    assert "several layers 'a'" in message
    layer = api.layer("a.zip", content, input_layer="a", input_dataset="2/a.geojson")
    [feature] = api.features(layer, out_srid=4326)
    assert feature["geometry"]["coordinates"] == [2, 0]


@pytest.mark.parametrize(
    ("name", "content", "dataset"),
    [("a.kml", KML, "a.kml"), ("a.zip", zip_of({"doc.kml": KML}), "doc.kml")],
    ids=["kml", "zip"],
)
def test_every_folder_of_a_kml_is_a_layer(
    api: Api, name: str, content: bytes, dataset: str
) -> None:
    """The folders of a KML, zipped or not, are listed, published and counted."""
    assert listed(api, name, content) == [("Wells", dataset, "KML"), ("Pipes", dataset, "KML")]
    assert api.upload(name, content)["feature_count"] == 2
    assert api.layer(name, content, input_layer="Pipes")["layer_type"] == "Polyline"
    _, message = failure(api.publish(name, content, input_layer="Tanks"))
    assert "it has: 'Wells', 'Pipes'" in message


def test_the_first_layer_of_a_gpx_has_features(api: Api) -> None:
    """All five layers of a GPX are listed, those with features first."""
    names = [layer for layer, _, _ in listed(api, "a.gpx", GPX)]
    assert names == ["tracks", "track_points", "waypoints", "routes", "route_points"]
    assert api.layer("a.gpx", GPX)["layer_type"] == "Polyline"
    assert api.layer("a.gpx", GPX, input_layer="track_points")["feature_count"] == 2
    kind, _ = failure(api.publish("a.gpx", GPX, input_layer="waypoints"))
    assert kind == "geobox.NoFeaturesError"


@pytest.mark.parametrize("name", ["a.geojson", "a.csv"])
def test_file_of_one_layer_refuses_another_name(api: Api, name: str) -> None:
    """A GeoJSON or CSV has one layer, called as the file, and no other."""
    content = geojson(point(1, 2)) if name == "a.geojson" else b"lon,lat\n1,2\n"
    assert api.layer(name, content, input_layer="a", input_dataset=name)["feature_count"] == 1
    _, message = failure(api.publish(name, content, input_layer="b"))
    assert "it has: 'a'" in message


def test_geodatabase_in_a_zip_is_published(api: Api, tmp_path: Path) -> None:
    """The folder of a file geodatabase is one dataset, whose layers are listed."""
    import numpy as np
    import pyogrio
    import shapely

    for layer in ("roads", "rivers"):
        pyogrio.raw.write(
            tmp_path / "x.gdb",
            np.array([shapely.Point(1, 2).wkb], dtype=object),
            [np.array([layer], dtype=object)],
            ["name"],
            driver="OpenFileGDB",
            layer=layer,
            geometry_type="Point",
            crs="EPSG:4326",
            append=(tmp_path / "x.gdb").exists(),
        )
    files = {f"data/x.gdb/{p.name}": p.read_bytes() for p in (tmp_path / "x.gdb").iterdir()}
    content = zip_of(files)
    assert listed(api, "a.zip", content) == [
        ("roads", "data/x.gdb", "FileGDB"),
        ("rivers", "data/x.gdb", "FileGDB"),
    ]
    [feature] = api.features(api.layer("a.zip", content, input_layer="rivers"))
    assert feature["properties"] == {"name": "rivers"}


def test_tables_of_a_zip_are_told_apart(api: Api) -> None:
    """A zip of two CSV gives the table that is named, and no other."""
    content = zip_of({"one.csv": b"a\n1\n", "two.csv": b"b\n2\n"})
    form = {"publish_as": "table", "layer_name": new_name()}
    table = api.publish("a.zip", content, input_dataset="two.csv", **form)["result"]["table_uuid"]
    assert [f["name"] for f in api.get(f"tables/{table}/fields/")] == ["b"]
    _, message = failure(api.publish("a.zip", content, input_dataset="three.csv", **form))
    assert "it has: one.csv, two.csv" in message


def test_json_beside_data_in_a_zip_is_no_layer(api: Api) -> None:
    """Of the JSON files in a zip, only those that are GeoJSON count as layers."""
    content = zip_of({"about.json": b'{"title": "x"}', "a.json": geojson(point(1, 2))})
    assert listed(api, "a.zip", content) == [("a", "a.json", "GeoJSON")]
    assert api.layer("a.zip", content)["feature_count"] == 1


def test_lone_shapefile_says_what_to_zip(api: Api) -> None:
    """A .shp without its .shx, zipped or not, is a FAILURE that names the parts to zip."""
    files = vector_file(".shp", {"a": ["x"]})
    for name, content in (
        ("a.shp", files[".shp"]),
        ("a.zip", zip_of({"a.shp": files[".shp"]})),
    ):
        kind, message = failure(api.publish(name, content))
        assert kind == "geobox.InvalidFileError"
        assert "without its .shx; upload a zip" in message


def test_shapefile_in_capital_letters_is_read(api: Api) -> None:
    """The parts of a Shapefile belong together whatever the case of their names."""
    files = vector_file(".shp", {"a": ["x"]})
    members = {f"R{s.upper()}" if s != ".dbf" else f"r{s}": c for s, c in files.items()}
    [feature] = api.features(api.layer("a.zip", zip_of(members)))
    assert feature["properties"] == {"a": "x"}
