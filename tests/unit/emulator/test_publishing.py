"""Publishing files: what is read, what is left out, what is refused."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import Api, failure, geojson, new_name, point

np = pytest.importorskip("numpy")
pyogrio = pytest.importorskip("pyogrio")
pyproj = pytest.importorskip("pyproj")
shapely = pytest.importorskip("shapely")

# Tehran in degrees and, by pyproj, in metres of Web Mercator and of UTM 39N.
TEHRAN = (51.3890, 35.6892)
MERCATOR = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(*TEHRAN)
UTM = pyproj.Transformer.from_crs(4326, 32639, always_xy=True).transform(*TEHRAN)


def written(folder: Path, cities: bytes, suffix: str, **options: Any) -> Path:
    """The cities in another format, written by GDAL."""
    path = folder / f"cities{suffix}"
    meta, _, geometry, columns = pyogrio.raw.read(cities)
    pyogrio.raw.write(
        path,
        geometry,
        columns,
        meta["fields"],
        geometry_type="Point",
        **{"crs": meta["crs"], **options},
    )
    return path


def zipped(*paths: Path, inner: str = "") -> bytes:
    """A zip of files."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for path in paths:
            archive.write(path, f"{inner}{path.name}")
    return buffer.getvalue()


def test_geojson_becomes_a_layer_in_web_mercator(api: Api, cities: bytes) -> None:
    """A GeoJSON in degrees is served in EPSG:3857, each point where pyproj puts it."""
    name = new_name()
    layer = api.layer("cities.geojson", cities, layer_name=name)
    assert layer["name"] == layer["display_name"] == name
    assert (layer["layer_type"], layer["has_z"], layer["temporary"]) == ("Point", False, False)
    assert (layer["is_shared"], layer["description"], layer["feature_count"]) == (False, None, 243)
    collection = api.get(f"vectorLayers/{layer['uuid']}/features/", f="json", limit=243)
    assert collection["crs"]["properties"]["name"] == "EPSG:3857"
    source = json.loads(cities)["features"]
    move = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
    for made, given in zip(collection["features"], source, strict=True):
        assert made["properties"] == given["properties"]
        assert made["geometry"]["coordinates"] == pytest.approx(
            move(*given["geometry"]["coordinates"]), abs=0.001
        )


def test_countries_reach_the_pole(api: Api, countries: bytes) -> None:
    """Polygons with many parts and a vertex on the pole are published whole."""
    layer = api.layer("countries.geojson", countries)
    assert (layer["layer_type"], layer["feature_count"]) == ("Polygon", 177)
    assert all(math.isfinite(number) for number in layer["extent"])
    kinds = {feature["geometry"]["type"] for feature in api.features(layer, limit=200)}
    assert kinds == {"Polygon", "MultiPolygon"}


@pytest.mark.parametrize(
    ("crs", "position"),
    [
        (..., TEHRAN),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", TEHRAN),
        ("urn:ogc:def:crs:EPSG::4326", TEHRAN),
        ("EPSG:4326", TEHRAN),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", TEHRAN),
        ("urn:ogc:def:crs:EPSG::3857", MERCATOR),
        ("urn:ogc:def:crs:EPSG::32639", UTM),
    ],
)
def test_the_reference_system_of_the_file_wins(api: Api, crs: Any, position: Any) -> None:
    """A file that names its reference system is read in that, whatever `input_srid` is."""
    layer = api.layer("a.geojson", geojson(point(*position), crs=crs), input_srid=3857)
    [feature] = api.features(layer)
    assert feature["geometry"]["coordinates"] == pytest.approx(MERCATOR, abs=0.01)


def test_input_srid_serves_a_file_without_reference_system(api: Api) -> None:
    """Where the file names none, `input_srid` decides."""
    layer = api.layer("a.geojson", geojson(point(*UTM), crs=None), input_srid=32639)
    [feature] = api.features(layer)
    assert feature["geometry"]["coordinates"] == pytest.approx(MERCATOR, abs=0.01)


