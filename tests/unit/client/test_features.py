"""Features and lists that are longer than one answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    GeoboxClient,
    InvalidArgumentError,
    InvalidResponseError,
    by_name,
    operations,
)
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET
from tests.kit.sample_data import CITIES
from tests.kit.wire import Wire, json_answer, query

PATH = f"vectorLayers/{ASSET}/features/"
CRS = {"type": "name", "properties": {"name": "EPSG:3857"}}


def layer(count: int, *, most: int = 10_000, said: int | None = None, ids: bool = True) -> Any:
    """Serves the features of a layer.

    Args:
        count: How many there are.
        most: How many are sent at once.
        said: How many the server says there are.
        ids: Whether they have ids.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        asked = dict(query(request))
        if asked.get("return_count") == "True":
            return json_answer(count if said is None else said)
        skip, limit = int(asked["skip"]), min(most, int(asked["limit"]))
        features = [
            {"type": "Feature", **({"id": n} if ids else {})} for n in range(count)[skip:][:limit]
        ]
        return json_answer({"type": "FeatureCollection", "crs": CRS, "features": features})

    return answer


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize(
    ("count", "most"), [(243, 10_000), (243, 100), (0, 10), (500, 500), (1201, 10_000)]
)
async def test_all_features_are_read(
    call: Caller, wire: Wire, count: int, most: int, ids: bool
) -> None:
    """Without a limit all features come, however few the server sends at once, in order."""
    wire.on("GET", PATH, layer(count, most=most, ids=ids))
    found = await call("get_features", ASSET)
    assert len(found["features"]) == count
    assert (found["type"], found["crs"]) == ("FeatureCollection", CRS)
    if ids:
        assert [feature["id"] for feature in found["features"]] == list(range(count))


@pytest.mark.parametrize(
    ("skip", "limit", "expected"), [(200, None, 43), (0, 7, 7), (300, None, 0), (240, 700, 3)]
)
async def test_a_part_of_the_features(
    call: Caller, wire: Wire, skip: int, limit: int | None, expected: int
) -> None:
    """`skip` and `limit` choose a part, also where the server sends fewer at once."""
    wire.on("GET", PATH, layer(243, most=20))
    found = await call("get_features", ASSET, skip=skip, limit=limit)
    assert [feature["id"] for feature in found["features"]] == list(range(skip, skip + expected))


async def test_features_that_are_missing_are_not_hidden(call: Caller, wire: Wire) -> None:
    """Fewer features than the server has counted are an error, not a whole layer."""
    wire.on("GET", PATH, layer(100, said=243))
    with pytest.raises(InvalidResponseError, match="sent 100 of 243 features"):
        await call("get_features", ASSET)


async def test_features_that_come_twice_are_not_hidden(call: Caller, wire: Wire) -> None:
    """Pages that overlap are an error: each feature that comes twice replaces another."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "return_count" in dict(query(request)):
            return json_answer(1000)
        return json_answer({"features": [{"id": n} for n in range(500)]})

    wire.on("GET", PATH, answer)
    with pytest.raises(InvalidResponseError, match="features twice"):
        await call("get_features", ASSET)


@pytest.mark.parametrize(
    "bad", [{"skip": -1}, {"limit": 0}, {"limit": True}, {"limit": 1.5}, {"srid": "3857"}]
)
async def test_bad_numbers_are_refused(call: Caller, wire: Wire, bad: dict[str, Any]) -> None:
    """An invalid number is refused by name; no request is sent."""
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(bad))} must be a whole number"):
        await call("get_features", ASSET, **bad)
    assert wire.seen == []


def test_all_features_of_a_published_layer() -> None:
    """A layer of 243 cities is read with 243 features."""
    with (
        GeoboxEmulator(seconds=0.02) as geobox,
        GeoboxClient(geobox.url, apikey=geobox.apikey) as client,
    ):
        cities = client.publish_file(client.upload_file(CITIES), "cities")
        assert len(client.get_features(cities)["features"]) == 243


def files(request: httpx.Request) -> httpx.Response:
    """Serves 250 files of one name."""
    asked = dict(query(request))
    uuids = [f"{n:08d}-0f0f-4f0f-8f0f-0f0f0f0f0f0f" for n in range(250)]
    chosen = uuids[int(asked.get("skip", 0)) :][: int(asked["limit"])]
    return json_answer([{"uuid": uuid, "name": "daily.csv"} for uuid in chosen])


async def test_all_assets_of_a_name_are_found(call: Caller, wire: Wire) -> None:
    """A name that 250 files have is found 250 times; a list without pages comes to an end."""
    wire.on("GET", "files/", files)
    assert len(await call("find_assets", "file", "daily.csv")) == 250
    same = [{"uuid": f"{n:08d}", "name": "x"} for n in range(100)]
    wire.on("GET", "tables/", same)
    assert len(await call("find_assets", "table", "x")) == 100


async def test_an_input_of_a_name_that_many_have(call: Caller, wire: Wire) -> None:
    """The error for a name that is not unique counts all that have it."""
    wire.lists()
    wire.on("GET", "vectorLayers/", files)
    wire.on("GET", "vectorLayerViews/", [])
    with pytest.raises(LookupError, match=r"250 of the kind .* are named 'daily.csv'"):
        await call("start", operations.export_features, by_name("daily.csv"), "a.gpkg")


def test_a_new_upload_is_found_among_many_of_its_name(wire: Wire, make: Any, tmp_path: Any) -> None:
    """After an unclear failure the file is found among more than a hundred of its name."""
    uuids = [f"{n:08d}-0f0f-4f0f-8f0f-0f0f0f0f0f0f" for n in range(150)]

    def listing(request: httpx.Request) -> httpx.Response:
        skip = int(dict(query(request)).get("skip", 0))
        rows = [{"uuid": uuid, "name": "daily.csv", "size": 1} for uuid in uuids]
        return json_answer(rows[skip : skip + 100])

    def upload(_: httpx.Request) -> httpx.Response:
        uuids.append(ASSET)
        raise httpx.ReadError("reset")

    wire.on("GET", "files/", listing)
    wire.on("POST", "files/", upload)
    (tmp_path / "daily.csv").write_text("x")
    client: GeoboxClient = make(GeoboxClient)
    assert client.upload_file(tmp_path / "daily.csv").uuid == ASSET
    assert wire.count("POST files/") == 1
