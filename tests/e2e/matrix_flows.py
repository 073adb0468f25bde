"""Flows that wait for remote tasks in each of the ways there are: the rows of the table.

Prefect loads this file by its path too, so it imports nothing that lies beside it.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, runtime, task, unmapped

from prefect_geobox import (
    GeoboxCredentials,
    abort_remote_tasks,
    await_for_task,
    publish_file,
    wait_for_task,
    wait_for_tasks,
)

#: One cell of the table, as plain JSON: `name`, `folder`, `host`, `apikey`, the remote `tasks` or
#: the `files` to publish, the options of the `wait`, the task's `limit` in seconds, and after how
#: many seconds another task `fails`.
Cell = dict[str, Any]


def account(cell: Cell) -> GeoboxCredentials:
    """The account of the cell's emulator."""
    return GeoboxCredentials(host=cell["host"], apikey=cell["apikey"])


def note(cell: Cell, what: str, **values: Any) -> None:
    """Tells the test something, in a file that appears whole."""
    path = Path(cell["folder"], f"{cell['name']}.{what}")
    text = json.dumps({"at": time.monotonic(), **values})
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").replace(path)


def begin(cell: Cell) -> None:
    """Tells the test which process and which flow run this is."""
    note(cell, "begun", pid=os.getpid(), run=runtime.flow_run.id)


@task
def fails(seconds: float) -> None:
    """Fails after a while."""
    time.sleep(seconds)
    raise RuntimeError("another task fails")


@task
async def afails(seconds: float) -> None:
    """Fails after a while."""
    await asyncio.sleep(seconds)
    raise RuntimeError("another task fails")


@contextmanager
def beside_a_failure(cell: Cell) -> Iterator[None]:
    """Has another task fail meanwhile, where the cell asks for it."""
    begin(cell)
    other = fails.submit(cell["fails"]) if cell.get("fails") else None
    yield
    if other is not None:
        other.result()


def results(cell: Cell, futures: list[Any]) -> list[str]:
    """The uuids that submitted tasks return; fails before, where the cell asks for it."""
    if cell.get("fails"):
        fails(cell["fails"])
    return [future.result().uuid for future in futures]


def limited(step: Any, cell: Cell) -> Any:
    """A task with the cell's `timeout_seconds`."""
    return step.with_options(timeout_seconds=cell.get("limit"))


def mapped(options: dict[str, Any]) -> dict[str, Any]:
    """Options that are the same for all."""
    return {name: unmapped(value) for name, value in options.items()}


@flow(name="wait-direct")
def wait_direct(cell: Cell) -> str:
    """One wait that is called."""
    with beside_a_failure(cell):
        return limited(wait_for_task, cell)(account(cell), cell["tasks"][0], **cell["wait"]).uuid


@flow(name="wait-submit")
def wait_submit(cell: Cell) -> list[str]:
    """One wait in a thread of the task runner."""
    begin(cell)
    step = limited(wait_for_task, cell)
    return results(cell, [step.submit(account(cell), cell["tasks"][0], **cell["wait"])])


@flow(name="wait-map")
def wait_map(cell: Cell) -> list[str]:
    """Many waits in threads of the task runner."""
    begin(cell)
    step = limited(wait_for_task, cell)
    return results(
        cell, list(step.map(unmapped(account(cell)), cell["tasks"], **mapped(cell["wait"])))
    )


@flow(name="await-direct")
async def await_direct(cell: Cell) -> str:
    """One wait that is awaited."""
    with beside_a_failure(cell):
        step = limited(await_for_task, cell)
        return (await step(account(cell), cell["tasks"][0], **cell["wait"])).uuid


@flow(name="await-gather")
async def await_gather(cell: Cell) -> list[str]:
    """Several waits that are awaited together."""
    begin(cell)
    step = limited(await_for_task, cell)
    waits = [step(account(cell), uuid, **cell["wait"]) for uuid in cell["tasks"]]
    if cell.get("fails"):
        waits.append(afails(cell["fails"]))
    return [ended.uuid for ended in await asyncio.gather(*waits)]


@flow(name="await-submit")
async def await_submit(cell: Cell) -> list[str]:
    """One coroutine in a thread of the task runner."""
    begin(cell)
    step = limited(await_for_task, cell)
    return results(cell, [step.submit(account(cell), cell["tasks"][0], **cell["wait"])])


@flow(name="wait-many")
def wait_many(cell: Cell) -> list[str]:
    """One wait for many remote tasks."""
    with beside_a_failure(cell):
        step = limited(wait_for_tasks, cell)
        return [ended.uuid for ended in step(account(cell), cell["tasks"], **cell["wait"])]


@flow(name="publish-direct")
def publish_direct(cell: Cell) -> str:
    """One owned step that is called."""
    with beside_a_failure(cell):
        step = limited(publish_file, cell)
        return step(account(cell), cell["files"][0], cell["name"], **cell["wait"]).uuid


@flow(name="publish-submit")
def publish_submit(cell: Cell) -> list[str]:
    """One owned step in a thread of the task runner."""
    begin(cell)
    step = limited(publish_file, cell)
    future = step.submit(account(cell), cell["files"][0], cell["name"], **cell["wait"])
    return results(cell, [future])


@flow(name="publish-map")
def publish_map(cell: Cell) -> list[str]:
    """Several owned steps in threads of the task runner."""
    begin(cell)
    step = limited(publish_file, cell)
    names = [f"{cell['name']}-{place}" for place in range(len(cell["files"]))]
    return results(
        cell, list(step.map(unmapped(account(cell)), cell["files"], names, **mapped(cell["wait"])))
    )


@flow(name="subflow-wait")
def subflow_wait(cell: Cell) -> str:
    """A wait within a flow within the flow."""
    return wait_direct(cell)


@flow(name="subflow-publish")
def subflow_publish(cell: Cell) -> str:
    """An owned step within a flow within the flow."""
    return publish_direct(cell)


@flow(name="hooked-wait-direct", on_cancellation=[abort_remote_tasks])
def hooked_wait_direct(cell: Cell) -> str:
    """One wait, with the hook."""
    begin(cell)
    return wait_for_task(account(cell), cell["tasks"][0], **cell["wait"]).uuid


@flow(name="hooked-publish-direct", on_cancellation=[abort_remote_tasks])
def hooked_publish_direct(cell: Cell) -> str:
    """One owned step, with the hook."""
    begin(cell)
    return publish_file(account(cell), cell["files"][0], cell["name"], **cell["wait"]).uuid


@flow(name="asleep-submit")
async def asleep_submit(cell: Cell) -> None:
    """One wait in a thread of the task runner, beside a flow whose event loop runs."""
    begin(cell)
    wait_for_task.submit(account(cell), cell["tasks"][0], **cell["wait"])
    await asyncio.sleep(600)


#: Flows that are no rows of the table.
OTHERS = {row.name: row for row in (hooked_wait_direct, hooked_publish_direct, asleep_submit)}

ROWS = {
    row.name: row
    for row in (
        wait_direct,
        wait_submit,
        wait_map,
        await_direct,
        await_gather,
        await_submit,
        wait_many,
        publish_direct,
        publish_submit,
        publish_map,
        subflow_wait,
        subflow_publish,
    )
}
