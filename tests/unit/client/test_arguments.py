"""Invalid arguments are refused by name, before any request."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from prefect_geobox.client import TaskState, by_name
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.text import quoted
from prefect_geobox.client.model.validation import checked_uuid
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, TASK
from tests.kit.wire import Wire

BAD_UUIDS: list[Any] = [
    "",
    " ",
    "1",
    17,
    None,
    True,
    1.5,
    b"12345678-1234-5678-1234-567812345678",
    "../../auth/token",
    f"{TASK}/abort",
    f"{TASK}?x=1",
    f"{TASK}#",
    f"{TASK}{TASK}",
    TASK[:-1],
    f"{{{TASK}}}",
    f"urn:uuid:{TASK}",
    TASK.replace("-", "", 1),
    TASK.replace("1", "g"),
    TASK.replace("1", "\u0661"),
    {"uuid": TASK},
    [TASK],
    SimpleNamespace(uuid=None),
    SimpleNamespace(uuid=5),
    SimpleNamespace(uuid="x/../y"),
    SimpleNamespace(id=TASK),
]


@pytest.mark.parametrize("bad", BAD_UUIDS, ids=repr)
async def test_bad_uuid_is_refused(call: Caller, wire: Wire, bad: Any) -> None:
    """A value that is not a uuid is refused by every method that takes one; no request is sent."""
    for verb, arguments in (
        ("get_task", (bad,)),
        ("get_progress", (bad,)),
        ("wait_for_task", (bad,)),
        ("wait_for_tasks", ([TASK, bad],)),
        ("abort_task", (bad,)),
        ("get_output_asset", (bad,)),
        ("get_asset", ("raster", bad)),
        ("get_features", (bad,)),
        ("count_features", (bad,)),
        ("start_publish", (bad, "name")),
        ("publish_file", (bad, "name")),
    ):
        with pytest.raises(InvalidArgumentError, match="must be a uuid such as"):
            await call(verb, *arguments)
    assert wire.seen == []


@pytest.mark.parametrize(
    "good",
    [TASK, TASK.upper(), TASK.replace("-", ""), UUID(TASK), SimpleNamespace(uuid=UUID(TASK))],
)
def test_good_uuids(good: Any) -> None:
    """A uuid counts in every usual spelling, alone or as an attribute."""
    assert UUID(checked_uuid("task", good)) == UUID(TASK)


BAD_OPTIONS: list[tuple[str, Any]] = [
    ("timeout", -1),
    ("timeout", math.nan),
    ("timeout", "5"),
    ("interval", 0),
    ("interval", -2),
    ("max_interval", 0),
    ("outage", -1),
    ("retry", 0),
    ("retry", True),
    ("on_cancel", "stop"),
    ("on_timeout", "stop"),
]


@pytest.mark.parametrize(("field", "value"), BAD_OPTIONS)
async def test_bad_wait_option_is_refused(call: Caller, wire: Wire, field: str, value: Any) -> None:
    """An invalid wait option is refused by name in each method that waits."""
    for verb, arguments in (
        ("wait_for_task", (TASK,)),
        ("wait_for_tasks", ([TASK],)),
        ("publish_file", (ASSET, "name")),
    ):
        with pytest.raises(ValueError, match=rf"^{field} must be"):
            await call(verb, *arguments, **{field: value})
    assert wire.seen == []


BAD_FILTERS: list[tuple[str, Any]] = [
    ("state", "DONE"),
    ("state", "success"),
    ("state", TaskState.UNKNOWN),
    ("limit", 0),
    ("limit", -1),
    ("limit", True),
    ("limit", "10"),
    ("skip", -1),
    ("skip", 1.5),
    ("user_id", -1),
]


@pytest.mark.parametrize(("field", "value"), BAD_FILTERS)
async def test_bad_filter_is_refused(call: Caller, wire: Wire, field: str, value: Any) -> None:
    """An invalid filter is refused by name, in the list and the count."""
    for verb in ("list_tasks", "count_tasks"):
        with pytest.raises(InvalidArgumentError, match=f"^{field} must be"):
            await call(verb, **{field: value})
    assert wire.seen == []


@pytest.mark.parametrize("confirm", [0, -1, math.nan, math.inf, None, "3"])
async def test_bad_confirm_is_refused(call: Caller, wire: Wire, confirm: Any) -> None:
    """An abort cannot be confirmed in no time, and nothing is aborted then."""
    with pytest.raises(InvalidArgumentError, match=r"^confirm must be"):
        await call("abort_task", TASK, confirm=confirm)
    assert wire.seen == []


BAD_PUBLISHING: list[tuple[Any, dict[str, Any], str]] = [
    ("", {}, "name must be"),
    ("  ", {}, "name must be"),
    (None, {}, "name must be"),
    ("x", {"publish_as": "map"}, "publish_as must be"),
    ("x", {"publish_as": "VECTOR"}, "publish_as must be"),
    ("x", {"input_srid": 0}, "input_srid must be"),
    ("x", {"input_srid": "4326"}, "input_srid must be"),
    ("x", {"input_srid": True}, "input_srid must be"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD_PUBLISHING)
async def test_bad_publishing_is_refused(
    call: Caller, wire: Wire, name: Any, options: dict[str, Any], message: str
) -> None:
    """An invalid publish is refused before any request, the read of the file included."""
    wire.on("GET", f"files/{ASSET}/info/", {"uuid": ASSET, "name": "x", "file_type": "GeoJSON"})
    for verb in ("start_publish", "publish_file"):
        with pytest.raises(InvalidArgumentError, match=f"^{message}"):
            await call(verb, ASSET, name, **options)
    assert wire.seen == []


async def test_file_that_cannot_be_uploaded_is_refused(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A missing file, a folder and an empty file are refused; no request is sent."""
    empty = tmp_path / "empty.csv"
    empty.touch()
    for path, error in (
        (tmp_path / "none.csv", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (empty, InvalidArgumentError),
    ):
        with pytest.raises(error, match=path.name):
            await call("upload_file", path)
        with pytest.raises(error, match=path.name):
            await call("upload_file", str(path))
    assert wire.seen == []


@pytest.mark.parametrize(
    ("text", "literal"), [("a", "'a'"), ("O'Neil", "'O''Neil'"), ("''", "''''''"), ("", "''")]
)
def test_quoted(text: str, literal: str) -> None:
    """A quote in a filter's text is doubled."""
    assert quoted(text) == literal


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "field"),
    [
        ("start_publish", (ASSET, "Z\udcfcrich"), {}, "name"),
        ("start_publish", (ASSET, "x"), {"input_layer": "Z\udcfcrich"}, "input_layer"),
        ("find_assets", ("vector", "Z\udcfcrich"), {}, "name"),
        ("list_tasks", (), {"q": "name = 'Z\udcfcrich'"}, "q"),
        ("count_tasks", (), {"search_fields": ["Z\udcfcrich"]}, "search_fields"),
    ],
)
async def test_a_text_with_undecoded_bytes_is_refused(
    call: Caller, wire: Wire, verb: str, arguments: Any, options: dict[str, Any], field: str
) -> None:
    """A text in which Python has kept bytes of another encoding is refused by name."""
    with pytest.raises(InvalidArgumentError, match=f"^{field} must be a text that can be sent"):
        await call(verb, *arguments, **options)
    assert wire.seen == []


def test_a_name_with_undecoded_bytes_is_refused() -> None:
    """So is the name of an input."""
    with pytest.raises(InvalidArgumentError, match=r"^name must be a text that can be sent"):
        by_name("Z\udcfcrich")