@pytest.mark.parametrize("inner", ["", "folder/"])
def test_zipped_shapefile_becomes_a_layer(
    api: Api, cities: bytes, tmp_path: Path, inner: str
) -> None:
    """A zipped Shapefile is recognised when it is uploaded and published like its source."""
    written(tmp_path, cities, ".shp")
    content = zipped(*tmp_path.iterdir(), inner=inner)
    file = api.upload("cities.zip", content)
    assert (file["file_type"], file["feature_count"]) == ("Complex", 243)
    assert file["layers"] == {
        "layers": [{"layer": "cities", "dataset": f"{inner}cities.shp", "format": "Shapefile"}]
    }
    layer = api.layer("cities.zip", content)
    reference = api.layer("cities.geojson", cities)
    made, given = (api.features(one, limit=243) for one in (layer, reference))
    assert [feature["properties"] for feature in made] == [f["properties"] for f in given]
    assert made[0]["geometry"]["coordinates"] == pytest.approx(
        given[0]["geometry"]["coordinates"], abs=0.01
    )


def test_shapefile_without_prj_is_read_by_input_srid(
    api: Api, cities: bytes, tmp_path: Path
) -> None:
    """A Shapefile that lost its .prj is read in the reference system of `input_srid`."""
    written(tmp_path, cities, ".shp")
    (tmp_path / "cities.prj").unlink()
    layer = api.layer("cities.zip", zipped(*tmp_path.iterdir()), input_srid=4326)
    assert layer["extent"][0] < -1_000_000


def test_geopackage_becomes_a_layer(api: Api, cities: bytes, tmp_path: Path) -> None:
    """A GPKG in UTM is read layer by layer name and moved into Web Mercator."""
    content = written(tmp_path, cities, ".gpkg", layer="towns").read_bytes()
    file = api.upload("cities.gpkg", content)
    assert (file["file_type"], file["layer_count"], file["feature_count"]) == ("GPKG", 1, 243)
    assert file["layers"]["layers"][0]["layer"] == "towns"
    layer = api.layer("cities.gpkg", content, input_layer="towns")
    assert layer["feature_count"] == 243
    fields = api.get(f"vectorLayers/{layer['uuid']}/fields/")
    assert [(field["name"], field["datatype"]) for field in fields] == [("name", "String")]

    kind, message = failure(api.publish("cities.gpkg", content, input_layer="villages"))
    assert kind == "geobox.InvalidFileError"
    assert "villages" in message


KML = b"""<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>Tehran</name>
<Point><coordinates>51.389,35.6892</coordinates></Point></Placemark></kml>"""
GPX = b"""<gpx version="1.1" creator="tests" xmlns="http://www.topografix.com/GPX/1/1">
<wpt lon="51.389" lat="35.6892"><name>Tehran</name></wpt></gpx>"""


@pytest.mark.parametrize(("name", "content"), [("a.kml", KML), ("a.gpx", GPX)])
def test_other_formats_become_layers(api: Api, name: str, content: bytes) -> None:
    """KML and GPX are read through GDAL."""
    first = api.upload(name, content)["layers"]["layers"][0]["layer"]
    layer = api.layer(name, content, input_layer=first)
    [feature] = api.features(layer)
    assert feature["geometry"]["coordinates"][:2] == pytest.approx(MERCATOR, abs=0.01)
    assert (feature["properties"].get("Name") or feature["properties"]["name"]) == "Tehran"


def test_values_of_every_type_are_served(api: Api, tmp_path: Path) -> None:
    """Dates become ISO text, large numbers stay, and missing values are null."""
    path = tmp_path / "a.gpkg"
    pyogrio.raw.write(
        path,
        np.array([shapely.Point(500_000, 4_000_000).wkb] * 2, dtype=object),
        [
            np.array(["2024-02-02T10:00", "NaT"], dtype="datetime64[ms]"),
            np.array([1.5, np.nan]),
            np.array([2**40, 1]),
        ],
        ["seen", "share", "people"],
        geometry_type="Point",
        crs="EPSG:32639",
    )
    layer = api.layer("a.gpkg", path.read_bytes())
    full, empty = (feature["properties"] for feature in api.features(layer))
    assert full == {"seen": "2024-02-02T10:00:00", "share": 1.5, "people": 2**40}
    assert empty == {"seen": None, "share": None, "people": 1}
    fields = api.get(f"vectorLayers/{layer['uuid']}/fields/")
    assert [field["datatype"] for field in fields] == ["DateTime", "Float", "Long"]


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_zip_of_one_file_is_published(api: Api, cities: bytes, tmp_path: Path, suffix: str) -> None:
    """A zip may also hold a GeoJSON or a GPKG."""
    path = tmp_path / "cities.geojson"
    path.write_bytes(cities)
    path = path if suffix == ".geojson" else written(tmp_path, cities, suffix)
    assert api.layer("cities.zip", zipped(path))["feature_count"] == 243


