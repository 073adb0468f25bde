"""CSV: which values are numbers, what separates them, which columns hold positions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.plain_api import Api, failure, new_name

np = pytest.importorskip("numpy")
shapely = pytest.importorskip("shapely")


def table(api: Api, content: bytes) -> tuple[str, list[dict[str, Any]]]:
    """Publishes a CSV as a table: its path and its rows."""
    uuid = api.publish("a.csv", content, publish_as="table")["result"]["table_uuid"]
    return f"tables/{uuid}/", rows(api, f"tables/{uuid}/")


def rows(api: Api, path: str) -> list[dict[str, Any]]:
    """The rows of a table."""
    found: list[dict[str, Any]] = api.get(f"{path}rows/", f="json", skip=0, limit=100)
    return found


@pytest.mark.parametrize(
    ("values", "expected", "datatype"),
    [
        (["02138", "12345"], ["02138", "12345"], "String"),
        (["1", "", "-2"], [1, None, -2], "Integer"),
        (["0.1", "3", "0.00001"], [0.1, 3, 1e-05], "Float"),
        (["3000000000", "1"], [3000000000, 1], "Long"),
        (["1.10", "1.2"], ["1.10", "1.2"], "String"),
        (["1e5"], ["1e5"], "String"),
        (["12E4"], ["12E4"], "String"),
        (["+1"], ["+1"], "String"),
        (["1_000"], ["1_000"], "String"),
        (["١٢"], ["١٢"], "String"),
        ([" 1"], [" 1"], "String"),
        (["nan", "inf"], ["nan", "inf"], "String"),
        (["99999999999999999999"], ["99999999999999999999"], "String"),
        (["0.12345678901234567890"], ["0.12345678901234567890"], "String"),
        (["-0"], ["-0"], "String"),
        (["1", "N/A"], ["1", "N/A"], "String"),
    ],
)
def test_number_is_what_gives_the_same_text_again(
    api: Api, values: list[str], expected: list[Any], datatype: str
) -> None:
    """A column with any value that a number would change is a column of texts."""
    content = "\n".join(["value,other", *(f"{value},x" for value in values)]).encode()
    path, found = table(api, content)
    assert [row["value"] for row in found] == expected
    assert api.get(f"{path}fields/")[0]["datatype"] == datatype


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name;Lat;Lon\nBern;46,948;7,447\n", {"Name": "Bern", "Lat": 46.948, "Lon": 7.447}),
        ("sep=;\nName;Lat;Lon\nBern;46,5;7\n", {"Name": "Bern", "Lat": 46.5, "Lon": 7}),
        ("Name\tLat\tLon\nBern\t46,5\t7\n", {"Name": "Bern", "Lat": 46.5, "Lon": 7}),
        ("Name|Lat|Lon\nBern|46.5|7\n", {"Name": "Bern", "Lat": 46.5, "Lon": 7}),
        ('"Name;x",Lat,Lon\nBern,46.5,7\n', {"Name;x": "Bern", "Lat": 46.5, "Lon": 7}),
        ('Name,Lat,Lon\nBern,"46,5",7\n', {"Name": "Bern", "Lat": "46,5", "Lon": 7}),
        ("Name,Lat,Lon,\nBern,46.5,7,\n", {"Name": "Bern", "Lat": 46.5, "Lon": 7}),
        (
            "Name,name,,Lat,Lon\nBern,x,y,46.5,7\n",
            {"Name": "Bern", "name2": "x", "field_3": "y", "Lat": 46.5, "Lon": 7},
        ),
        ("Lat,Lon\n46.5,7,more\n", {"Lat": 46.5, "Lon": 7, "field_3": "more"}),
    ],
)
def test_separators_and_decimal_commas_are_found_out(
    api: Api, text: str, expected: dict[str, Any]
) -> None:
    """Semicolons, tabs and bars separate values too; beside them a comma is one of decimals."""
    [feature] = api.features(api.layer("a.csv", text.encode("utf-8-sig")), out_srid=4326)
    assert feature["properties"] == expected
    latitude = float(str(expected["Lat"]).replace(",", "."))
    assert feature["geometry"]["coordinates"] == pytest.approx([expected["Lon"], latitude])


@pytest.mark.parametrize(
    "header",
    [
        "Longitude,Latitude",
        "LON,LAT",
        "lng,lat",
        "long,lat",
        "lon,Latitude",
        "decimalLongitude,decimalLatitude",
        "Lon (deg),Lat (deg)",
    ],
)
def test_usual_names_of_degrees_are_known(api: Api, header: str) -> None:
    """Columns with usual names of degrees are positions in WGS 84."""
    [feature] = api.features(api.layer("a.csv", f"{header}\n51.40,35.70\n".encode()), out_srid=4326)
    assert feature["geometry"]["coordinates"] == pytest.approx([51.4, 35.7])


@pytest.mark.parametrize(
    "header", ["x,y", "X_Coord,Y_Coord", "coord_x,coord_y", "POINT_X,POINT_Y", "Easting,Northing"]
)
def test_usual_names_of_positions_follow_the_srid(api: Api, header: str) -> None:
    """Columns with other names of positions are in the reference system of `input_srid`."""
    layer = api.layer("a.csv", f"{header}\n51.4,35.7\n".encode(), input_srid=4326)
    [feature] = api.features(layer, out_srid=4326)
    assert feature["geometry"]["coordinates"] == pytest.approx([51.4, 35.7])


HEXADECIMAL = shapely.to_wkb(
    shapely.set_srid(shapely.Point(51.4, 35.7), 4326), hex=True, include_srid=True
)


@pytest.mark.parametrize("header", ["wkt", "WKT_GEOM", "the_geom", "geom", "Geometry"])
@pytest.mark.parametrize("shape", ["SRID=4326;POINT(51.4 35.7)", HEXADECIMAL])
def test_shapes_in_a_column_name_their_reference_system(api: Api, header: str, shape: str) -> None:
    """A column of shapes, as text or as hexadecimal digits, keeps the SRID that it names."""
    [feature] = api.features(api.layer("a.csv", f"{header},n\n{shape},1\n".encode()), out_srid=4326)
    assert feature["geometry"]["coordinates"] == pytest.approx([51.4, 35.7])
    assert feature["properties"] == {"n": 1}


def test_missing_columns_of_positions_list_those_that_are_there(api: Api) -> None:
    """A CSV without positions is a FAILURE that names the columns it has."""
    _, message = failure(api.publish("a.csv", b"street;city\nA;B\n"))
    assert "longitude and latitude" in message
    assert "its columns are: street, city" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"lat,lon\n1,2\n,\n", "no lon"),
        (b"lat,lon\n1,2\nN/A,3\n", "lat is 'N/A', not a number"),
        (b"lat,lon\n1,2\n1_0,3\n", "lat is '1_0', not a number"),
        ("lat,lon\n1,2\n46\u00b057',3\n".encode(), 'lat is "46\u00b057\'", not a number'),
        (b"lat,lon\n1,2\n1e999,3\n", "not a finite number"),
        (b"geom,n\nPOINT(1 2),1\nrubbish,2\n", "geom is 'rubbish', not a shape"),
        (b"geom,n\nPOINT(1 2),1\n,2\n", "no geometry"),
    ],
)
def test_left_out_row_quotes_its_value(api: Api, content: bytes, reason: str) -> None:
    """A row without a usable position is left out, with a reason that quotes what it has."""
    task = api.publish("a.csv", content)
    [error] = task["result"]["errors"]
    assert error["feature"] == 2
    assert reason in error["msg"]


def test_long_shapes_are_read(api: Api) -> None:
    """The outline of a country as text is longer than Python's own limit of a value."""
    line = ",".join(f"{n} {n}" for n in range(30_000))
    content = f'n,wkt\n1,"LINESTRING({line})"\n'.encode()
    assert api.layer("a.csv", content)["feature_count"] == 1


