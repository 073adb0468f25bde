"""What the server has just named and does not find yet."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client import (
    AuthorizationError,
    GeoboxError,
    LostContactError,
    NotFoundError,
    operations,
)
from prefect_geobox.client.http.recent_names import VISIBLE_WITHIN, RecentNames
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import ASSET, OTHER, TASK, task
from tests.kit.wire import Wire, json_answer, reply

NOT_FOUND = reply(404, json={"detail": "not found"})
LAYER = {"uuid": OTHER, "name": "plots"}
DONE = task(result={"layer_uuid": OTHER})
NOW = datetime.now(timezone.utc)


@pytest.mark.parametrize("task_id", [TASK, 7])
async def test_a_remote_task_just_started_may_be_visible_later(
    call: Caller, wire: Wire, task_id: Any
) -> None:
    """A 404 for a remote task that was started a moment ago is read again, and started once."""
    wire.lists()
    wire.on("POST", "x/", {"task_id": task_id})
    wire.on("GET", f"tasks/{task_id}/", NOT_FOUND, NOT_FOUND, task("PENDING"))
    assert (await call("start_task", "POST", "x/", form={})).uuid == TASK
    assert wire.count("POST x/") == 1


async def test_a_remote_task_that_stays_invisible_is_named(
    call: Caller, wire: Wire, clock: FakeClock
) -> None:
    """After some seconds the error says that it was started, and its identifier."""
    wire.lists()
    wire.on("POST", "x/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", NOT_FOUND)
    began = clock.now
    with pytest.raises(LostContactError, match=f"was started .{TASK}.") as caught:
        await call("start_task", "POST", "x/", form={})
    assert caught.value.task.uuid == TASK
    assert VISIBLE_WITHIN <= clock.now - began < VISIBLE_WITHIN + 6


async def test_a_wait_tolerates_a_copy_of_the_server_that_lags(call: Caller, wire: Wire) -> None:
    """A remote task that was read once after its start may be missing in the first poll."""
    wire.lists()
    wire.on("POST", f"vectorLayers/{ASSET}/export/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), NOT_FOUND, task("PROGRESS"), DONE)
    wire.on("GET", f"tasks/{TASK}/status/", {"current": 1, "total": 2})
    wire.on("GET", f"vectorLayers/{OTHER}/", LAYER)
    found = await call("run", operations.export_features, ASSET, "a.gpkg")
    assert found.uuid == OTHER


async def test_a_wait_for_what_is_gone_fails_at_once(
    call: Caller, wire: Wire, clock: FakeClock
) -> None:
    """A uuid that no answer has named is believed to be gone; the error names the remote task."""
    wire.on("GET", f"tasks/{TASK}/", NOT_FOUND)
    with pytest.raises(NotFoundError, match=f"The wait for remote task {TASK} .* not seen at all"):
        await call("wait_for_task", TASK)
    assert clock.slept == []


async def test_an_output_just_made_may_be_visible_later(call: Caller, wire: Wire) -> None:
    """A 404 for the output of a remote task that has just ended is read again."""
    wire.on("GET", f"tasks/{TASK}/", DONE)
    wire.on("GET", f"vectorLayers/{OTHER}/", NOT_FOUND, NOT_FOUND, LAYER)
    assert (await call("get_output_asset", TASK)).name == "plots"


@pytest.mark.parametrize(
    ("answer", "error"), [(404, NotFoundError), (403, AuthorizationError), (502, GeoboxError)]
)
async def test_an_output_that_cannot_be_read_does_not_hide_the_success(
    call: Caller, wire: Wire, answer: int, error: type[GeoboxError]
) -> None:
    """The error says that the work is done, what it has made, and how to read it later."""
    wire.on("GET", f"tasks/{TASK}/", DONE)
    wire.on("GET", f"vectorLayers/{OTHER}/", reply(answer))
    with pytest.raises(error) as caught:
        await call("get_output_asset", TASK)
    text = str(pickle.loads(pickle.dumps(caught.value)))
    assert text.startswith(f"Remote task import ({TASK}) has succeeded and made the vector {OTHER}")
    assert f'get_asset("vector", "{OTHER}")' in text
    assert f"was answered {answer}" in text


@pytest.mark.parametrize(
    "finished", [NOW - timedelta(hours=1), (NOW - timedelta(days=1)).replace(tzinfo=None)]
)
async def test_an_output_of_long_ago_is_believed_to_be_gone(
    call: Caller, wire: Wire, clock: FakeClock, finished: datetime
) -> None:
    """The output of a remote task that ended long ago is not waited for."""
    wire.on("GET", f"tasks/{TASK}/", {**DONE, "finished_at": finished.isoformat()})
    wire.on("GET", f"vectorLayers/{OTHER}/", NOT_FOUND)
    with pytest.raises(NotFoundError, match="has succeeded"):
        await call("get_output_asset", TASK)
    assert clock.slept == []


async def test_a_layer_that_stays_says_so(call: Caller, wire: Wire) -> None:
    """A failure to make an output temporary does not hide the output."""
    wire.lists()
    wire.on("POST", f"vectorLayers/{ASSET}/saveAsVectorLayer", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", DONE)
    wire.on("GET", f"tasks/{TASK}/status/", {})
    wire.on("GET", f"vectorLayers/{OTHER}/", LAYER)
    wire.on("POST", f"vectorLayers/{OTHER}/makeTemporary/", reply(403))
    with pytest.raises(AuthorizationError, match=f"{OTHER}.* could not be made temporary"):
        await call("run", operations.save_as_layer, ASSET, "plots", temporary=True)


async def test_a_file_just_uploaded_may_be_published_a_little_later(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A 404 for the file of a request that was uploaded a moment ago proves that nothing began."""
    (tmp_path / "a.geojson").write_text("{}")
    wire.lists()
    wire.on("POST", "files/", {"uuid": ASSET, "name": "a.geojson", "file_type": "GeoJSON"})
    wire.on("POST", f"files/{ASSET}/publish/", NOT_FOUND, {"task_id": TASK})
    wire.on("POST", "analysis/x/", NOT_FOUND, {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    file = await call("upload_file", tmp_path / "a.geojson")
    assert (await call("start_publish", file, "plots")).uuid == TASK
    # Named in the body only.
    await call("start_task", "POST", "analysis/x/", form={"file_uuid": ASSET})
    assert wire.count("POST analysis/x/") == 2


async def test_a_deleted_file_is_gone_at_once(
    call: Caller, wire: Wire, tmp_path: Path, clock: FakeClock
) -> None:
    """What was deleted is not waited for, though it was new; a second deletion says so."""
    (tmp_path / "a.gpkg").write_text("x")
    wire.lists()
    wire.on("POST", "files/", {"uuid": ASSET, "name": "a.gpkg"})
    wire.on("DELETE", f"files/{ASSET}/", NOT_FOUND, json_answer({}), NOT_FOUND)
    file = await call("upload_file", tmp_path / "a.gpkg")
    await call("delete_asset", file)
    slept = len(clock.slept)
    assert slept > 0
    with pytest.raises(NotFoundError):
        await call("delete_asset", file)
    assert len(clock.slept) == slept


def test_names_age() -> None:
    """A name counts for some seconds, once; a short one is not looked for in bodies."""
    clock = FakeClock()
    names = RecentNames(clock)
    names.note(TASK, "7")
    assert names.are_in(f"tasks/{TASK}/")
    assert names.are_in("tasks/7/")
    assert names.are_in("x/", f"layer_uuid={TASK}".encode())
    assert not names.are_in("tasks/77/", b"distance=7")
    clock.now += VISIBLE_WITHIN
    names.note(OTHER)
    assert not names.are_in(f"tasks/{TASK}/")
    names.forget(f"tasks/{OTHER}/")
    assert not names.are_in(f"tasks/{OTHER}/")
