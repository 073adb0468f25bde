"""Imports from WFS and databases, with the official SDK as the client and files in their place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.__main__ import main
from tests.kit.plain_api import Api, geojson, new_name, point

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("pyogrio")
pytest.importorskip("shapely")

import pyogrio
from geobox.db_connection import DBCredentials
from geobox.enums import DBType
from geobox.exception import NotFoundError, ValidationError

from tests.kit.official_sdk import ended, settled

WFS = "https://maps.example.org/wfs"
SECRET = "database-password"


@pytest.fixture(scope="module")
def geobox(tmp_path_factory: pytest.TempPathFactory, cities: bytes) -> Iterator[GeoboxEmulator]:
    """An emulator with a GPKG as a WFS and as a database with a table besides."""
    path = tmp_path_factory.mktemp("sources") / "places.gpkg"
    meta, _, geometry, columns = pyogrio.raw.read(cities)
    names = meta["fields"]
    pyogrio.raw.write(
        path, geometry, columns, names, layer="cities", geometry_type="Point", crs=meta["crs"]
    )
    pyogrio.raw.write(
        path, None, columns, names, layer="names", geometry_type=None, append=True, driver="GPKG"
    )
    sources = {f"{WFS}/": path, "db.example.org:5432/places": str(path)}
    with GeoboxEmulator(seconds=0.005, sources=sources) as emulator:
        yield emulator


@pytest.fixture
async def tables(client: Any) -> dict[str, Any]:
    """The tables of the database by name."""
    found = await settled(client.get_database_tables(credentials("places")))
    return {table.name: table for table in found}


def credentials(name: str) -> DBCredentials:
    """The way into a database."""
    return DBCredentials(DBType.POSTGIS, "db.example.org", "5432", name, "reader", SECRET)


def target(api: Api) -> dict[str, Any]:
    """A layer of one point with a name."""
    return api.layer("a.geojson", geojson(point(0, 0), properties={"name": "here"}))


async def test_wfs_is_listed_and_imported(client: Any, api: Api) -> None:
    """The layers of a WFS are listed, and one of them becomes a layer here."""
    found = await settled(client.wfs_get_layers(f"{WFS}?service=WFS"))
    by_name = {one["name"]: one for one in found["layers"]}
    cities = by_name["cities"]
    assert (cities["geometry_type"], cities["feature_count"]) == ("Point", 243)
    assert (cities["has_geometry"], cities["srid"]) == (True, 4326)
    task = await ended(client.wfs_import(WFS, "cities", new_name()))
    layer = await settled(task.output_asset)
    assert await settled(layer.get_features(return_count=True)) == 243
    [rome] = api.features({"uuid": layer.uuid}, q="name = 'Rome'", out_srid=4326)
    assert rome["geometry"]["coordinates"] == pytest.approx([12.48, 41.9], abs=0.05)


async def test_wfs_is_imported_into_a_layer(client: Any, api: Api) -> None:
    """Features of a WFS are added to a layer, or through a view of it where one is given."""
    layer = target(api)
    task = await ended(client.wfs_import_into_layer(WFS, "cities", layer["uuid"]))
    assert task.errors is None
    assert api.get(f"vectorLayers/{layer['uuid']}/")["feature_count"] == 244
    made = await settled(client.get_vector(layer["uuid"]))
    view = await settled(made.create_view(new_name()))
    with pytest.raises(NotFoundError):
        await settled(client.wfs_import_into_layer(WFS, "cities", view.uuid))
    await ended(client.wfs_import_into_layer(WFS, "cities", view.uuid, is_view=True))
    assert api.get(f"vectorLayers/{layer['uuid']}/")["feature_count"] == 487


async def test_database_is_imported(tables: dict[str, Any]) -> None:
    """A table with geometries becomes a layer, one without becomes a table."""
    assert {name: table.has_geometry for name, table in tables.items()} == {
        "cities": True,
        "names": False,
    }
    task = await ended(tables["cities"].import_table(out_name=new_name()))
    layer = await settled(task.output_asset)
    assert await settled(layer.get_features(return_count=True)) == 243
    task = await ended(tables["names"].import_table(out_name=new_name()))
    table = await settled(task.output_asset)
    assert await settled(table.get_rows(q="name = 'Rome'", return_count=True)) == 1


async def test_database_is_imported_into_a_layer(tables: dict[str, Any], api: Api) -> None:
    """Rows with geometries are added to a layer."""
    layer = target(api)
    task = await ended(tables["cities"].import_spatial_into_layer(layer["uuid"]))
    assert task.errors is None
    assert api.get(f"vectorLayers/{layer['uuid']}/")["feature_count"] == 244


async def test_what_is_not_there_fails_with_a_reason(client: Any, tables: dict[str, Any]) -> None:
    """An address that cannot be reached and a layer that is not there are named."""
    far = "https://elsewhere.example.org/wfs"
    task = await ended(client.wfs_import(far, "cities", new_name()))
    assert f"{far} cannot be reached" in task.errors["detail"]["msg"]
    task = await ended(client.wfs_import(WFS, "rivers", new_name()))
    assert "no 'rivers'" in task.errors["detail"]["msg"]
    with pytest.raises(ValidationError, match="cannot be reached"):
        await settled(client.wfs_get_layers(far))
    with pytest.raises(ValidationError, match="5432/other cannot be reached"):
        await settled(client.get_database_tables(credentials("other")))


async def test_password_of_a_database_is_not_kept(
    geobox: GeoboxEmulator, tables: dict[str, Any]
) -> None:
    """The requests that the emulator remembers do not have the password."""
    assert "db.example.org" in repr(geobox.requests)
    assert SECRET not in repr(geobox.requests)


def test_sqlite_is_a_database(tmp_path: Path) -> None:
    """A plain SQLite file stands for a database of tables."""
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE people (name TEXT, age INTEGER)")
        database.execute("INSERT INTO people VALUES ('Ann', 30)")
    login = {"db_type": "postgis", "host": "h", "port": "1", "db_name": "d"}
    with GeoboxEmulator(seconds=0.005, sources={"h:1/d": path}) as geobox:
        url, key = f"{geobox.url}/v1/", {"apikey": geobox.apikey}
        with httpx.Client(base_url=url, params=key) as http:
            api = Api(http)
            form = {**login, "table_name": "people", "out_table_name": "copy"}
            start = api.json("POST", "dbImport/import-table/", data=form)
            uuid = api.wait(start["task_id"])["result"]["table_uuid"]
            assert api.get(f"tables/{uuid}/rows/") == [{"id": 1, "name": "Ann", "age": 30}]


def test_missing_file_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A source that is not a file is an error, in Python and on the command line."""
    with pytest.raises(ValueError, match="there is no file"):
        GeoboxEmulator(sources={WFS: tmp_path / "gone.gpkg"})
    for source in (f"{WFS}={tmp_path / 'gone.gpkg'}", "nonsense"):
        with pytest.raises(SystemExit) as ended_with:
            main(["--source", source])
        assert ended_with.value.code == 1
        assert "source" in capsys.readouterr().err
