"""Exports, imports, edits, copies and views of layers, with the official SDK as the client."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import Api, geojson, new_name, point

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("pyogrio")
pytest.importorskip("pyproj")
pytest.importorskip("shapely")

import pyogrio
import pyproj
import shapely
from geobox.enums import FileOutputFormat
from geobox.exception import NotFoundError, ValidationError

from tests.kit.official_sdk import ended, settled

FORMATS = ("GeoJSON", "GPKG", "Shapefile", "CSV", "KML", "DXF")


@pytest.fixture(scope="module")
def published(api: Api, countries: bytes) -> dict[str, Any]:
    """177 countries as a layer that no test changes."""
    return api.layer("countries.geojson", countries)


@pytest.fixture
async def world(client: Any, published: dict[str, Any]) -> Any:
    """177 countries, as the SDK sees them."""
    return await settled(client.get_vector(published["uuid"]))


@pytest.fixture
async def line(client: Any, api: Api) -> Any:
    """Five points at 0, 10, … 40 degrees east, numbered from 1, to be changed by a test."""
    layer = api.layer("line.geojson", geojson(*(point(10 * n, 0) for n in range(5))))
    return await settled(client.get_vector(layer["uuid"]))


def numbers(api: Api, layer: Any) -> list[Any]:
    """The column `number` of a layer's features."""
    return [f["properties"]["number"] for f in api.features({"uuid": layer.uuid})]


async def saved(asset: Any, folder: Path) -> Path:
    """A file downloaded by the SDK."""
    made = await settled(asset.download(save_path=f"{folder}/", progress_bar=False))
    return Path(made)


async def exported(layer: Any, folder: Path, **options: Any) -> Path:
    """The file of an export that must succeed."""
    options = {"out_filename": "out", "out_format": FileOutputFormat.GeoJSON, **options}
    task = await ended(layer.export_features(**options))
    assert task.errors is None
    return await saved(await settled(task.output_asset), folder)


@cache
def mercator(document: bytes) -> dict[str, Any]:
    """The shapes of a GeoJSON in WGS 84 by name, moved by pyproj and cut as the emulator cuts."""
    move = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
    return {
        f["properties"]["name"]: shapely.transform(
            shapely.geometry.shape(f["geometry"]),
            lambda x, y: move(x, y.clip(-85.0511287798066, 85.0511287798066)),
            interleaved=False,
        )
        for f in json.loads(document)["features"]
    }


@pytest.mark.parametrize("out_format", FORMATS)
async def test_export_holds_every_feature(
    world: Any, countries: bytes, tmp_path: Path, out_format: str
) -> None:
    """Each format, read back by GDAL, has all countries with their areas."""
    out = FileOutputFormat[out_format]
    path = await exported(world, tmp_path, out_format=out, out_srid=3857, zipped=False)
    expected = sum(shape.area for shape in mercator(countries).values())
    if out_format == "CSV":
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        shapes = shapely.from_wkt([row["wkt"] for row in rows])
        assert shapely.area(shapes).sum() == pytest.approx(expected)
        assert len(rows) == 177
        return
    source = f"/vsizip/{path}" if out_format == "Shapefile" else path
    meta, _, geometry, columns = pyogrio.raw.read(source)
    shapes = shapely.from_wkb(geometry)
    assert len(shapes) >= 177
    if out_format == "DXF":
        return
    if out_format == "KML":
        assert shapely.total_bounds(shapes)[2] <= 180
        return
    assert pyproj.CRS(meta["crs"]).to_epsg() == 3857
    assert shapely.area(shapes).sum() == pytest.approx(expected)
    names = columns[list(meta["fields"]).index("name")]
    assert set(names) == set(mercator(countries))


