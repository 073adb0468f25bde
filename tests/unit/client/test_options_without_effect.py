"""Options that have no effect without, or beside, another one: said in the log, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_geobox.client import InvalidArgumentError, OutputAsset, operations
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, OTHER, TASK, task
from tests.kit.wire import Wire

WFS = ("https://gis.example.org/wfs", "roads")


def uploaded(file_type: str) -> OutputAsset:
    """An uploaded file of a format."""
    data = {"uuid": ASSET, "name": "a", "file_type": file_type}
    return OutputAsset(kind="file", uuid=ASSET, name="a", data=data, api_url="https://x/v1/f/")


async def said(call: Caller, wire: Wire, path: str, operation: Any, *args: Any, **options: Any):
    """What the start of an operation says."""
    wire.lists()
    wire.on("POST", path, {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    sentences: list[str] = []
    await call("start", operation, *args, notify=sentences.append, **options)
    return "\n".join(sentences)


@pytest.mark.parametrize(
    ("file_type", "given", "message"),
    [
        ("GPKG", {"as_terrain": True}, "as_terrain has no effect where a file is published as vec"),
        ("GeoTIFF", {"as_terrain": True}, ""),
        ("GeoTIFF", {"input_geom_type": "POINT"}, "input_geom_type has no effect"),
        ("GeoTIFF", {"file_encoding": "cp1252"}, "it is for vector and table only."),
        ("GeoTIFF", {"file_encoding": "utf-8"}, ""),
        ("GLB", {"replace_domain_codes_by_values": True}, "published as model3d"),
        ("CSV", {"file_encoding": "cp1252", "input_geom_type": "POINT"}, ""),
        ("GPX", {"input_srid": 32639}, "input_srid=32639 has no effect"),
    ],
)
async def test_an_option_of_another_kind_is_said(
    call: Caller, wire: Wire, file_type: str, given: dict[str, Any], message: str
) -> None:
    """A publishing says which options are for other kinds than the one that is made."""
    path = f"files/{ASSET}/publish/"
    found = await said(call, wire, path, operations.publish_file, uploaded(file_type), "x", **given)
    assert message in found
    assert bool(found) == bool(message)


@pytest.mark.parametrize("operation", ["import_features", "update_by_file"])
async def test_edits_by_file_say_that_a_code_has_no_effect(
    call: Caller, wire: Wire, operation: str
) -> None:
    """An import into a layer and an update by a GeoJSON file say that the EPSG code is ignored."""
    key = ("id",) if operation == "update_by_file" else ()
    path = f"vectorLayers/{OTHER}/{'updateByFile' if key else 'import/'}"
    arguments = (operations.OPERATIONS[operation], OTHER, uploaded("GeoJSON"), *key)
    found = await said(call, wire, path, *arguments, input_srid=32639)
    assert "input_srid=32639 has no effect: coordinates in GeoJSON" in found
    assert await said(call, wire, path, *arguments, input_srid=4326) == ""


async def test_words_beside_a_filter_are_said(call: Caller, wire: Wire) -> None:
    """An export of rows says that words to look for are ignored where there is a filter."""
    path = f"tables/{OTHER}/export/"
    arguments = (operations.export_rows, OTHER, "x")
    assert "search has no effect" in await said(call, wire, path, *arguments, q="a=1", search="b")
    assert await said(call, wire, path, *arguments, search="b", search_fields=["c"]) == ""


async def test_a_password_without_a_user_is_said(call: Caller, wire: Wire) -> None:
    """An import of a WFS says that a password alone is no login, and does not show it."""
    arguments = (operations.import_wfs, *WFS, "roads")
    found = await said(call, wire, "wfsImport/import/", *arguments, password="hunter2hunter2")
    assert "password has no effect without username" in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("list_tasks", ()),
        ("count_tasks", ()),
        ("start", (operations.export_rows, OTHER, "x")),
        ("start", (operations.calculate_table_field, OTHER, "f", "1")),
    ],
)
async def test_fields_of_a_search_without_words_are_refused(
    call: Caller, wire: Wire, method: str, arguments: tuple[Any, ...]
) -> None:
    """Where to search is refused where there is nothing to search for; nothing is sent."""
    with pytest.raises(InvalidArgumentError, match="search_fields says where to look"):
        await call(method, *arguments, search_fields=["c"])
    assert wire.seen == []
