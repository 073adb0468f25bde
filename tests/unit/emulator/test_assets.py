"""Assets: lists, features, exports, vector tools, downloads, deletion."""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZipFile

import pytest

from tests.kit.plain_api import Api, geojson, new_name, point


@pytest.fixture(scope="module")
def layer(api: Api) -> dict[str, Any]:
    """Five points on a line, ten degrees apart."""
    return api.layer("line.geojson", geojson(*(point(10 * n, 0) for n in range(5))))


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"skip": 1, "limit": 2}, [2, 3]),
        ({"q": "number >= 4"}, [4, 5]),
        ({"order_by": "number D", "limit": 2}, [5, 4]),
        ({"feature_ids": "1,3"}, [1, 3]),
        ({"feature_ids": ["1", "3"]}, [1, 3]),
        ({"bbox": "5,-1,25,1", "bbox_srid": 4326}, [2, 3]),
        ({"bbox": ["5", "-1", "25", "1"], "bbox_srid": 4326}, [2, 3]),
        ({"bbox": "[5, -1, 25, 1]", "bbox_srid": 4326}, [2, 3]),
    ],
)
def test_features_are_picked_and_paged(
    api: Api, layer: dict[str, Any], params: dict[str, Any], numbers: list[int]
) -> None:
    """Features come by page, filter, identifier and box."""
    found = api.features(layer, **params)
    assert [feature["properties"]["number"] for feature in found] == numbers
    assert [feature["id"] for feature in found] == numbers
    counted = {key: value for key, value in params.items() if key not in {"skip", "limit"}}
    total = len(api.features(layer, **counted))
    path = f"vectorLayers/{layer['uuid']}/features/"
    assert api.get(path, **params, return_count="True") == total


def test_features_come_in_another_reference_system(api: Api, layer: dict[str, Any]) -> None:
    """`out_srid` moves the features and is named in the collection."""
    path = f"vectorLayers/{layer['uuid']}/features/"
    found = api.get(path, f="json", out_srid=4326, limit=2)
    assert found["crs"]["properties"]["name"] == "EPSG:4326"
    assert [f["geometry"]["coordinates"] for f in found["features"]] == [[0, 0], [10, 0]]
    answer = api.http.get(path, params={"out_srid": 999999})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "out_srid"]


def test_columns_and_geometry_can_be_left_out(api: Api, layer: dict[str, Any]) -> None:
    """Fields are selected or skipped, and so is the geometry."""
    [bare] = api.features(layer, limit=1, skip_fields="number", skip_geometry="True")
    assert (bare["properties"], bare["geometry"]) == ({}, None)
    [full] = api.features(layer, limit=1, select_fields="[ALL]", skip_geometry="False")
    assert full["properties"] == {"number": 1}
    assert full["geometry"]["type"] == "Point"


def test_100_features_are_the_default_page(api: Api, cities: bytes) -> None:
    """Without a limit 100 features come, and one can be asked for alone."""
    layer = api.layer("cities.geojson", cities)
    features = api.features(layer)
    assert len(features) == 100
    assert api.get(f"vectorLayers/{layer['uuid']}/features/7") == features[6]
    assert api.http.get(f"vectorLayers/{layer['uuid']}/features/999").status_code == 404


def test_layers_are_listed_and_found_by_name(api: Api) -> None:
    """A list finds a layer by its name, its text and its place."""
    names = [f"street_{new_name()}" for _ in range(3)]
    for name in names:
        api.layer("a.geojson", geojson(point(1, 2)), layer_name=name)
    [found] = api.get("vectorLayers/", f="json", q=f"name = '{names[1]}'")
    assert found["name"] == names[1]
    by_name = api.get("vectorLayers/", search="STREET", order_by="name A")
    assert [one["name"] for one in by_name] == sorted(names)
    assert len(api.get("vectorLayers/", search="street", skip=1, limit=1)) == 1
    assert api.get("vectorLayers/", search="street", return_count="True") == 3
    assert api.get("vectorLayers/", q=f"uuid = '{found['uuid']}'", shared="True") == []
    assert api.http.get("vectorLayers/", params={"q": "owner = 1"}).status_code == 422


