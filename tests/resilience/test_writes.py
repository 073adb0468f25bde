"""Starts, uploads and aborts whose answers are lost: nothing is done twice, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client import (
    AmbiguousSubmissionError,
    GeoboxError,
    OutputAsset,
    RemoteTask,
    TaskState,
)
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    Fault,
    always,
    body,
    close,
    either,
    first,
    half_body,
    hang,
    json_body,
    on,
    reset,
    share,
    status,
)
from prefect_geobox.emulator.http.connection import Connection
from tests.kit.emulator_requests import Reads, count, outcome, seen
from tests.kit.fake_clock import FakeClock
from tests.kit.raw_server import cutting_proxy
from tests.kit.until import HANGING

from .fault_table import SHORT

PUBLISH = "files/*/publish"
TASK_NAME = "import:publish-file-to-vector-layer"

#: Carried out, but the answer is lost.
LOST: dict[str, Fault] = {
    "502": status(502).after(),
    "502 html": status(502, html=True).after(),
    "504": status(504).after(),
    "500": status(500).after(),
    "nothing": close().after(),
    "reset": reset().after(),
    "reset in body": reset(in_body=True),
    "half body": half_body(),
    "hang": hang().after(),
    "hang in body": hang(in_body=True),
    "200 html": body("<html>").after(),
    "200 empty": body(b"").after(),
    "200 without a task": json_body({"task_id": None}).after(),
}

#: Never arrived, though the client cannot know.
UNDONE: dict[str, Fault] = {
    "502": status(502),
    "504 html": status(504, html=True),
    "nothing": close(),
    "reset": reset(),
    "hang": hang(),
}

#: Never arrived, and the client can tell.
REFUSED: dict[str, Fault] = {f"{code}": status(code) for code in (408, 425, 429, 503)}


def point(number: int) -> bytes:
    """A file of one feature, which no other test has."""
    geometry = {"type": "Point", "coordinates": [number % 90, 1]}
    feature = {"type": "Feature", "properties": {"n": number}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()


async def upload(client: Any, folder: Path, name: str) -> OutputAsset:
    """Uploads a small file."""
    path = folder / f"{name}.geojson"
    path.write_bytes(point(len(name)))
    return await client.upload_file(path)


def remote_tasks(geobox: GeoboxEmulator) -> set[str]:
    """The uuids of all remote tasks at the server."""
    return {task.uuid for task in geobox._state.tasks.all()}


def layer_names(geobox: GeoboxEmulator, uuid: str) -> list[str]:
    """The name of what a remote task made, as the server knows it."""
    task = geobox._state.tasks.find(uuid)
    assert task is not None
    assert task.work is not None
    asset = task.work.result(HANGING).asset
    return [asset.name] if asset else []


@pytest.mark.parametrize("name", LOST)
async def test_start_whose_answer_is_lost_is_adopted(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """A start that was carried out is found again, adopted and named in the log."""
    client = make(clock=clock, timeout=SHORT * 3)
    file = await upload(client, tmp_path, f"lost {name}")
    before = remote_tasks(geobox)
    geobox.faults = on(first(1, LOST[name]), method="POST", path=PUBLISH)
    with caplog.at_level(logging.WARNING, "prefect_geobox"):
        task = await client.start_publish(file, f"lost {name}")
    assert {task.uuid} == remote_tasks(geobox) - before
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert task.uuid in line
    assert "adopted" in line


@pytest.mark.parametrize("name", UNDONE)
async def test_start_that_never_arrived_is_sent_again(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """Where a bounded search finds nothing, the start is sent again, and the log says so."""
    client = make(clock=clock, timeout=SHORT * 3)
    file = await upload(client, tmp_path, f"undone {name}")
    before = remote_tasks(geobox)
    geobox.faults = on(first(1, UNDONE[name]), method="POST", path=PUBLISH)
    with caplog.at_level(logging.WARNING, "prefect_geobox"):
        task = await client.start_publish(file, f"undone {name}")
    assert {task.uuid} == remote_tasks(geobox) - before
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 2
    assert "sending it again" in caplog.text


@pytest.mark.parametrize("name", REFUSED)
async def test_start_that_was_refused_for_a_while_is_sent_again(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path, name: str
) -> None:
    """An answer that proves that nothing was done leads to no look-up."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, f"refused {name}")
    before = remote_tasks(geobox)
    geobox.faults = on(first(2, REFUSED[name]), method="POST", path=PUBLISH)
    task = await client.start_publish(file, f"refused {name}")
    assert {task.uuid} == remote_tasks(geobox) - before
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 3