async def test_export_filters(world: Any, countries: bytes, tmp_path: Path) -> None:
    """Filter, box, identifiers, columns, reference system and zip are honoured."""
    path = await exported(world, tmp_path, q="name = 'Iran'", out_srid=4326, fields=["name"])
    with ZipFile(path) as archive:
        document = json.loads(archive.read("out.geojson"))
    [iran] = document["features"]
    assert document["crs"]["properties"]["name"] == "EPSG:4326"
    assert iran["properties"] == {"name": "Iran"}
    given = next(f for f in json.loads(countries)["features"] if f["properties"]["name"] == "Iran")
    shape, before = (shapely.geometry.shape(f["geometry"]) for f in (iran, given))
    assert shape.area == pytest.approx(before.area)
    path = await exported(world, tmp_path, feature_ids=[1, 2], zipped=False)
    assert len(json.loads(path.read_text())["features"]) == 2
    box = [10.0, 45.0, 11.0, 46.0]
    path = await exported(world, tmp_path, bbox=box, bbox_srid=4326, zipped=False)
    shapes = (shapely.geometry.shape(f["geometry"]) for f in json.loads(countries)["features"])
    expected = [s for s in shapes if shapely.box(*s.bounds).intersects(shapely.box(*box))]
    assert len(json.loads(path.read_text())["features"]) == len(expected)


async def test_comma_lists_are_read_as_repeated_fields_are(api: Api, line: Any) -> None:
    """Identifiers and boxes as one text with commas pick what repeated fields pick."""
    for form in (
        {"feature_ids": "2,3"},
        {"feature_ids": ["2", "3"]},
        {"bbox": "5,-1,25,1", "bbox_srid": "4326"},
        {"bbox": ["5", "-1", "25", "1"], "bbox_srid": "4326"},
    ):
        name = new_name()
        data = {"out_layer_name": name, **form}
        start = api.json("POST", f"vectorLayers/{line.uuid}/saveAsVectorLayer", data=data)
        made = api.wait(start["task_id"])["result"]["layer_uuid"]
        assert len(api.features({"uuid": made})) == 2


async def test_work_without_a_task(line: Any) -> None:
    """Where `run_async` is false the answer is the result; wrong input is an error at once."""
    result = await settled(line.delete_features(feature_ids="1", run_async=False))
    assert "task_id" not in result
    with pytest.raises(ValidationError, match="expression"):
        await settled(line.calculate_field("number", "no_such_column", run_async=False))


async def test_fields_are_calculated(api: Api, line: Any) -> None:
    """An expression over columns and the geometry gives the picked features a value."""
    task = await ended(line.calculate_field("number", "number * 100", q="number > 3"))
    assert task.errors is None
    assert numbers(api, line) == [1, 2, 3, 400, 500]
    await ended(line.calculate_field("number", "round(ST_X(geom))", feature_ids=[2]))
    assert numbers(api, line)[1] == round(
        pyproj.Transformer.from_crs(4326, 3857).transform(0, 10)[0]
    )
    task = await ended(line.calculate_field("number", "nonsense("))
    assert "nonsense(" in task.errors["detail"]["msg"]
    with pytest.raises(ValidationError, match="unknown field"):
        await settled(line.calculate_field("weight", "1"))


async def test_features_are_deleted(api: Api, line: Any) -> None:
    """Filters pick what is deleted; the count follows; without filters all goes."""
    await ended(line.delete_features(q="number = 1"))
    await ended(line.delete_features(bbox="35,-1,45,1", bbox_srid=4326))
    assert numbers(api, line) == [2, 3, 4]
    assert api.get(f"vectorLayers/{line.uuid}/")["feature_count"] == 3
    await ended(line.delete_features())
    assert numbers(api, line) == []


async def test_features_are_imported(client: Any, api: Api, line: Any, tmp_path: Path) -> None:
    """Points of a file are added under new numbers; what does not fit is listed and left out."""
    path = tmp_path / "more.geojson"
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    path.write_bytes(geojson(point(50, 1), square, properties={"number": 6, "other": 1}))
    task = await ended(line.import_features(await settled(client.upload_file(str(path)))))
    assert len(task.errors["errors"]) == 1
    features = api.features({"uuid": line.uuid}, out_srid=4326)
    assert [feature["id"] for feature in features] == [1, 2, 3, 4, 5, 6]
    assert features[-1]["properties"] == {"number": 6}
    assert features[-1]["geometry"]["coordinates"] == pytest.approx([50, 1])