def test_files_are_listed_and_keep_their_bytes(api: Api) -> None:
    """A file is found by its name and downloaded as it was uploaded; two may share a name."""
    name = f"{new_name()}.geojson"
    first, second = (api.upload(name, geojson(point(n, 0))) for n in (1, 2))
    listed = api.get("files/", q=f"name = '{name}'", order_by="id A")
    assert [file["uuid"] for file in listed] == [first["uuid"], second["uuid"]]
    assert api.get(f"files/{first['uuid']}/info/", f="json") == first
    answer = api.http.get(f"files/{second['uuid']}/download/")
    assert answer.content == geojson(point(2, 0))
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("name", "file_type"),
    [
        ("a.GEOJSON", "GeoJSON"),
        ("a.tif", "GeoTIFF"),
        ("a.glb", "GLB"),
        ("a.csv", "CSV"),
        ("a.xlsx", "XLSX"),
        ("a.jpg", "Image"),
        ("a.mp4", "Video"),
        ("a.pdf", "Document"),
        ("a.7z", "Compressed"),
        ("a.zip", "Compressed"),
    ],
)
def test_file_type_follows_the_ending(api: Api, name: str, file_type: str) -> None:
    """The type of a file is that of its ending; a zip that cannot be read is just compressed."""
    assert api.upload(name, b"content")["file_type"] == file_type


def test_unknown_endings_and_missing_files_are_refused(api: Api) -> None:
    """An upload without a file, or of one with an unknown ending, is a 422."""
    for files in ({"file": ("a.exe", b"")}, {"other": ("a.csv", b"")}):
        answer = api.http.post("files/", files=files)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "file"]


def test_archive_is_not_scanned_where_unwanted(api: Api, cities: bytes) -> None:
    """`scan_archive=False` leaves a zip closed."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("cities.geojson", cities)
    assert api.upload("a.zip", buffer.getvalue())["file_type"] == "Complex"
    closed = api.upload("a.zip", buffer.getvalue(), scan_archive="False")
    assert (closed["file_type"], closed["layers"]) == ("Compressed", {"layers": []})


def test_deleted_assets_are_gone(api: Api) -> None:
    """A deleted layer or file is a 404 and in no list, and its name is free again."""
    name = new_name()
    layer = api.layer("a.geojson", geojson(point(1, 2)), layer_name=name)
    file = api.upload("a.geojson", geojson(point(1, 2)))
    for path in (f"vectorLayers/{layer['uuid']}/", f"files/{file['uuid']}/"):
        assert api.http.delete(path).status_code == 204
        assert api.http.get(path).status_code == 404
        assert api.http.delete(path).status_code == 404
    assert api.get("vectorLayers/", q=f"name = '{name}'") == []
    api.layer("a.geojson", geojson(point(1, 2)), layer_name=name)


def test_layer_is_made_temporary_and_permanent(api: Api) -> None:
    """Both verbs answer with the layer, and a list can show the temporary ones alone."""
    layer = api.layer("a.geojson", geojson(point(1, 2)))
    path, by_uuid = f"vectorLayers/{layer['uuid']}/", f"uuid = '{layer['uuid']}'"
    assert api.json("POST", f"{path}makeTemporary/")["temporary"] is True
    assert len(api.get("vectorLayers/", q=by_uuid, temporary="True")) == 1
    assert api.json("POST", f"{path}makePermanent/")["temporary"] is False
    assert api.get("vectorLayers/", q=by_uuid, temporary="True") == []


@pytest.mark.parametrize(
    "path", ["vectorLayers/x/", "vectorLayers/x/features/", "files/x/info/", "rasters/x/", "y/x/"]
)
def test_unknown_asset_is_404(api: Api, path: str) -> None:
    """What does not exist is a 404 in JSON."""
    answer = api.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"]["msg"]


def test_asset_of_another_kind_is_404(api: Api, layer: dict[str, Any]) -> None:
    """A uuid leads to its own kind only, and layers have no thumbnail."""
    assert api.http.get(f"rasters/{layer['uuid']}/").status_code == 404
    assert api.http.get(f"vectorLayers/{layer['uuid']}/thumbnail.png").status_code == 404


@pytest.mark.parametrize("zipped", ["True", "False"])
def test_export_makes_a_file(api: Api, layer: dict[str, Any], zipped: str) -> None:
    """An export ends with a file that holds the layer's features."""
    form = {"out_format": "GeoJSON", "out_filename": "line", "out_srid": 4326, "zipped": zipped}
    start = api.json("POST", f"vectorLayers/{layer['uuid']}/export/", data=form)
    task = api.wait(start["task_id"])
    assert set(task["result"]) == {"file_uuid"}
    file = api.get(f"files/{task['result']['file_uuid']}/info/")
    assert (file["name"], file["feature_count"]) == (
        "line.zip" if zipped == "True" else "line.geojson",
        5,
    )
    content = api.http.get(f"files/{file['uuid']}/download/").content
    if zipped == "True":
        with ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("line.geojson")
    coordinates = [f["geometry"]["coordinates"] for f in json.loads(content)["features"]]
    assert coordinates == [[10 * n, 0] for n in range(5)]