def test_own_ids_of_a_table_are_kept(api: Api) -> None:
    """A column `id` of a CSV becomes `id2`, since `id` numbers the rows."""
    path, found = table(api, b"id,name\n007,A\n")
    assert found == [{"id": 1, "id2": "007", "name": "A"}]
    import_csv(api, path, b"id,name\n008,B\n")
    assert rows(api, path)[1] == {"id": 2, "id2": "008", "name": "B"}


def import_csv(api: Api, path: str, content: bytes, **form: str) -> dict[str, Any]:
    """Imports a CSV into a table; the ended task."""
    file = api.upload("b.csv", content)
    data = {"file_uuid": file["uuid"], **form}
    return api.wait(api.json("POST", f"{path}import-csv/", data=data)["task_id"])


def test_imported_values_take_the_types_of_the_table(api: Api) -> None:
    """A number becomes text in a column of texts, and a text a number in one of numbers."""
    path, _ = table(api, b"code,share\n007,0.5\n")
    import_csv(api, path, b"code;share\n10;1.50\n")
    assert rows(api, path)[1] == {"id": 2, "code": "10", "share": 1.5}


def test_import_without_a_known_column_is_a_failure(api: Api) -> None:
    """A file whose columns the table lacks is refused, and its rows are not imported empty."""
    path, _ = table(api, b"code,share\n007,0.5\n")
    _, message = failure(import_csv(api, path, b"code;share\n10;1\n", delimiter=","))
    assert "the file has: code;share; the table has: code, share" in message
    assert len(rows(api, path)) == 1


def test_update_matches_keys_by_the_type_of_the_column(api: Api) -> None:
    """A key that is a text in the layer matches one that looks like a number in the file."""
    layer = api.layer("a.csv", b"code,n,lon,lat\n007,1,1,1\n10,2,2,2\n")
    file = api.upload("b.csv", b"code,n,lon,lat\n10,5,2,2\n")
    data = {"file_uuid": file["uuid"], "common_field": "code", "delete_unmatched": "True"}
    task = api.json("POST", f"vectorLayers/{layer['uuid']}/updateByFile", data=data)
    assert api.wait(task["task_id"])["result"] == {"updated": 1, "inserted": 0, "deleted": 1}
    [feature] = api.features(layer)
    assert (feature["properties"]["code"], feature["properties"]["n"]) == ("10", 5)


def test_sheets_of_a_workbook_are_told_apart(api: Api, tmp_path: Any) -> None:
    """Each sheet of an XLSX is listed, and the one that is named becomes the table."""
    pyogrio = pytest.importorskip("pyogrio")
    for sheet, value in (("one", "007"), ("two", "x")):
        pyogrio.raw.write(
            tmp_path / "a.xlsx",
            None,
            [np.array([value], dtype=object)],
            ["code"],
            driver="XLSX",
            layer=sheet,
            append=(tmp_path / "a.xlsx").exists(),
        )
    content = (tmp_path / "a.xlsx").read_bytes()
    layers = api.upload("a.xlsx", content)["layers"]["layers"]
    assert [layer["layer"] for layer in layers] == ["one", "two"]
    form = {"publish_as": "table", "layer_name": new_name()}
    uuid = api.publish("a.xlsx", content, input_layer="two", **form)["result"]["table_uuid"]
    assert rows(api, f"tables/{uuid}/") == [{"id": 1, "code": "x"}]
    _, message = failure(api.publish("a.xlsx", content, input_layer="three", **form))
    assert "it has: 'one', 'two'" in message
