"""Zips that are damaged, encrypted, packed in another way, or hold what is no data."""

from __future__ import annotations

import zipfile

import pytest

from tests.kit.geodata_files import vector_file, zip_of
from tests.kit.plain_api import Api, failure, geojson, point

GEOJSON = geojson(point(1, 2))
ZIP = zip_of({"a.geojson": GEOJSON})
CENTRAL = ZIP.find(b"PK\x01\x02")


def changed(content: bytes, changes: dict[int, bytes]) -> bytes:
    """Bytes with others in some places."""
    made = bytearray(content)
    for place, new in changes.items():
        made[place : place + len(new)] = new
    return bytes(made)


BZIP2 = zip_of({"a.geojson": GEOJSON}, zipfile.ZIP_BZIP2)
LZMA = zip_of({"a.geojson": GEOJSON}, zipfile.ZIP_LZMA)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(changed(ZIP, {6: b"\1", CENTRAL + 8: b"\1"}), "is encrypted", id="encrypted"),
        pytest.param(
            changed(ZIP, {8: b"\x09", CENTRAL + 10: b"\x09"}), "unknown method (9)", id="deflate64"
        ),
        pytest.param(changed(ZIP, {45: b"\xff" * 15}), "is damaged", id="damaged"),
        pytest.param(changed(BZIP2, {50: b"\xaa" * 10}), "is damaged", id="damaged-bzip2"),
        pytest.param(changed(LZMA, {50: b"\xaa" * 10}), "is damaged", id="damaged-lzma"),
        pytest.param(changed(ZIP, {14: b"\0" * 4, CENTRAL + 16: b"\0" * 4}), "CRC", id="checksum"),
        pytest.param(ZIP[: len(ZIP) // 2], "not a zip", id="truncated"),
        pytest.param(changed(ZIP, {CENTRAL: b"\xff"}), "cannot be read", id="directory"),
        pytest.param(
            changed(ZIP, {7: b"\x08", CENTRAL + 9: b"\x08", 30: b"\xff", CENTRAL + 46: b"\xff"}),
            "cannot be read",
            id="name",
        ),
        pytest.param(b"Rar!\x1a\x07\x00" + bytes(50), "not a zip", id="rar"),
        pytest.param(zip_of({"inner.zip": ZIP}), "it holds: inner.zip", id="zip-in-zip"),
        pytest.param(zip_of({}), "it holds: nothing", id="empty"),
    ],
)
def test_zip_that_cannot_be_read_is_a_failure_with_a_reason(
    api: Api, content: bytes, reason: str
) -> None:
    """Such a zip is accepted; publishing it ends in FAILURE, which says what is wrong."""
    kind, message = failure(api.publish("a.zip", content))
    assert kind == "geobox.InvalidFileError"
    assert reason in message
    assert "/tmp" not in message


def test_damaged_table_in_a_zip_is_a_failure_with_a_reason(api: Api) -> None:
    """A table that cannot be unpacked is a FAILURE that names it."""
    content = changed(zip_of({"a.csv": b"name,people\nA,1\n" * 20}), {38: b"\xff" * 12})
    kind, message = failure(api.publish("a.zip", content, publish_as="table"))
    assert kind == "geobox.InvalidFileError"
    assert "a.csv is damaged" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [(ZIP, "holds no tileset.json"), (ZIP[:60], "not a zip")],
    ids=["other", "truncated"],
)
def test_zip_without_a_tileset_is_no_tiles(api: Api, content: bytes, reason: str) -> None:
    """A zip that is damaged or holds other data is not published as 3D tiles."""
    _, message = failure(api.publish("a.zip", content, publish_as="tiles3d"))
    assert reason in message


def test_damaged_member_spares_the_others(api: Api) -> None:
    """A zip with one damaged member serves the others, and still lists the damaged one."""
    content = zip_of({"bad.geojson": GEOJSON, "good.geojson": GEOJSON})
    content = changed(content, {50: b"\xff" * 12})
    file = api.upload("a.zip", content)
    assert [layer["layer"] for layer in file["layers"]["layers"]] == ["bad", "good"]
    assert api.layer("a.zip", content, input_layer="good")["feature_count"] == 1
    assert "is damaged" in failure(api.publish("a.zip", content, input_layer="bad"))[1]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_of_a_rare_method_is_read(api: Api, method: int) -> None:
    """What zipfile can unpack is read, even where GDAL could not."""
    content = zip_of({"a.geojson": GEOJSON}, method)
    assert api.layer("a.zip", content)["feature_count"] == 1


def test_hidden_files_are_no_data(api: Api) -> None:
    """What macOS adds, and hidden files in any folder, are neither listed nor published."""
    content = zip_of(
        {
            "__MACOSX/._a.geojson": b"\0",
            "__MACOSX/roads.shp": b"\0",
            "._b.geojson": b"\0",
            ".hidden/c.geojson": GEOJSON,
            "deep/__MACOSX/d.csv": b"x",
            "._e.csv": b"x",
            "a.geojson": GEOJSON,
        }
    )
    layers = api.upload("a.zip", content)["layers"]["layers"]
    assert [layer["dataset"] for layer in layers] == ["a.geojson"]
    _, message = failure(api.publish("a.zip", content, input_dataset="._b.geojson"))
    assert "it has: a.geojson" in message
    _, message = failure(api.publish("a.zip", content, publish_as="table"))
    assert "holds no table, which is a CSV or XLSX; it has: a.geojson" in message
    only = zip_of({"__MACOSX/._a.geojson": b"\0", ".DS_Store": b"\0"})
    assert "it holds: nothing" in failure(api.publish("a.zip", only))[1]


def test_backslashes_of_windows_separate_folders(api: Api) -> None:
    """A Shapefile whose parts are packed with backslashes is read, by either form of its path."""
    pytest.importorskip("pyogrio")
    members = {f"daten/a{s}": c for s, c in vector_file(".shp", {"a": ["x"]}).items()}
    content = zip_of(members).replace(b"daten/a.", b"daten\\a.")
    [layer] = api.upload("a.zip", content)["layers"]["layers"]
    assert (layer["layer"], layer["dataset"]) == ("a", "daten/a.shp")
    for dataset in ("daten/a.shp", "daten\\a.shp"):
        assert api.layer("a.zip", content, input_dataset=dataset)["feature_count"] == 1