async def test_layer_is_saved_as_another(world: Any) -> None:
    """A copy has the picked features and columns; one of the schema has no features."""
    task = await ended(
        world.save_as_vector_layer(new_name(), q="name LIKE 'I%'", fields="name,iso_a3")
    )
    copy = await settled(task.output_asset)
    expected = await settled(world.get_features(q="name LIKE 'I%'", return_count=True))
    assert await settled(copy.get_features(return_count=True)) == expected > 3
    assert [field.name for field in await settled(copy.get_fields())] == ["name", "iso_a3"]
    task = await ended(world.save_as_vector_layer(new_name(), schema_only=True))
    empty = await settled(task.output_asset)
    assert await settled(empty.get_features(return_count=True)) == 0
    assert len(await settled(empty.get_fields())) == len(await settled(world.get_fields()))


async def test_layer_is_updated_by_another(client: Any, api: Api, line: Any) -> None:
    """Matched features change, unmatched ones go, missing ones come, each only where asked."""
    document = json.loads(geojson(point(1, 1), point(2, 2)))
    for feature, number in zip(document["features"], (2, 9), strict=True):
        feature["properties"] = {"number": number}
    source = api.layer("other.geojson", json.dumps(document).encode())
    await ended(line.update_by_layer(source["uuid"], "number", update_geometry=True))
    features = api.features({"uuid": line.uuid}, out_srid=4326)
    assert [f["properties"]["number"] for f in features] == [1, 2, 3, 4, 5]
    assert features[1]["geometry"]["coordinates"] == pytest.approx([1, 1])
    assert features[2]["geometry"]["coordinates"] == pytest.approx([20, 0])
    await ended(
        line.update_by_layer(source["uuid"], "number", delete_unmatched=True, insert_missing=True)
    )
    assert numbers(api, line) == [2, 9]


async def test_layer_is_updated_by_a_file(client: Any, api: Api, tmp_path: Path) -> None:
    """Only the columns asked for are copied from a file."""
    columns = {"key": "a", "one": 1, "two": 2}
    made = api.layer("line.geojson", geojson(point(0, 0), properties=columns))
    layer = await settled(client.get_vector(made["uuid"]))
    path = tmp_path / "new.geojson"
    path.write_bytes(geojson(point(5, 5), properties={"key": "a", "one": 10, "two": 20}))
    file = await settled(client.upload_file(str(path)))
    task = await ended(layer.update_by_file(file.uuid, "key", fields_to_update="two"))
    assert task.errors is None
    [feature] = api.features(made)
    assert feature["properties"] == {"key": "a", "one": 1, "two": 20}
    assert feature["geometry"]["coordinates"] == [0, 0]


async def test_view_shows_a_part_and_edits_the_layer(client: Any, api: Api, line: Any) -> None:
    """A view has the features and columns of its filter; edits of it reach the layer."""
    view = await settled(line.create_view(new_name(), view_filter="number > 2"))
    assert await settled(view.get_features(return_count=True)) == 3
    again = await settled(client.get_view(view.uuid))
    assert again.vector_layer.uuid == line.uuid
    assert (await settled(client.get_view_by_name(view.name))).uuid == view.uuid
    await ended(view.calculate_field("number", "number + 100"))
    assert numbers(api, line) == [1, 2, 103, 104, 105]
    await ended(view.delete_features(q="number = 105"))
    assert numbers(api, line) == [1, 2, 103, 104]
    task = await ended(view.save_as_vector_layer(new_name()))
    assert numbers(api, await settled(task.output_asset)) == [103, 104]
    uuid = view.uuid
    await settled(view.delete())
    with pytest.raises(NotFoundError):
        await settled(client.get_view(uuid))