def test_csv_with_positions_becomes_a_layer(api: Api) -> None:
    """The columns `lon` and `lat` of a CSV are degrees; `x` and `y` follow `input_srid`."""
    degrees = api.layer("a.csv", b"name,lon,lat\nTehran,51.389,35.6892\n")
    metres = api.layer("a.csv", f"name,x,y\nTehran,{UTM[0]},{UTM[1]}\n".encode(), input_srid=32639)
    for layer in (degrees, metres):
        [feature] = api.features(layer)
        assert feature["properties"]["name"] == "Tehran"
        assert feature["geometry"]["coordinates"] == pytest.approx(MERCATOR, abs=0.01)


def test_csv_becomes_a_table(api: Api) -> None:
    """A CSV published as a table has typed fields and rows with ids."""
    content = "\ufeffname,people,share\nA,1,0.5\nB,,2\n".encode()
    task = api.publish("a.csv", content, publish_as="table")
    table = f"tables/{task['result']['table_uuid']}/"
    fields = [(f["name"], f["datatype"]) for f in api.get(f"{table}fields/")]
    assert fields == [("name", "String"), ("people", "Integer"), ("share", "Float")]
    rows = api.get(f"{table}rows/", f="json", skip=0, limit=100, return_count="False")
    assert rows == [
        {"id": 1, "name": "A", "people": 1, "share": 0.5},
        {"id": 2, "name": "B", "people": None, "share": 2},
    ]
    assert api.get(f"{table}rows/", q="people = 1", return_count="True") == 1


@pytest.mark.parametrize(
    ("name", "content", "publish_as", "key", "collection"),
    [
        ("a.tif", b"II*\0....", "raster", "raster_uuid", "rasters"),
        ("a.glb", b"glTF....", "model3d", "model_uuid", "3dmodels"),
        ("a.zip", None, "tiles3d", "3dtiles_uuid", "3dtiles"),
    ],
)
def test_other_kinds_become_assets_with_a_thumbnail(
    api: Api, tmp_path: Path, name: str, content: Any, publish_as: str, key: str, collection: str
) -> None:
    """A raster, a model and 3D tiles become assets with a thumbnail."""
    (tmp_path / "tileset.json").write_text("{}")
    content = content or zipped(tmp_path / "tileset.json")
    task = api.publish(name, content, publish_as=publish_as)
    asset = api.get(f"{collection}/{task['result'][key]}/")
    assert asset["uuid"] == task["result"][key]
    picture = api.http.get(f"{collection}/{asset['uuid']}/thumbnail.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (None, "missing"),
        ({"type": "Blob", "coordinates": []}, "no known type"),
        ({"type": "Polygon", "coordinates": [SQUARE[:3]]}, "four positions"),
        ({"type": "Polygon", "coordinates": [[*SQUARE[:3], [5, 5]]]}, "not closed"),
        ({"type": "Polygon", "coordinates": [[0, 0]]}, "not those of a Polygon"),
        ({"type": "Polygon", "coordinates": []}, "not those of a Polygon"),
        (point(1, 2), "layer's type is Polygon"),
        ({"type": "Polygon", "coordinates": [[[200, 0], [1, 0], [1, 1], [200, 0]]]}, "outside"),
    ],
)
def test_unusable_features_are_left_out_and_reported(api: Api, geometry: Any, reason: str) -> None:
    """A feature that cannot be used is listed under `errors`, and the others are published."""
    good = {"type": "Polygon", "coordinates": [SQUARE]}
    content = geojson(good, geometry, good)
    task = api.publish("a.geojson", content, report_errors="True")
    assert task["state"] == "SUCCESS"
    assert set(task["result"]) == {"layer_uuid", "errors"}
    [error] = task["result"]["errors"]
    assert error["feature"] == 2
    assert reason in error["msg"]
    layer = api.get(f"vectorLayers/{task['result']['layer_uuid']}/")
    assert layer["feature_count"] == 2
    silent = api.publish("a.geojson", content, report_errors="False")
    assert set(silent["result"]) == {"layer_uuid"}


