"""What a message suggests: a similar name, a missing await, an operation by its name."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from prefect_geobox.client import InvalidArgumentError, NameLookupError, by_name, operations
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, OTHER, TASK, task
from tests.kit.wire import Wire, form, json_answer, query

WELLS = {"uuid": ASSET, "name": "wells"}


def listing(*items: dict[str, Any]) -> Any:
    """A list that heeds a filter by one name."""

    def answer(request: Any) -> Any:
        wanted = dict(query(request)).get("q")
        return json_answer([i for i in items if wanted in (None, f"name = '{i['name']}'")])

    return answer


def serve(wire: Wire, *layers: dict[str, Any]) -> None:
    """Serves lists of everything, with these layers."""
    wire.lists()
    wire.on("GET", "vectorLayers/", listing(*layers))
    for kind in ("vectorLayerViews", "rasters", "tables"):
        wire.on("GET", f"{kind}/", [])


@pytest.mark.parametrize("given", ["well", "Wells", "wels"])
async def test_a_name_nearly_right_is_suggested(call: Caller, wire: Wire, given: str) -> None:
    """A look-up of a name that nothing has suggests one that is spelled alike."""
    serve(wire, WELLS, {"uuid": OTHER, "name": "countries"})
    message = rf"named '{given}' for this account.* Did you mean 'wells'\? Check the spelling"
    with pytest.raises(NameLookupError, match=message):
        await call("start", operations.export_features, by_name(given), "x.gpkg")
    with pytest.raises(NameLookupError, match=message):
        await call("find_asset", "vector", given)


async def test_no_name_is_suggested_where_none_is_similar(call: Caller, wire: Wire) -> None:
    """Without a similar name, and where the names cannot be read, the message stays as it is."""
    serve(wire, WELLS)
    with pytest.raises(NameLookupError, match=r"for this account\. Check the spelling and the acc"):
        await call("find_asset", "vector", "zzz")


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("publish_file", {"publish_as": "vectors"}, "got 'vectors'. Did you mean vector?"),
        ("export_features", {"out_format": "shapefile"}, "Did you mean Shapefile?"),
    ],
)
def test_a_value_nearly_right_is_suggested(
    operation: str, options: dict[str, str], message: str
) -> None:
    """A value that is none of those allowed is refused with the one that is spelled alike."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        operations.OPERATIONS[operation].bind((ASSET, "x"), options)


@pytest.mark.parametrize("kind", ["vectors", "Raster"])
async def test_a_kind_nearly_right_is_suggested(call: Caller, wire: Wire, kind: str) -> None:
    """So is a kind of asset."""
    with pytest.raises(InvalidArgumentError, match=r"Did you mean (vector|raster)\?$"):
        await call("find_assets", kind, "x")
    assert wire.seen == []


async def test_an_operation_is_taken_by_its_name(call: Caller, wire: Wire) -> None:
    """`start` and `run` take the name of an operation in place of the operation."""
    wire.lists()
    wire.on("POST", f"vectorLayers/{ASSET}/export/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("SUCCESS", result={"file_uuid": OTHER}))
    wire.on("GET", f"files/{OTHER}/info/", {"uuid": OTHER, "name": "x.gpkg", "file_type": "GPKG"})
    await call("start", "export_features", ASSET, "x.gpkg")
    file = await call("run", "export_features", ASSET, "x.gpkg", progress_bar=False)
    assert file.name == "x.gpkg"
    assert dict(form(wire.work[0]))["out_filename"] == "x.gpkg"


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("export_feature", "operation: there is no 'export_feature'. Did you mean export_features"),
        ("aexport_features", "Did you mean export_features"),
        (print, "operation must be one of prefect_geobox.client.operations, such as"),
        (None, "or its name; got an object of type NoneType"),
    ],
)
async def test_what_is_no_operation_is_refused(
    call: Caller, wire: Wire, operation: Any, message: str
) -> None:
    """Something else in the place of an operation is refused; a name spelled alike is suggested."""
    for verb in ("start", "run"):
        with pytest.raises(InvalidArgumentError, match=re.escape(message)):
            await call(verb, operation, ASSET, "x.gpkg")
    assert wire.seen == []


async def made() -> str:
    """Something that has to be awaited."""
    return ASSET


@pytest.mark.parametrize(
    ("verb", "arguments", "field"),
    [
        ("get_task", lambda: (made(),), "task"),
        ("wait_for_tasks", lambda: ([TASK, made()],), r"tasks\[1\]"),
        ("wait_for_tasks", lambda: (made(),), "tasks"),
        ("upload_file", lambda: (made(),), "path"),
        ("publish_file", lambda: (made(), "x"), "file"),
        ("publish_file", lambda: (ASSET, made()), "name"),
        ("run", lambda: ("export_features", made(), "x.gpkg"), "layer"),
        ("download_file", lambda: (made(), "out/"), "file"),
        ("find_asset", lambda: ("vector", made()), "name"),
    ],
)
async def test_a_missing_await_is_named(
    call: Caller, wire: Wire, verb: str, arguments: Any, field: str
) -> None:
    """A coroutine in the place of an argument is refused with the word that is missing."""
    with pytest.raises(InvalidArgumentError, match=rf"^{field} is a coroutine: `await` is missing"):
        await call(verb, *arguments())
    assert wire.seen == []


async def test_an_asyncio_task_is_no_argument(call: Caller, wire: Wire) -> None:
    """So is an asyncio task."""
    task = asyncio.ensure_future(made())
    with pytest.raises(InvalidArgumentError, match="file is an asyncio Task: `await` is missing"):
        await call("publish_file", task, "x")
    await task
    assert wire.seen == []
