"""Tables, users' SQL and saved queries, with the official SDK as the client."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.kit.plain_api import Api, geojson, new_name

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("pyogrio")
pytest.importorskip("shapely")

import numpy as np
import pyogrio
import shapely
from geobox.aio.query import AsyncQuery
from geobox.enums import PublishFileType, QueryGeometryType, QueryResultType
from geobox.exception import NotFoundError, ValidationError
from geobox.query import Query

from tests.kit.official_sdk import ended, settled

PEOPLE = b"name,age,weight\nAnn,30,60.5\nBob,40,80\nCid,50,\n"


@pytest.fixture
async def people(client: Any, tmp_path: Path) -> Any:
    """A table of three people, to be changed by a test."""
    (tmp_path / "people.csv").write_bytes(PEOPLE)
    file = await settled(client.upload_file(str(tmp_path / "people.csv")))
    task = await ended(file.publish(name=new_name(), publish_as=PublishFileType.TABLE))
    return await settled(task.output_asset)


@pytest.fixture(scope="module")
def layer(api: Api) -> dict[str, Any]:
    """Squares of 10, 20 and 30 metres, each at 100 metres from the next."""
    squares = [shapely.box(100 * n, 0, 110 * n, 10 * n) for n in (1, 2, 3)]
    document = geojson(*map(shapely.geometry.mapping, squares), crs="EPSG:3857")
    return api.layer("squares.geojson", document)


def of_layer(uuid: str, name: str = "layer") -> dict[str, Any]:
    """A parameter that names a layer."""
    return {"name": name, "type": "Layer", "value": uuid}


def query_class(client: Any) -> Any:
    """The class of queries of this half of the SDK."""
    return AsyncQuery if "Async" in type(client).__name__ else Query


async def values(table: Any, *names: str) -> list[tuple[Any, ...]]:
    """Columns of a table, row by row."""
    rows = await settled(table.get_rows())
    return [tuple(row.data.get(name) for name in names) for row in rows]


async def test_table_is_read(people: Any) -> None:
    """Rows, their columns and their types come back as the CSV has them."""
    assert await values(people, "id", "name", "age", "weight") == [
        (1, "Ann", 30, 60.5),
        (2, "Bob", 40, 80),
        (3, "Cid", 50, None),
    ]
    fields = [(f.name, f.data_type.value) for f in await settled(people.get_fields())]
    assert fields == [("name", "String"), ("age", "Integer"), ("weight", "Float")]
    assert await settled(people.get_rows(q="age > 30", return_count=True)) == 2
    [row] = await settled(people.get_rows(row_ids="2", fields="name"))
    assert row.data == {"id": 2, "name": "Bob"}
    assert (await settled(people.get_row(3))).data["name"] == "Cid"


async def test_workbook_is_a_table(client: Any, tmp_path: Path) -> None:
    """An XLSX is published as a table."""
    path = tmp_path / "book.xlsx"
    columns = [np.array(["a", "b"], dtype=object), np.array([1, 2])]
    pyogrio.raw.write(path, None, columns, ["name", "n"], driver="XLSX", geometry_type=None)
    file = await settled(client.upload_file(str(path)))
    task = await ended(file.publish(name=new_name()))
    assert task.errors is None
    assert await values(await settled(task.output_asset), "name", "n") == [("a", 1), ("b", 2)]


async def test_rows_are_calculated(people: Any) -> None:
    """An expression gives the picked rows a value."""
    await ended(people.calculate_field("age", "age + length(name)", q="name <> 'Bob'"))
    assert await values(people, "age") == [(33,), (40,), (53,)]
    await ended(people.calculate_field("age", "0", row_ids="1"))
    assert await values(people, "age") == [(0,), (40,), (53,)]


async def test_rows_are_imported(client: Any, people: Any, tmp_path: Path) -> None:
    """Rows of a CSV are added; without a header its columns come in the table's order."""
    (tmp_path / "more.csv").write_text("age;name;other\n60;Dan;1\n")
    file = await settled(client.upload_file(str(tmp_path / "more.csv")))
    task = await ended(people.import_rows(file, delimiter=";"))
    assert task.errors is None
    (tmp_path / "bare.csv").write_text("Eve,70,90\n")
    file = await settled(client.upload_file(str(tmp_path / "bare.csv")))
    await ended(people.import_rows(file, has_header=False))
    found = await values(people, "id", "name", "age", "weight")
    assert found[3:] == [(4, "Dan", 60, None), (5, "Eve", 70, 90)]


async def test_rows_are_exported(people: Any, tmp_path: Path) -> None:
    """Filter, columns, order and zip are honoured."""
    options = {"q": "age >= 40", "fields": "name,age", "order_by": "age D", "zipped": True}
    task = await ended(people.export_rows("out", **options))
    file = await settled(task.output_asset)
    path = await settled(file.download(save_path=f"{tmp_path}/", progress_bar=False))
    with ZipFile(path) as archive:
        text = archive.read("out.csv").decode()
    assert list(csv.reader(io.StringIO(text))) == [["name", "age"], ["Cid", "50"], ["Bob", "40"]]
    task = await ended(people.export_rows("plain.csv", exclude="weight"))
    file = await settled(task.output_asset)
    assert (file.name, file.file_type.value) == ("plain.csv", "CSV")


