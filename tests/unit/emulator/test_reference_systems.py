"""Reference systems as files and requests name them, and places that Web Mercator cannot show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.geodata_files import vector_file
from tests.kit.plain_api import Api, failure, geojson, point

pyproj = pytest.importorskip("pyproj")
shapely = pytest.importorskip("shapely")

PLACE = (51.4, 35.7)
# The limit of Web Mercator in degrees.
LIMIT = 85.0511287798


def projected(crs: str) -> dict[str, Any]:
    """The place in another reference system."""
    transformer = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    return point(*transformer.transform(*PLACE))


@pytest.mark.parametrize(
    ("crs", "system"),
    [
        ({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::102100"}}, "EPSG:3857"),
        ({"type": "name", "properties": {"name": "EPSG:102113"}}, "EPSG:3857"),
        ({"type": "name", "properties": {"name": "EPSG:900913"}}, "EPSG:3857"),
        ({"type": "name", "properties": {"name": "ESRI:102025"}}, "ESRI:102025"),
        ({"type": "name", "properties": {"name": "urn:ogc:def:crs:ESRI::54009"}}, "ESRI:54009"),
        ({"type": "name", "properties": {"name": "urn:x-ogc:def:crs:EPSG:32639"}}, "EPSG:32639"),
        (
            {
                "type": "name",
                "properties": {"name": "http://www.opengis.net/gml/srs/epsg.xml#32639"},
            },
            "EPSG:32639",
        ),
        ({"type": "name", "properties": {"name": "WGS 84"}}, "EPSG:4326"),
        ({"type": "EPSG", "properties": {"code": 32639}}, "EPSG:32639"),
        ({"type": "EPSG", "properties": {"code": "4326"}}, "EPSG:4326"),
        (
            {"type": "link", "properties": {"href": "http://example.org/ref/epsg/32639/proj4/"}},
            "EPSG:32639",
        ),
    ],
)
def test_every_way_to_name_a_reference_system_is_read(
    api: Api, crs: dict[str, Any], system: str
) -> None:
    """Codes of ESRI, old codes, old forms and links are understood."""
    document = {**json.loads(geojson(projected(system))), "crs": crs}
    [feature] = api.features(api.layer("a.geojson", json.dumps(document).encode()), out_srid=4326)
    assert feature["geometry"]["coordinates"] == pytest.approx(PLACE, abs=1e-6)


@pytest.mark.parametrize(
    ("crs", "reason"),
    [
        ({"type": "link", "properties": {"href": "http://example.org/crs"}}, "is a link"),
        ({"type": "name", "properties": {"name": "USER:100000"}}, "'USER:100000' is unknown"),
        ({"type": "name", "properties": {"name": "ESRI:104999"}}, "ESRI:104999 is unknown"),
        ({"type": "name", "properties": {}}, "names no reference system"),
        ({"type": "EPSG", "properties": {}}, "'EPSG:None' is unknown"),
        ("EPSG:4326", "names no reference system"),
    ],
)
def test_unknown_reference_system_is_a_failure(api: Api, crs: Any, reason: str) -> None:
    """A reference system that is not known ends in FAILURE, which quotes it."""
    document = {**json.loads(geojson(point(1, 2))), "crs": crs}
    assert reason in failure(api.publish("a.geojson", json.dumps(document).encode()))[1]


@pytest.mark.parametrize(("srid", "system"), [(102100, "EPSG:3857"), (102025, "ESRI:102025")])
def test_codes_of_esri_serve_requests(api: Api, srid: int, system: str) -> None:
    """A code of ESRI may be `input_srid`, `out_srid`, `bbox_srid` and that of an export."""
    east, north = projected(system)["coordinates"]
    layer = api.layer("a.geojson", geojson(point(east, north), crs=None), input_srid=srid)
    box = f"{east - 1},{north - 1},{east + 1},{north + 1}"
    [feature] = api.features(layer, out_srid=srid, bbox=box, bbox_srid=srid)
    assert feature["geometry"]["coordinates"] == pytest.approx([east, north], abs=1e-3)
    for out_format in ("GeoJSON", "GPKG"):
        data = {"out_filename": "a", "out_format": out_format, "out_srid": srid, "zipped": "False"}
        start = api.json("POST", f"vectorLayers/{layer['uuid']}/export/", data=data)
        file = api.wait(start["task_id"])["result"]["file_uuid"]
        content = api.http.get(f"files/{file}/download/").content
        name = "a.geojson" if out_format == "GeoJSON" else "a.gpkg"
        [feature] = api.features(api.layer(name, content), out_srid=4326)
        assert feature["geometry"]["coordinates"] == pytest.approx(PLACE, abs=1e-6)


@pytest.mark.parametrize(
    ("crs", "position", "latitude"),
    [
        ("EPSG:4326", (51, 90), LIMIT),
        ("EPSG:4269", (51, 89.9), LIMIT),
        ("EPSG:3413", (1000, 1000), LIMIT),
        ("EPSG:3031", (0, 100), -LIMIT),
        ("+proj=laea +lat_0=90 +lon_0=0 +datum=WGS84", (0, 0), LIMIT),
        ("EPSG:3857", (1000, 2.4e8), LIMIT),
    ],
)
def test_places_near_the_poles_are_moved_onto_the_map(
    api: Api, crs: str, position: tuple[float, float], latitude: float
) -> None:
    """Whatever the reference system of a file, nothing lands beyond the limit of Web Mercator."""
    files = vector_file(".gpkg", {"n": [1]}, at=[shapely.Point(position)], crs=crs)
    layer = api.layer("a.gpkg", files[".gpkg"])
    [feature] = api.features(layer, out_srid=4326)
    assert feature["geometry"]["coordinates"][1] == pytest.approx(latitude)
    assert abs(layer["extent"][3]) == pytest.approx(20037508.342789, abs=0.01)


def test_place_that_no_map_has_is_left_out(api: Api) -> None:
    """Beyond the pole, and east of the map, a position in Web Mercator is outside."""
    for position in ((0, 1e9), (3e7, 0)):
        kind, _ = failure(api.publish("a.geojson", geojson(point(*position), crs="EPSG:3857")))
        assert kind == "geobox.CoordinatesOutOfRangeError"