@pytest.mark.parametrize(
    ("name", "content", "kind", "reason"),
    [
        ("a.geojson", b"", "EmptyFile", "is empty"),
        ("a.geojson", b"{", "InvalidFile", "cannot be read"),
        ("a.geojson", b"\xff\xfe\x00", "InvalidFile", "cannot be read"),
        ("a.geojson", b"[1]", "InvalidFile", "not a GeoJSON"),
        ("a.geojson", geojson(point(1, math.nan)), "InvalidGeometry", "nan"),
        ("a.geojson", geojson(point(1, 2)).replace(b"1", b"1e999"), "InvalidGeometry", "inf"),
        pytest.param("a.geojson", b"[" * 100_000, "InvalidFile", "recursion", id="deep"),
        ("a.geojson", b'{"type": "Topology"}', "InvalidFile", "FeatureCollection"),
        ("a.geojson", geojson(), "NoFeatures", "no features"),
        ("a.geojson", geojson(None), "InvalidGeometry", "missing"),
        ("a.geojson", geojson(point(*MERCATOR)), "CoordinatesOutOfRange", "outside"),
        ("a.geojson", geojson(point(1, 2), crs="EPSG:999999"), "InvalidSRID", "999999"),
        ("a.geojson", geojson(point(1, 2), crs="EPSG:7030"), "InvalidSRID", "7030"),
        ("a.geojson", geojson(point(1, 2), crs="Mars"), "InvalidSRID", "Mars"),
        ("a.gpkg", b"broken", "InvalidFile", "a.gpkg cannot be read"),
        ("a.zip", b"broken", "InvalidFile", "a.zip cannot be read"),
        ("a.csv", b"name\nA\n", "InvalidFile", "longitude"),
        ("a.csv", b"lon,lat\n", "NoFeatures", "no features"),
        ("a.txt", b"text", "InvalidFile", "not supported"),
    ],
)
def test_unusable_file_is_a_failure_with_a_reason(
    api: Api, name: str, content: bytes, kind: str, reason: str
) -> None:
    """A file that cannot become a layer ends in FAILURE with a reason, and leaves no layer."""
    layer_name = new_name()
    found_kind, message = failure(api.publish(name, content, layer_name=layer_name))
    assert found_kind == f"geobox.{kind}Error"
    assert reason in message
    assert api.get("vectorLayers/", q=f"name = '{layer_name}'") == []


def test_broken_shapefile_is_a_failure_without_paths(api: Api, tmp_path: Path) -> None:
    """A zip with a Shapefile that is none ends in FAILURE, which names the upload alone."""
    (tmp_path / "a.shp").write_bytes(b"broken")
    kind, message = failure(api.publish("a.zip", zipped(tmp_path / "a.shp")))
    assert kind == "geobox.InvalidFileError"
    assert "a.zip" in message
    assert "/tmp" not in message
    (tmp_path / "a.txt").write_text("text")
    assert "no file" in failure(api.publish("a.zip", zipped(tmp_path / "a.txt")))[1]


@pytest.mark.parametrize("srid", [1, 999999])
def test_wrong_srid_is_a_failure(api: Api, cities: bytes, srid: int) -> None:
    """An `input_srid` that is not an EPSG code ends in FAILURE, even where the file has its own."""
    kind, message = failure(api.publish("cities.geojson", cities, input_srid=srid))
    assert kind == "geobox.InvalidSRIDError"
    assert str(srid) in message