def test_export_into_an_unknown_format_is_refused(api: Api, layer: dict[str, Any]) -> None:
    """A format that is none is refused before a task starts."""
    form = {"out_format": "Paper", "out_filename": "line"}
    answer = api.http.post(f"vectorLayers/{layer['uuid']}/export/", data=form)
    assert answer.status_code == 422
    assert "GPKG" in answer.json()["detail"][0]["msg"]


def test_cache_seed_is_a_task_without_output(api: Api, layer: dict[str, Any]) -> None:
    """Seeding a cache answers with one task, which leaves nothing behind."""
    path = f"vectorLayers/{layer['uuid']}/cache/seed/"
    [start] = api.json("POST", path, json={"from_zoom": 0, "to_zoom": 4, "workers": 1})
    assert set(start) == {"task_id"}
    task = api.wait(start["task_id"])
    assert (task["state"], task["result"]) == ("SUCCESS", {})


def run_tool(api: Api, name: str, **values: Any) -> dict[str, Any]:
    """Looks a vector tool up by name, binds its parameters and saves what it makes."""
    [query] = api.get("queries/systemQueries/", f="json", q=f"name = '{name}'")
    params = [{**param, "value": values.get(param["name"])} for param in query["params"]]
    payload = {"sql": query["sql"], "params": params, "layer_name": new_name()}
    return api.wait(api.json("POST", "queries/saveAsLayer/", json=payload)["task_id"])


def test_buffer_is_that_of_shapely(api: Api, countries: bytes) -> None:
    """The buffer of each country has the area that shapely computes."""
    shapely = pytest.importorskip("shapely")
    layer = api.layer("countries.geojson", countries)
    task = run_tool(api, "$buffer", layer=layer["uuid"], distance=50_000)
    made = api.get(f"vectorLayers/{task['result']['layer_uuid']}/")
    assert (made["layer_type"], made["feature_count"]) == ("Polygon", 177)
    sources, buffers = (api.features(one, limit=200) for one in (layer, made))
    for source, buffer in zip(sources, buffers, strict=True):
        expected = shapely.geometry.shape(source["geometry"]).buffer(50_000, quad_segs=8)
        area = shapely.geometry.shape(buffer["geometry"]).area
        assert area == pytest.approx(expected.area)
        assert buffer["properties"] == source["properties"]


def test_centroid_is_that_of_shapely(api: Api, countries: bytes) -> None:
    """The centroid of each country lies where shapely puts it."""
    shapely = pytest.importorskip("shapely")
    layer = api.layer("countries.geojson", countries)
    task = run_tool(api, "$centroid", layer=layer["uuid"])
    made = api.get(f"vectorLayers/{task['result']['layer_uuid']}/")
    assert (made["layer_type"], made["feature_count"]) == ("Point", 177)
    sources, centroids = (api.features(one, limit=200) for one in (layer, made))
    for source, centroid in zip(sources, centroids, strict=True):
        expected = shapely.geometry.shape(source["geometry"]).centroid
        assert centroid["geometry"]["coordinates"] == pytest.approx([expected.x, expected.y])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"distance": None}, "'distance'"),
        ({"distance": "far"}, "not a number"),
        ({"distance": 1, "layer": "gone"}, "'gone' not found"),
        ({"distance": -1_000}, "no geometry"),
    ],
)
def test_vector_tool_without_sense_is_a_failure(
    api: Api, layer: dict[str, Any], values: dict[str, Any], reason: str
) -> None:
    """A tool with a missing or invalid parameter ends in FAILURE and names it."""
    pytest.importorskip("shapely")
    task = run_tool(api, "$buffer", **{"layer": layer["uuid"], **values})
    assert task["state"] == "FAILURE"
    assert reason in task["result"]["detail"]["msg"]


def test_query_without_geometries_makes_no_layer(api: Api) -> None:
    """SQL that finds no geometry ends in FAILURE and says so."""
    payload = {"sql": "SELECT 1", "params": [], "layer_name": new_name()}
    task = api.wait(api.json("POST", "queries/saveAsLayer/", json=payload)["task_id"])
    assert task["state"] == "FAILURE"
    assert "geometry" in task["result"]["detail"]["msg"]
