"""Flows that wait for remote tasks in each of the ways there are.

Prefect loads this file by its path too, so its imports are absolute.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, task, unmapped

from prefect_geobox import (
    abort_remote_tasks,
    await_for_task,
    publish_file,
    wait_for_task,
    wait_for_tasks,
)
from tests.e2e.flow_notes import account, begin, note

#: One case of the matrix, as plain JSON: `name`, `folder`, `host`, `apikey`, the remote `tasks` or
#: the `files` to publish, the options of the `wait`, the task's `limit` in seconds, and the file
#: whose appearance another task `fails_after`.
Case = dict[str, Any]


@task
def fails(case: Case) -> None:
    """Fails once the test has asked for it."""
    asked = Path(case["fails_after"])
    while not asked.exists():
        time.sleep(0.05)
    note(case, "failed")
    raise RuntimeError("another task fails")


@task
async def afails(case: Case) -> None:
    """Fails once the test has asked for it."""
    await asyncio.to_thread(fails.fn, case)


@contextmanager
def beside_a_failure(case: Case) -> Iterator[None]:
    """Has another task fail meanwhile, where the case asks for it."""
    begin(case)
    other = fails.submit(case) if case.get("fails_after") else None
    yield
    if other is not None:
        other.result()


def results(case: Case, futures: list[Any]) -> list[str]:
    """The uuids that submitted tasks return; fails before, where the case asks for it."""
    if case.get("fails_after"):
        fails(case)
    return [future.result().uuid for future in futures]


def limited(step: Any, case: Case) -> Any:
    """A task with the case's `timeout_seconds`."""
    return step.with_options(timeout_seconds=case.get("limit"))


def mapped(options: dict[str, Any]) -> dict[str, Any]:
    """Options that are the same for all."""
    return {name: unmapped(value) for name, value in options.items()}


@flow(name="wait-direct")
def wait_direct(case: Case) -> str:
    """One wait that is called."""
    with beside_a_failure(case):
        return limited(wait_for_task, case)(account(case), case["tasks"][0], **case["wait"]).uuid


@flow(name="wait-submit")
def wait_submit(case: Case) -> list[str]:
    """One wait in a thread of the task runner."""
    begin(case)
    step = limited(wait_for_task, case)
    return results(case, [step.submit(account(case), case["tasks"][0], **case["wait"])])


@flow(name="wait-map")
def wait_map(case: Case) -> list[str]:
    """Many waits in threads of the task runner."""
    begin(case)
    step = limited(wait_for_task, case)
    return results(
        case, list(step.map(unmapped(account(case)), case["tasks"], **mapped(case["wait"])))
    )


@flow(name="await-direct")
async def await_direct(case: Case) -> str:
    """One wait that is awaited."""
    with beside_a_failure(case):
        step = limited(await_for_task, case)
        return (await step(account(case), case["tasks"][0], **case["wait"])).uuid


@flow(name="await-gather")
async def await_gather(case: Case) -> list[str]:
    """Several waits that are awaited together."""
    begin(case)
    step = limited(await_for_task, case)
    waits = [step(account(case), uuid, **case["wait"]) for uuid in case["tasks"]]
    if case.get("fails_after"):
        waits.append(afails(case))
    return [ended.uuid for ended in await asyncio.gather(*waits)]


@flow(name="await-submit")
async def await_submit(case: Case) -> list[str]:
    """One coroutine in a thread of the task runner."""
    begin(case)
    step = limited(await_for_task, case)
    return results(case, [step.submit(account(case), case["tasks"][0], **case["wait"])])


@flow(name="wait-many")
def wait_many(case: Case) -> list[str]:
    """One wait for many remote tasks."""
    with beside_a_failure(case):
        step = limited(wait_for_tasks, case)
        return [ended.uuid for ended in step(account(case), case["tasks"], **case["wait"])]


@flow(name="publish-direct")
def publish_direct(case: Case) -> str:
    """One owned step that is called."""
    with beside_a_failure(case):
        step = limited(publish_file, case)
        return step(account(case), case["files"][0], case["name"], **case["wait"]).uuid


@flow(name="publish-submit")
def publish_submit(case: Case) -> list[str]:
    """One owned step in a thread of the task runner."""
    begin(case)
    step = limited(publish_file, case)
    future = step.submit(account(case), case["files"][0], case["name"], **case["wait"])
    return results(case, [future])


@flow(name="publish-map")
def publish_map(case: Case) -> list[str]:
    """Several owned steps in threads of the task runner."""
    begin(case)
    step = limited(publish_file, case)
    names = [f"{case['name']}-{place}" for place in range(len(case["files"]))]
    return results(
        case, list(step.map(unmapped(account(case)), case["files"], names, **mapped(case["wait"])))
    )


@flow(name="subflow-wait")
def subflow_wait(case: Case) -> str:
    """A wait within a flow within the flow."""
    return wait_direct(case)


@flow(name="subflow-publish")
def subflow_publish(case: Case) -> str:
    """An owned step within a flow within the flow."""
    return publish_direct(case)


@flow(name="hooked-wait-direct", on_cancellation=[abort_remote_tasks])
def hooked_wait_direct(case: Case) -> str:
    """One wait, with the hook."""
    begin(case)
    return wait_for_task(account(case), case["tasks"][0], **case["wait"]).uuid


@flow(name="hooked-publish-direct", on_cancellation=[abort_remote_tasks])
def hooked_publish_direct(case: Case) -> str:
    """One owned step, with the hook."""
    begin(case)
    return publish_file(account(case), case["files"][0], case["name"], **case["wait"]).uuid


@flow(name="asleep-submit")
async def asleep_submit(case: Case) -> None:
    """One wait in a thread of the task runner, beside a flow whose event loop runs."""
    begin(case)
    wait_for_task.submit(account(case), case["tasks"][0], **case["wait"])
    await asyncio.sleep(600)


#: Flows that are not in the matrix.
OTHERS = {flow.name: flow for flow in (hooked_wait_direct, hooked_publish_direct, asleep_submit)}

MATRIX = {
    flow.name: flow
    for flow in (
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