async def test_view_is_exported(world: Any, tmp_path: Path) -> None:
    """The export of a view has its columns and no others."""
    view = await settled(
        world.create_view(new_name(), view_filter="name = 'Iran'", view_cols="name")
    )
    path = await exported(view, tmp_path, zipped=False)
    [feature] = json.loads(path.read_text())["features"]
    assert feature["properties"] == {"name": "Iran"}


async def test_group_is_exported_into_one_file(
    client: Any, world: Any, line: Any, tmp_path: Path
) -> None:
    """A group of layers becomes a GPKG with a layer for each."""
    group = await settled(client.create_group_layer(new_name(), layers=[world]))
    await settled(group.add_layer(line))
    assert {one.uuid for one in await settled(group.get_layers())} == {world.uuid, line.uuid}
    task = await ended(group.export(out_filename="both", out_srid=4326))
    path = await saved(await settled(task.output_asset), tmp_path)
    assert path.name == "both.gpkg"
    counts = {n: pyogrio.read_info(path, layer=n)["features"] for n, _ in pyogrio.list_layers(path)}
    assert counts == {world.name: 177, line.name: 5}
    await settled(group.remove_layer(line))
    assert len(await settled(group.get_layers())) == 1


async def test_download_goes_on_where_it_stopped(api: Api, cities: bytes) -> None:
    """Parts are sent as asked, all where the content is another, and nothing beyond its end."""
    file = api.upload("cities.geojson", cities)
    path = f"files/{file['uuid']}/download/"
    whole = api.http.get(path)
    assert whole.headers["content-length"] == str(len(cities))
    assert "cities.geojson" in whole.headers["content-disposition"]
    rest = {"Range": "bytes=1000-", "If-Range": whole.headers["etag"]}
    part = api.http.get(path, headers=rest)
    assert (part.status_code, part.content) == (206, cities[1000:])
    assert part.headers["content-range"] == f"bytes 1000-{len(cities) - 1}/{len(cities)}"
    assert api.http.get(path, headers={"Range": "bytes=-5"}).content == cities[-5:]
    assert api.http.get(path, headers={"Range": "bytes=2-4"}).content == cities[2:5]
    other = api.http.get(path, headers={**rest, "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, cities)
    beyond = api.http.get(path, headers={"Range": f"bytes={len(cities)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(cities)}")


async def test_aborted_edit_changes_nothing(line: Any, api: Api, geobox: GeoboxEmulator) -> None:
    """A deletion that was aborted leaves the layer as it was."""
    geobox.seconds = 30.0
    try:
        task = await settled(line.delete_features())
        await settled(task.abort())
    finally:
        geobox.seconds = 0.005
    assert numbers(api, line) == [1, 2, 3, 4, 5]


def test_csv_with_wkt_is_published(api: Api) -> None:
    """A CSV as the export writes it becomes a layer again."""
    text = io.StringIO()
    csv.writer(text).writerows([["name", "wkt"], ["a", "LINESTRING (0 0, 10 0)"]])
    layer = api.layer("a.csv", text.getvalue().encode(), input_srid=3857)
    assert layer["layer_type"] == "Polyline"
    [feature] = api.features(layer)
    assert feature["properties"] == {"name": "a"}


async def test_assets_are_made_temporary_and_permanent(client: Any, api: Api, line: Any) -> None:
    """A view can be made temporary and permanent as a layer can, and so can a file and a table."""
    view = await settled(line.create_view(new_name()))
    await settled(view.make_temporary())
    assert (await settled(client.get_view(view.uuid))).temporary is True
    await settled(view.make_permanent())
    assert view.temporary is False
    file = api.upload("a.csv", b"a\n1\n")
    table = api.publish("a.csv", b"a\n1\n", publish_as="table")["result"]["table_uuid"]
    for path in (f"files/{file['uuid']}", f"tables/{table}"):
        assert api.json("POST", f"{path}/makeTemporary/")["temporary"] is True
        assert api.json("POST", f"{path}/makePermanent/")["temporary"] is False
