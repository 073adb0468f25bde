"""GeoJSON in its rarer forms, and geometries that a layer cannot hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.geodata_files import vector_file
from tests.kit.plain_api import Api, failure, geojson, point

LINE = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
FEATURE = {"type": "Feature", "properties": {"n": 1}, "geometry": point(1, 2)}


def collection(*parts: dict[str, Any]) -> dict[str, Any]:
    """A GeometryCollection."""
    return {"type": "GeometryCollection", "geometries": list(parts)}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (json.dumps(point(1, 2)), 1),
        (json.dumps(collection(point(1, 2), point(3, 4))), 1),
        (json.dumps(FEATURE), 1),
        ("\n".join([json.dumps(FEATURE)] * 3), 3),
        ("".join(f"\x1e{json.dumps(FEATURE)}\n" for _ in range(3)), 3),
        ("\n".join([json.dumps(point(1, 2))] * 2) + "\n\n", 2),
    ],
)
def test_geometries_and_sequences_are_published(api: Api, text: str, count: int) -> None:
    """A bare geometry, a feature, and features one after another are read as GDAL does."""
    assert api.upload("a.geojson", text.encode())["feature_count"] == count
    layer = api.layer("a.geojson", text.encode())
    assert layer["feature_count"] == count
    assert api.features(layer, out_srid=4326)[0]["geometry"]["coordinates"] in (
        [1, 2],
        [[1, 2], [3, 4]],
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (geojson(point(1, 2)).decode() * 2, "goes on after its end"),
        (geojson(point(1, 2)).decode() + ",", "goes on after its end"),
        (json.dumps(FEATURE) + "\n[1]", "object 2"),
        (json.dumps(FEATURE) + "\n{", "cannot be read"),
        ('{"type": "Topology", "arcs": []}', "its type is 'Topology'"),
        ('{"features": []}', "its type is 'None'"),
        ("  \n", "cannot be read"),
        ("null", "not a GeoJSON object"),
    ],
)
def test_other_json_is_a_failure_with_a_reason(api: Api, text: str, reason: str) -> None:
    """JSON that is no GeoJSON, or not only, ends in FAILURE and says what it is."""
    kind, message = failure(api.publish("a.geojson", text.encode()))
    assert kind == "geobox.InvalidFileError"
    assert reason in message


def test_collection_of_one_type_is_a_multi_geometry(api: Api) -> None:
    """A collection of lines is published as lines, and one of several types says what it is."""
    multi = {"type": "MultiLineString", "coordinates": [[[2, 2], [3, 3]]]}
    content = geojson(collection(LINE, collection(multi)), collection(LINE, point(1, 1)))
    task = api.publish("a.geojson", content)
    [error] = task["result"]["errors"]
    assert error["msg"] == "the geometry is a GeometryCollection, which no layer can hold"
    [feature] = api.features({"uuid": task["result"]["layer_uuid"]}, out_srid=4326)
    assert feature["geometry"] == {
        "type": "MultiLineString",
        "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]],
    }


def test_points_and_multi_points_share_a_layer(api: Api) -> None:
    """A file of points and multi-points becomes a layer of multi-points, with all of them."""
    content = geojson(point(1, 2), {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]})
    layer = api.layer("a.geojson", content)
    assert (layer["layer_type"], layer["feature_count"]) == ("MultiPoint", 2)


def test_left_out_geometry_says_how_to_get_it(api: Api) -> None:
    """Where types are mixed, the reason names the parameter that picks another one."""
    [error] = api.publish("a.geojson", geojson(LINE, point(1, 2)))["result"]["errors"]
    assert error["msg"] == (
        "the geometry is a Point and the layer's type is Polyline; input_geom_type chooses another"
    )


def test_empty_and_three_dimensional_geometries_have_reasons(api: Api) -> None:
    """What the file has but a layer cannot hold is not called missing."""
    shapely = pytest.importorskip("shapely")
    shapes = [shapely.Polygon(), shapely.box(0, 0, 1, 1)]
    options = {"geometry_type": "Unknown", "driver": "GPKG"}
    content = vector_file(".gpkg", {"n": [1, 2]}, at=shapes, **options)[".gpkg"]
    [error] = api.publish("a.gpkg", content)["result"]["errors"]
    assert error["msg"].startswith("the geometry is empty")


def test_numbers_that_are_not_finite_are_missing_values(api: Api) -> None:
    """NaN as a property is null, and a position with NaN is left out with a reason."""
    text = geojson(point(1, 2), point(3, 4)).decode()
    text = text.replace('"number": 1', '"number": NaN').replace("[3,", "[NaN,")
    task = api.publish("a.geojson", text.encode())
    [error] = task["result"]["errors"]
    assert error["msg"] == "a coordinate is nan, which is not a finite number"
    [feature] = api.features({"uuid": task["result"]["layer_uuid"]})
    assert feature["properties"] == {"number": None}


def test_half_a_surrogate_pair_does_not_break_the_layer(api: Api) -> None:
    """A text that was cut within an emoji is served with a replacement character."""
    content = geojson(point(1, 2), properties={"cut \ud83d": "a \ud83d", "whole": "\U0001f600"})
    [feature] = api.features(api.layer("a.geojson", content))
    assert feature["properties"] == {"cut \ufffd": "a \ufffd", "whole": "\U0001f600"}


def test_ids_that_are_texts_are_kept(api: Api) -> None:
    """A feature's `id` becomes a property where it is a text, as for GDAL."""
    features = [{**FEATURE, "id": "way/1"}, {**FEATURE, "id": 2}]
    content = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    one, two = (feature["properties"] for feature in api.features(api.layer("a.json", content)))
    assert (one, two) == ({"n": 1, "id": "way/1"}, {"n": 1})
