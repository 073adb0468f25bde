"""Each verb on assets, as it goes over the wire."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from prefect_geobox.client import InvalidResponseError, NotFoundError, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, OTHER
from tests.kit.wire import Wire, query, reply

PATHS = {
    "vector": f"vectorLayers/{ASSET}/",
    "raster": f"rasters/{ASSET}/",
    "model": f"3dmodels/{ASSET}/",
    "file": f"files/{ASSET}/info/",
    "tiles3d": f"3dtiles/{ASSET}/",
    "table": f"tables/{ASSET}/",
}


def sent(request: httpx.Request) -> dict[str, str]:
    """The query of a request without the key."""
    return {name: value for name, value in query(request) if name != "apikey"}


@pytest.mark.parametrize("kind", PATHS)
async def test_get_asset(call: Caller, wire: Wire, kind: str) -> None:
    """An asset of each kind is read from its own endpoint and keeps its description."""
    payload = {"uuid": ASSET, "name": "x", "size": 5}
    wire.on("GET", PATHS[kind], payload)
    asset = await call("get_asset", kind, ASSET)
    assert (asset.kind, asset.data) == (kind, payload)
    assert wire.lines == [f"GET {PATHS[kind]}"]
    assert sent(wire.seen[0]) == {"f": "json"}


@pytest.mark.parametrize("name", [None, 5, {}, ["x"]])
async def test_asset_without_a_name_has_an_empty_one(call: Caller, wire: Wire, name: Any) -> None:
    """An asset whose name is not a text has an empty one."""
    wire.on("GET", PATHS["vector"], {"uuid": ASSET, "name": name})
    assert (await call("get_asset", "vector", ASSET)).name == ""


async def test_missing_asset(call: Caller, wire: Wire) -> None:
    """An asset that is not there raises NotFoundError after one request."""
    wire.on("GET", PATHS["raster"], reply(404, json={"detail": "Raster not found"}))
    with pytest.raises(NotFoundError, match="Raster not found"):
        await call("get_asset", "raster", ASSET)
    assert len(wire.seen) == 1


async def test_find_assets(call: Caller, wire: Wire) -> None:
    """Assets are found by a quoted filter, and only those of exactly that name are returned."""
    name = "O'Neil & sons"
    wire.on("GET", "tables/", [{"uuid": ASSET, "name": name}, {"uuid": OTHER, "name": "other"}])
    assert [found.uuid for found in await call("find_assets", "table", name)] == [ASSET]
    asked = {"f": "json", "q": "name = 'O''Neil & sons'", "skip": "0", "limit": "100"}
    assert sent(wire.seen[0]) == asked


async def test_find_assets_without_a_match(call: Caller, wire: Wire) -> None:
    """An empty or null list finds nothing."""
    wire.on("GET", "files/", [], None)
    assert await call("find_assets", "file", "x") == []
    assert await call("find_assets", "file", "x") == []


async def test_get_features(call: Caller, wire: Wire) -> None:
    """Features are read in the reference system that was asked for."""
    page = {"type": "FeatureCollection", "features": [{"id": 1}]}
    wire.on("GET", f"vectorLayers/{ASSET}/features/", page)
    assert await call("get_features", ASSET, limit=1) == page
    assert sent(wire.seen[0]) == {"f": "json", "skip": "0", "limit": "1", "out_srid": "3857"}
    assert await call("get_features", ASSET, skip=5, limit=1, srid=4326) == page
    assert sent(wire.seen[1]) == {"f": "json", "skip": "5", "limit": "1", "out_srid": "4326"}


async def test_features_must_be_a_collection(call: Caller, wire: Wire) -> None:
    """An answer that is not a feature collection raises InvalidResponseError."""
    wire.on("GET", f"vectorLayers/{ASSET}/features/", {"features": None})
    with pytest.raises(InvalidResponseError, match="feature collection"):
        await call("get_features", ASSET, limit=1)


@pytest.mark.parametrize("answer", [243, {"count": 243}])
async def test_count_features(call: Caller, wire: Wire, answer: Any) -> None:
    """Features are counted by the server."""
    wire.on("GET", f"vectorLayers/{ASSET}/features/", answer)
    assert await call("count_features", ASSET) == 243
    assert sent(wire.seen[0]) == {"f": "json", "return_count": "True"}


def raster() -> OutputAsset:
    """A raster, not read from anywhere."""
    return OutputAsset(kind="raster", uuid=ASSET, api_url="http://geobox.test/v1/rasters/x/")


async def test_get_thumbnail(call: Caller, wire: Wire) -> None:
    """A thumbnail is the bytes that the server sent, read with the credential."""
    wire.on("GET", f"rasters/{ASSET}/thumbnail.png", reply(content=b"\x89PNG\0\xff"))
    assert await call("get_thumbnail", raster()) == b"\x89PNG\0\xff"
    assert query(wire.seen[0])[0][0] == "apikey"


async def test_thumbnail_has_a_limit(call: Caller, wire: Wire) -> None:
    """A thumbnail beyond a megabyte is refused instead of kept."""
    wire.on("GET", f"rasters/{ASSET}/thumbnail.png", reply(content=bytes(1_000_001)))
    with pytest.raises(InvalidResponseError, match="more than 1000000 bytes"):
        await call("get_thumbnail", raster())


async def test_unknown_kind_is_refused_by_name(call: Caller, wire: Wire) -> None:
    """A kind that does not exist is refused before any request."""
    for verb, argument in (("get_asset", ASSET), ("find_assets", "x")):
        with pytest.raises(InvalidArgumentError, match=r"kind must be one of.*'map'"):
            await call(verb, "map", argument)
    assert wire.seen == []
