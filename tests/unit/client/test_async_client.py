"""Each verb on remote tasks, as it goes over the wire; the blocking client sends the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from prefect_geobox.client import (
    NotFoundError,
    RemoteTask,
    TaskState,
    TaskTimeoutError,
)
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import ASSET, OTHER, TASK, task
from tests.kit.wire import Wire, form, query, reply

PLAIN = [("f", "json"), ("return_count", "False"), ("shared", "False")]


def without_key(request: httpx.Request) -> list[tuple[str, str]]:
    """The query of a request without the key."""
    return [(name, value) for name, value in query(request) if name != "apikey"]


class SdkTask:
    """An object with a uuid, as a task of the official SDK is."""

    uuid = TASK


@pytest.mark.parametrize(
    "given", [TASK, UUID(TASK), RemoteTask.unseen(TASK), SdkTask(), f" {TASK}\n"]
)
async def test_get_task(call: Caller, wire: Wire, given: Any) -> None:
    """A remote task is read by one GET, whatever stands for its uuid."""
    wire.on("GET", f"tasks/{TASK}/", task("PROGRESS"))
    seen = await call("get_task", given)
    assert (seen.uuid, seen.state, seen.id, seen.name) == (TASK, "PROGRESS", 7, "import")
    assert wire.lines == [f"GET tasks/{TASK}/"]
    (request,) = wire.seen
    assert without_key(request) == []
    assert request.content == b""
    assert request.headers["accept"] == "application/json"
    assert str(request.url).startswith(f"http://geobox.test/v1/tasks/{TASK}/?apikey=")


async def test_list_tasks_defaults(call: Caller, wire: Wire) -> None:
    """A list without filters asks for the first ten remote tasks."""
    wire.on("GET", "tasks/", [task("PENDING"), task("SUCCESS", OTHER)])
    found = await call("list_tasks")
    assert [seen.uuid for seen in found] == [TASK, OTHER]
    assert without_key(wire.seen[0]) == [*PLAIN, ("skip", "0"), ("limit", "10")]


FILTERS = {
    "state": TaskState.PROGRESS,
    "q": "name = 'a b' AND id > 5 & 1=1",
    "search": "شهر",
    "search_fields": ["name", "state"],
    "order_by": "accepted_at D, name A",
    "skip": 20,
    "limit": 5,
    "user_id": 3,
    "shared": True,
}
ON_THE_WIRE = {
    **{name: str(value) for name, value in FILTERS.items()},
    "f": "json",
    "search_fields": "name,state",
}


async def test_list_tasks_sends_every_filter(call: Caller, wire: Wire) -> None:
    """Every filter of the list arrives as it was given."""
    wire.on("GET", "tasks/", None)
    assert await call("list_tasks", **FILTERS) == []
    assert dict(without_key(wire.seen[0])) == {**ON_THE_WIRE, "return_count": "False"}
    assert len(without_key(wire.seen[0])) == 11


@pytest.mark.parametrize("answer", [42, {"count": 42}])
async def test_count_tasks(call: Caller, wire: Wire, answer: Any) -> None:
    """A count sends the filters of the list and reads both shapes of the answer."""
    wire.on("GET", "tasks/", answer)
    assert await call("count_tasks", **FILTERS) == 42
    assert dict(without_key(wire.seen[0])) == {**ON_THE_WIRE, "return_count": "True"}


async def test_count_without_filters_sends_no_page(call: Caller, wire: Wire) -> None:
    """A plain count names no page, so that all are counted."""
    wire.on("GET", "tasks/", 3)
    assert await call("count_tasks") == 3
    assert without_key(wire.seen[0]) == [
        ("f", "json"),
        ("return_count", "True"),
        ("shared", "False"),
    ]


async def test_get_progress(call: Caller, wire: Wire) -> None:
    """The progress is read from its own endpoint."""
    wire.on("GET", f"tasks/{TASK}/status/", {"current": 29, "total": 100})
    assert (await call("get_progress", TASK)).percent == 29
    assert wire.lines == [f"GET tasks/{TASK}/status/"]


async def test_abort_task(call: Caller, wire: Wire) -> None:
    """An abort is one POST without a body, then reads until the remote task has ended."""
    wire.on("POST", f"tasks/{TASK}/abort/", reply(204))
    wire.on("GET", f"tasks/{TASK}/", task("PROGRESS"), task("PROGRESS"), task("ABORTED"))
    assert (await call("abort_task", TASK)).state == "ABORTED"
    assert wire.lines == [f"POST tasks/{TASK}/abort/", *[f"GET tasks/{TASK}/"] * 3]
    assert wire.seen[0].content == b""


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_abort_of_an_ended_task_tells_how_it_ended(
    call: Caller, wire: Wire, status: int
) -> None:
    """An abort that is refused because the remote task has ended returns that end."""
    wire.on("POST", f"tasks/{TASK}/abort/", reply(status, json={"detail": "has ended"}))
    wire.on("GET", f"tasks/{TASK}/", task("SUCCESS"))
    assert (await call("abort_task", TASK)).succeeded


async def test_abort_of_a_task_known_to_have_ended_asks_nobody(call: Caller, wire: Wire) -> None:
    """A remote task that was seen to end is returned without a request."""
    ended = RemoteTask.from_payload(task("FAILURE"))
    assert await call("abort_task", ended) is ended
    assert wire.lines == []


async def test_abort_of_an_unknown_task_is_not_found(call: Caller, wire: Wire) -> None:
    """An abort of a remote task that is not there raises NotFoundError at once."""
    wire.on("POST", f"tasks/{TASK}/abort/", reply(404, json={"detail": "none"}))
    with pytest.raises(NotFoundError):
        await call("abort_task", TASK)
    assert len(wire.seen) == 1


async def test_unconfirmed_abort_times_out(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """An abort that is not confirmed in time raises with the last state."""
    wire.on("POST", f"tasks/{TASK}/abort/", reply(204))
    wire.on("GET", f"tasks/{TASK}/", task("PROGRESS"))
    began = clock.now
    with pytest.raises(TaskTimeoutError) as caught:
        await call("abort_task", TASK, confirm=7)
    assert caught.value.task.state == "PROGRESS"
    assert clock.now - began == pytest.approx(7)


async def test_start_task_with_a_form(call: Caller, wire: Wire) -> None:
    """A form drops None, spells booleans the API's way and repeats the key of a list."""
    wire.lists()
    wire.on("POST", f"vectorLayers/{ASSET}/export/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    fields = {"a": None, "yes": True, "no": False, "ids": [1, 2], "bbox": "1,2", "n": 0, "e": ""}
    started = await call("start_task", "POST", f"vectorLayers/{ASSET}/export/", form=fields)
    assert started.uuid == TASK
    assert wire.work_lines == [f"POST vectorLayers/{ASSET}/export/", f"GET tasks/{TASK}/"]
    assert form(wire.work[0]) == [
        ("yes", "True"),
        ("no", "False"),
        ("ids", "1"),
        ("ids", "2"),
        ("bbox", "1,2"),
        ("n", "0"),
        ("e", ""),
    ]


async def test_start_task_with_json_and_params(call: Caller, wire: Wire) -> None:
    """A JSON body and a query arrive as they were given."""
    wire.lists()
    wire.on("POST", "queries/saveAsLayer/", {"task_id": 12})
    wire.on("GET", "tasks/12/", task("PENDING"))
    body = {"sql": "select 'ü'", "params": [{"n": None}], "temporary": True}
    started = await call(
        "start_task", "POST", "queries/saveAsLayer/", json=body, params=[("a", "1"), ("a", "2 3")]
    )
    assert started.uuid == TASK
    assert json.loads(wire.work[0].content) == body
    assert wire.work[0].headers["content-type"] == "application/json"
    assert without_key(wire.work[0]) == [("a", "1"), ("a", "2 3")]


async def test_later_reads_go_to_the_uuid(call: Caller, wire: Wire) -> None:
    """A start may answer with numbers; the remote tasks that they lead to are known by uuid."""
    wire.lists()
    wire.on("POST", "x/", [{"task_id": 12}, {"task_id": 13}])
    wire.on("GET", "tasks/12/", task("PENDING"))
    wire.on("GET", "tasks/13/", task("PENDING", OTHER))
    wire.on("GET", f"tasks/{TASK}/", task("SUCCESS"))
    started = await call("start_task", "POST", "x/", json={})
    assert started.companions == (OTHER,)
    assert (await call("wait_for_task", started)).succeeded
    assert wire.work_lines == ["POST x/", "GET tasks/12/", "GET tasks/13/", f"GET tasks/{TASK}/"]


KINDS = [
    ("layer_uuid", "vector", f"vectorLayers/{ASSET}/"),
    ("raster_uuid", "raster", f"rasters/{ASSET}/"),
    ("model_uuid", "model", f"3dmodels/{ASSET}/"),
    ("file_uuid", "file", f"files/{ASSET}/"),
    ("3dtiles_uuid", "tiles3d", f"3dtiles/{ASSET}/"),
    ("table_uuid", "table", f"tables/{ASSET}/"),
]


@pytest.mark.parametrize(("key", "kind", "path"), KINDS)
async def test_get_output_asset(call: Caller, wire: Wire, key: str, kind: str, path: str) -> None:
    """The output of each kind is read from its own endpoint and carries a link without a key."""
    detail = f"{path}info/" if kind == "file" else path
    wire.on("GET", f"tasks/{TASK}/", task("SUCCESS", result={key: ASSET}))
    wire.on("GET", detail, {"uuid": ASSET, "name": "towns"})
    asset = await call("get_output_asset", TASK)
    assert wire.lines == [f"GET tasks/{TASK}/", f"GET {detail}"]
    assert without_key(wire.seen[1]) == [("f", "json")]
    assert (asset.kind, asset.uuid, asset.name) == (kind, ASSET, "towns")
    assert asset.api_url == f"http://geobox.test/v1/{path}"
    assert asset.asset_key == f"geobox://geobox.test/{kind}/{ASSET}"


async def test_no_output_asset(call: Caller, wire: Wire) -> None:
    """A result that names no output gives None, and a final remote task is not read again."""
    wire.on("GET", f"tasks/{TASK}/", task("SUCCESS", result={"view_uuid": ASSET}))
    assert await call("get_output_asset", TASK) is None
    assert await call("get_output_asset", RemoteTask.from_payload(task())) is None
    assert wire.lines == [f"GET tasks/{TASK}/"]


async def test_clients_show_base_and_principal_only(make: Callable[..., Any]) -> None:
    """A client's repr names its class, its base URL and who asks."""
    client = make(username="ann", password="hidden-password")
    assert repr(client) == "AsyncGeoboxClient('http://geobox.test/v1/', 'user:ann')"