def test_a_name_that_exists_is_a_failure(api: Api) -> None:
    """A second layer of a name fails, in the API's own spelling for rasters."""
    name = new_name()
    api.layer("a.geojson", geojson(point(1, 2)), layer_name=name)
    kind, message = failure(api.publish("a.geojson", geojson(point(1, 2)), layer_name=name))
    assert kind == "geobox.DuplicateVectorLayerNameError"
    assert name in message
    tiff = {"publish_as": "raster", "layer_name": name}
    assert api.publish("a.tif", b"II*\0", **tiff)["state"] == "SUCCESS"
    assert failure(api.publish("a.tif", b"II*\0", **tiff))[0] == (
        "geobox.DuplicatRasterDatasetNameError"
    )


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"publish_as": "hologram"}, "publish_as"),
        ({"publish_as": ""}, "publish_as"),
        ({"layer_name": ""}, "layer_name"),
        ({"input_srid": "EPSG:4326"}, "input_srid"),
    ],
)
def test_senseless_publication_starts_no_task(api: Api, form: dict[str, str], field: str) -> None:
    """A missing or invalid parameter is a 422 that names it."""
    file = api.upload("a.geojson", geojson(point(1, 2)))
    data = {"publish_as": "vector", "layer_name": new_name(), **form}
    before = api.get("tasks/", return_count="True")
    answer = api.http.post(f"files/{file['uuid']}/publish/", data=data)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert api.get("tasks/", return_count="True") == before


def test_geometry_type_can_be_demanded(api: Api) -> None:
    """`input_geom_type` picks the features of one type, and an unknown one is a failure."""
    content = geojson(point(1, 2), {"type": "LineString", "coordinates": [[0, 0], [1, 1]]})
    layer = api.layer("a.geojson", content, input_geom_type="LINESTRING")
    assert (layer["layer_type"], layer["feature_count"]) == ("Polyline", 1)
    kind, _ = failure(api.publish("a.geojson", content, input_geom_type="BLOB"))
    assert kind == "geobox.InvalidGeometryTypeError"


def test_heights_are_kept(api: Api) -> None:
    """A third coordinate survives, and the layer says that it has one."""
    layer = api.layer("a.geojson", geojson({"type": "Point", "coordinates": [0, 0, 7.5]}))
    assert layer["has_z"] is True
    assert api.features(layer)[0]["geometry"]["coordinates"] == pytest.approx([0, 0, 7.5])


@pytest.mark.parametrize(
    ("missing", "name", "crs"),
    [
        ("pyproj", "a.geojson", "EPSG:32639"),
        ("pyogrio", "a.gpkg", None),
        ("shapely", "a.gpkg", None),
    ],
)
def test_missing_library_is_a_failure_that_names_the_extra(
    api: Api, monkeypatch: pytest.MonkeyPatch, missing: str, name: str, crs: str | None
) -> None:
    """Without the extra, what needs it fails with the command that brings it."""
    monkeypatch.setitem(sys.modules, missing, None)
    kind, message = failure(api.publish(name, geojson(point(*UTM), crs=crs)))
    assert kind == "geobox.MissingLibraryError"
    assert 'pip install "prefect-geobox[emulator]"' in message


def test_an_upload_without_its_library_names_the_extra(
    geobox_emulator: GeoboxEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without python-multipart, an upload is refused with the command that installs it."""
    monkeypatch.setitem(sys.modules, "python_multipart", None)
    answer = httpx.post(
        f"{geobox_emulator.url}/v1/files/",
        params={"apikey": geobox_emulator.apikey},
        files={"file": ("a.geojson", b"{}")},
    )
    assert answer.status_code == 422
    assert 'pip install "prefect-geobox[emulator]"' in answer.json()["detail"]["msg"]


def test_geojson_needs_no_library(
    api: Api, monkeypatch: pytest.MonkeyPatch, cities: bytes, countries: bytes
) -> None:
    """Without the extra, GeoJSON in degrees or in Web Mercator is published all the same."""
    for library in ("shapely", "pyogrio", "pyproj"):
        monkeypatch.setitem(sys.modules, library, None)
    assert api.layer("cities.geojson", cities)["feature_count"] == 243
    assert api.layer("countries.geojson", countries)["feature_count"] == 177
    layer = api.layer("a.geojson", geojson(point(*MERCATOR), crs="urn:ogc:def:crs:EPSG::3857"))
    [feature] = api.features(layer, out_srid=4326)
    assert feature["geometry"]["coordinates"] == pytest.approx(TEHRAN, abs=1e-8)