async def test_sql_becomes_a_layer(client: Any, layer: dict[str, Any]) -> None:
    """SQL with functions of geometry over a layer becomes a layer of those shapes."""
    query = query_class(client)
    columns = "*, ST_Buffer(geom, :far) AS geom, ST_Area(geom) AS size"
    sql = f"SELECT {columns} FROM squares WHERE number > :n"
    params = [
        of_layer(layer["uuid"], "squares"),
        {"name": "far", "type": "Float", "value": 5},
        {"name": "n", "type": "Integer", "value": 1},
    ]
    task = await ended(
        query.direct_save_as_layer(
            client, sql, params, new_name(), QueryGeometryType.POLYGON, temporary=True
        )
    )
    assert task.errors is None
    made = await settled(task.output_asset)
    assert made.temporary is True
    features = await settled(made.get_features())
    assert [f.properties["size"] for f in features] == [400, 900]
    expected = [shapely.box(0, 0, s, s).buffer(5, quad_segs=8).area for s in (20, 30)]
    assert [f.geometry.area for f in features] == pytest.approx(expected)


async def test_sql_becomes_a_table(client: Any, people: Any) -> None:
    """SQL over a table becomes a table."""
    params = [{"name": "people", "type": "Table", "value": people.uuid}]
    sql = "SELECT count(*) AS n, avg(age) AS mean FROM people"
    task = await ended(query_class(client).direct_save_as_table(client, sql, params, new_name()))
    assert await values(await settled(task.output_asset), "n", "mean") == [(3, 40.0)]


async def test_workflow_sql_is_understood(client: Any, layer: dict[str, Any]) -> None:
    """What the SDK's own workflows send names the layer `layer` and its shapes `geom`."""
    sql = "select layer.geom,layer.* ,number * 2 as twice from layer"
    saved = query_class(client).direct_save_as_layer(
        client, sql, [of_layer(layer["uuid"])], new_name()
    )
    made = await settled((await ended(saved)).output_asset)
    features = await settled(made.get_features())
    assert [f.properties for f in features] == [{"number": n, "twice": 2 * n} for n in (1, 2, 3)]


async def test_sql_is_answered(client: Any, layer: dict[str, Any]) -> None:
    """A query that is only executed answers features, rows, or a count."""
    query, params = query_class(client), [of_layer(layer["uuid"])]
    answer = await settled(
        query.direct_execute(client, "SELECT * FROM layer", params, out_srid=4326, limit=2)
    )
    assert answer["data"]["crs"]["properties"]["name"] == "EPSG:4326"
    assert len(answer["data"]["features"]) == 2
    assert answer["metadata"]["count"] == 3
    joined = "SELECT ST_Area(ST_Union(geom)) AS area FROM layer"
    only = {"result_type": QueryResultType.data}
    answer = await settled(query.direct_execute(client, joined, params, **only))
    assert answer == {"data": [{"area": pytest.approx(1400)}]}
    counted = query.direct_execute(client, "SELECT 1 FROM layer", params, return_count=True)
    assert await settled(counted) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM layer",
        "CREATE TABLE other (a)",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "PRAGMA database_list",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM layer",
        "SELECT ST_Buffer(number, 1) FROM layer",
        "SELECT load_extension('x')",
        "",
    ],
)
async def test_sql_only_reads(api: Api, layer: dict[str, Any], sql: str) -> None:
    """SQL that is not a valid SELECT is refused with a reason, and the layer is unchanged."""
    payload = {"sql": sql, "params": [of_layer(layer["uuid"])], "f": "json"}
    answer = api.http.post("queries/exec/", json=payload)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert len(api.features(layer)) == 3


async def test_endless_sql_ends(
    api: Api, layer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that takes too long is ended."""
    monkeypatch.setattr("prefect_geobox.emulator.sql.database._TIMEOUT_SECONDS", 0.05)
    sql = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS i FROM n"
    )
    answer = api.http.post("queries/exec/", json={"sql": sql, "params": []})
    assert answer.status_code == 422
    assert "interrupted" in answer.json()["detail"]["msg"]


async def test_query_is_kept_and_used(client: Any, layer: dict[str, Any]) -> None:
    """A query is made, found, run by its own parameters, and deleted."""
    sql = "SELECT * FROM layer WHERE number = 2"
    made = await settled(client.create_query(new_name(), sql=sql, params=[of_layer(layer["uuid"])]))
    found = await settled(client.get_query(made.uuid))
    assert (found.sql, found.params) == (sql, [of_layer(layer["uuid"])])
    task = await ended(found.save_as_layer(layer_name=new_name()))
    assert (await settled(task.output_asset)).feature_count == 1
    uuid = made.uuid
    await settled(made.delete())
    with pytest.raises(NotFoundError):
        await settled(client.get_query(uuid))


async def test_missing_layer_fails_the_task(client: Any) -> None:
    """A query over a layer that is gone ends in FAILURE and names it."""
    saved = query_class(client).direct_save_as_layer(
        client, "SELECT * FROM layer", [of_layer("gone")], new_name()
    )
    task = await ended(saved)
    assert "'gone' not found" in task.errors["detail"]["msg"]


async def test_unknown_column_is_refused(people: Any) -> None:
    """A filter over a column that is not there is an error at once."""
    with pytest.raises(ValidationError, match="unknown field"):
        await settled(people.export_rows("out", q="height > 1"))