@pytest.mark.parametrize(
    "fault", [status(500), status(500, html=True), body("<html>"), json_body({"ok": True})]
)
async def test_start_that_the_server_itself_failed_is_not_sent_again(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path, fault: Fault
) -> None:
    """After a 500 or an invalid 200 a start is not sent again, even if nothing new is found."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "server")
    before = remote_tasks(geobox)
    geobox.faults = on(always(fault), method="POST", path=PUBLISH)
    with pytest.raises(GeoboxError) as caught:
        await client.start_publish(file, "server")
    assert not isinstance(caught.value, AmbiguousSubmissionError)
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1
    assert remote_tasks(geobox) == before


async def test_start_that_never_arrives_ends(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """A start that is lost each time is abandoned after three attempts, with nothing started."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "never")
    before = remote_tasks(geobox)
    geobox.faults = on(always(reset()), method="POST", path=PUBLISH)
    with pytest.raises(GeoboxError, match="broke during POST"):
        await client.start_publish(file, "never")
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 3
    assert remote_tasks(geobox) == before


async def test_two_candidates_are_ambiguous(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """Two candidates are named in the error, and neither is adopted."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "several")
    before = remote_tasks(geobox)

    def with_another(request: Any) -> Fault | None:
        if request.method != "POST":
            return None
        for _ in range(2):
            geobox.add_task(name=TASK_NAME)
        return status(504)

    geobox.faults = with_another
    with pytest.raises(AmbiguousSubmissionError) as caught:
        await client.start_publish(file, "several")
    assert {task.uuid for task in caught.value.tasks} == remote_tasks(geobox) - before
    assert len(caught.value.tasks) == 2
    assert all(task.uuid in str(caught.value) for task in caught.value.tasks)
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1


async def test_of_two_candidates_the_one_with_the_output_is_adopted(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """Where another remote task began meanwhile, the name of the output tells which is which."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "several")

    def with_another(request: Any) -> Fault | None:
        if request.method != "POST":
            return None
        geobox.add_task(name=TASK_NAME)
        return status(502).after()

    geobox.faults = with_another
    task = await client.start_publish(file, "several")
    output = await client.get_output_asset(await client.wait_for_task(task, progress_bar=False))
    assert output.name == "several"
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1


async def test_starts_in_doubt_together_are_told_apart_by_their_outputs(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """Five starts whose answers are lost at the same time each find their own layer, sent once."""
    client = make(clock=clock)
    names = [f"together-{n}" for n in range(5)]
    files = [await upload(client, tmp_path, name) for name in names]
    geobox.faults = on(always(status(502).after()), method="POST", path=PUBLISH)
    pairs = list(zip(files, names, strict=True))
    tasks = await asyncio.gather(*(client.start_publish(file, name) for file, name in pairs))
    for task, (file, name) in zip(tasks, pairs, strict=True):
        ended = await client.wait_for_task(task, progress_bar=False)
        assert (await client.get_output_asset(ended)).name == name
        assert count(geobox, f"POST files/{file.uuid}/publish/") == 1


async def test_a_name_that_others_begin_with_is_not_taken_for_theirs(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """A start that was lost is sent again, though others in doubt have longer names."""
    client = make(clock=clock)
    names = ["roads", "roads-north", "roads-south"]
    files = [await upload(client, tmp_path, name) for name in names]
    lost = iter([reset()])

    def faults(request: Any) -> Fault | None:
        if request.method != "POST":
            return None
        return next(lost, None) if files[0].uuid in request.path else status(502).after()

    geobox.faults = faults
    pairs = list(zip(files, names, strict=True))
    tasks = await asyncio.gather(*(client.start_publish(file, name) for file, name in pairs))
    for task, (file, name) in zip(tasks, pairs, strict=True):
        ended = await client.wait_for_task(task, progress_bar=False)
        assert (await client.get_output_asset(ended)).name == name
        sends = 2 if file is files[0] else 1
        assert count(geobox, f"POST files/{file.uuid}/publish/") == sends


@pytest.mark.parametrize("is_done", [True, False])
async def test_server_that_is_gone_in_the_look_up_is_ambiguous(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    tmp_path: Path,
    is_done: bool,
) -> None:
    """Where the list cannot be read after a lost start, it is never sent blindly again."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "gone")
    before = remote_tasks(geobox)
    is_gone = False

    def gone_after_the_start(request: Any) -> Fault | None:
        nonlocal is_gone
        if request.method == "POST":
            is_gone = True
            return reset().after() if is_done else reset()
        return close() if is_gone else None

    geobox.faults = gone_after_the_start
    with pytest.raises(AmbiguousSubmissionError, match="Check the list before you send it again"):
        await client.start_publish(file, "gone")
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1
    assert len(remote_tasks(geobox) - before) == is_done


async def test_lists_that_failed_before_the_start_make_a_loss_ambiguous(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """Without a list from before the start, a lost answer is ambiguous."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "blind")
    geobox.faults = either(
        on(always(status(403)), method="GET", path="tasks"),
        on(always(status(502).after()), method="POST", path=PUBLISH),
    )
    with pytest.raises(AmbiguousSubmissionError):
        await client.start_publish(file, "blind")
    assert count(geobox, f"POST files/{file.uuid}/publish/") == 1


def late(fault: Fault, seconds: float) -> Fault:
    """The same fault a little later, so that several requests are under way at once."""

    async def act(connection: Connection) -> None:
        await connection.pause(seconds)
        await fault.act(connection)

    return Fault(f"late {fault.name}", act, fault.carries_out)


@pytest.mark.parametrize(("one", "other"), [(0.1, 0.15), (0.15, 0.1)])
async def test_lost_starts_that_cross_are_not_taken_for_each_other(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    tmp_path: Path,
    one: float,
    other: float,
) -> None:
    """Of two starts lost at once one was carried out: it is not the other's, nor done twice."""
    client = make(clock=clock)
    names = [f"undone of two {one}", f"done of two {one}"]
    files = [await upload(client, tmp_path, name) for name in names]
    faults = [late(reset(), one), late(reset().after(), other)]
    plan = geobox.faults = Reads(
        either(
            *(
                on(first(1, fault), method="POST", path=f"files/{file.uuid}/publish")
                for file, fault in zip(files, faults, strict=True)
            )
        )
    )
    ends = await asyncio.gather(
        *(
            outcome(client.start_publish(file, name))
            for file, name in zip(files, names, strict=True)
        )
    )
    for file in files:
        assert plan.carried_out("POST", f"/v1/files/{file.uuid}/publish/") <= 1
    for end, name in zip(ends, names, strict=True):
        assert isinstance(end, AmbiguousSubmissionError) or layer_names(geobox, end.uuid) == [name]


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
async def test_concurrent_publishes_never_start_twice(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path, seed: int
) -> None:
    """Of twenty starts at once with 40 % of the answers lost, none is carried out twice."""
    client = make(clock=clock, timeout=1)
    files = [await upload(client, tmp_path, f"many {seed} {n}") for n in range(20)]
    before = remote_tasks(geobox)
    lost = [LOST[name] for name in ("502", "504", "nothing", "reset", "half body", "200 html")]
    undone = [UNDONE[name] for name in ("502", "nothing", "reset")]
    faults = on(share(0.4, [*lost, *undone], seed=seed), method="POST", path=PUBLISH)
    plan = geobox.faults = Reads(faults)
    ends = await asyncio.gather(
        *(outcome(client.start_publish(f, f"many {seed} {n}")) for n, f in enumerate(files))
    )
    assert faults.given.total() >= 4
    for file in files:
        assert plan.carried_out("POST", f"/v1/files/{file.uuid}/publish/") <= 1
    assert len(remote_tasks(geobox) - before) <= 20
    own = [end for end in ends if isinstance(end, RemoteTask)]
    assert len({task.uuid for task in own}) == len(own)
    for end, number in zip(ends, range(20), strict=True):
        if isinstance(end, RemoteTask):
            assert layer_names(geobox, end.uuid) == [f"many {seed} {number}"]
        else:
            assert isinstance(end, GeoboxError)


async def test_publish_whose_start_and_looks_fail_ends_in_its_layer(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """A whole publish survives a lost start and a third of all other answers lost."""
    client = make(clock=clock)
    file = await upload(client, tmp_path, "whole")
    before = remote_tasks(geobox)
    geobox.faults = either(
        on(first(1, status(504).after()), method="POST"),
        on(share(0.33, [status(503), reset(), close(), half_body(), body("")], seed=7)),
    )
    layer = await client.publish_file(file, "whole", timeout=3600)
    assert layer.name == "whole"
    assert len(remote_tasks(geobox) - before) == 1


async def test_upload_cut_in_the_middle_leaves_no_file(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """An upload whose connection breaks half way is sent again, and there is one whole file."""
    path = tmp_path / "cut.csv"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 200_000)
    with cutting_proxy(geobox.url, after=300_000) as url:
        file = await make(host=url, clock=clock).upload_file(path)
    (found,) = await make(clock=clock).find_assets("file", "cut.csv")
    assert found.uuid == file.uuid
    assert found.data["size"] == path.stat().st_size


async def test_upload_that_is_cut_for_good_leaves_no_file(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, tmp_path: Path
) -> None:
    """An upload that breaks and cannot be looked up leaves no file under its name."""
    path = tmp_path / "cut for good.csv"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 200_000)
    with cutting_proxy(geobox.url, after=300_000) as url:
        client = make(host=url, clock=clock)
        geobox.faults = lambda r: status(503) if len(geobox.requests) > 0 else None
        with pytest.raises(GeoboxError):
            await client.upload_file(path)
    geobox.faults = None
    assert await make(clock=clock).find_assets("file", "cut for good.csv") == []


@pytest.mark.parametrize("name", [name for name in LOST if name != "200 without a task"])
async def test_upload_whose_answer_is_lost_is_taken_over(
    geobox: GeoboxEmulator,
    make: Callable[..., Any],
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A file that arrived is found by name and size; it is not sent a second time."""
    monkeypatch.setattr("prefect_geobox.client.http.transport.UPLOAD_ANSWER_TIME", 0.3)
    client = make(clock=clock, timeout=SHORT * 3)
    geobox.faults = on(first(1, LOST[name]), method="POST", path="files")
    file = await upload(client, tmp_path, f"upload {name}")
    assert count(geobox, "POST files/") == 1
    (found,) = await client.find_assets("file", f"upload {name}.geojson")
    assert found.uuid == file.uuid
    assert "adopted" in caplog.text


@pytest.mark.parametrize(
    "fault",
    [status(502), status(502).after(), status(503, html=True), reset(), close().after(), hang()],
    ids=lambda fault: fault.name,
)
async def test_abort_that_failed_is_repeated(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, fault: Fault
) -> None:
    """An abort is sent until it is answered, and the remote task is seen to have ended."""
    uuid = geobox.add_task(seconds=3600)
    geobox.faults = on(first(1, fault), method="POST")
    task = await make(clock=clock, timeout=SHORT).abort_task(uuid)
    assert task.state is TaskState.ABORTED
    assert count(geobox, f"POST tasks/{uuid}/abort/") == 2
    assert seen(geobox)[-1] == f"GET tasks/{uuid}/"
