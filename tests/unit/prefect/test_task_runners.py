"""Waits in task runners that carry out their tasks in other processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from distributed import Client, LocalCluster
from prefect import flow, unmapped
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner
from prefect_dask import DaskTaskRunner

from prefect_geobox import (
    GeoboxCredentials,
    NotFoundError,
    RemoteTask,
    TaskFailedError,
    wait_for_task,
    wait_for_tasks,
)
from prefect_geobox.client.api import session as sessions
from prefect_geobox.emulator import GeoboxEmulator

pytestmark = pytest.mark.slow

#: Options of the waits here: frequent polls, and no progress.
OPTIONS = {"interval": 0.25, "max_interval": 0.25, "progress_bar": False}

MISSING = "12345678-1234-5678-1234-567812345678"


@pytest.fixture
def cluster() -> Iterator[Client]:
    """A local Dask cluster of two processes with 20 threads each."""
    options = {"n_workers": 2, "threads_per_worker": 20, "dashboard_address": None}
    with LocalCluster(**options) as local, Client(local) as client:
        # Importing takes seconds, within which a remote task of the tests would have ended.
        client.run(import_module, "prefect_geobox.tasks.remote_tasks")
        yield client


def dask(cluster: Client) -> TaskRunner:
    """A task runner that uses the cluster."""
    return DaskTaskRunner(address=cluster.scheduler.address)


def requests_of_sessions() -> list[int]:
    """The requests of this process, by its connections, each of which has one poller."""
    return [session.transport.requests for session in sessions._sessions.values()]


def read_together(emulator: GeoboxEmulator) -> list[set[str]]:
    """The remote tasks by who read them: those that ever shared a request belong to one poller."""
    groups: list[set[str]] = []
    for request in emulator.requests:
        group = set(re.findall(r"'([0-9a-f-]{36})'", dict(request.query).get("q", "")))
        if group:
            others = [other for other in groups if not group & other]
            groups = [*others, group.union(*(other for other in groups if group & other))]
    return groups


def reads(emulator: GeoboxEmulator) -> int:
    """How many requests the waits have cost."""
    return sum(request.path.startswith("/v1/tasks/") for request in emulator.requests)


def test_mapped_waits_in_dask_workers(
    credentials: GeoboxCredentials, geobox_emulator: GeoboxEmulator, cluster: Client
) -> None:
    """Each of Dask's two worker processes has one poller, which reads for all of its waits."""
    polls = 20
    states = ["PROGRESS"] * (polls - 1) + ["SUCCESS"]
    remotes = [geobox_emulator.add_task(states=states, result={"n": n}) for n in range(40)]

    @flow(task_runner=dask(cluster))
    def fan_out() -> list[RemoteTask]:
        return wait_for_task.map(unmapped(credentials), remotes, **OPTIONS).result()

    tasks = fan_out()
    assert [(task.uuid, task.result["n"]) for task in tasks] == [
        (remote, number) for number, remote in enumerate(remotes)
    ]
    assert all(task.succeeded for task in tasks)
    (one,), (other,) = cluster.run(requests_of_sessions).values()
    assert one > polls
    assert other > polls
    # All of them came from there, and far fewer than the polls of 40 waits.
    assert one + other == reads(geobox_emulator) < 40 * polls / 2


def test_mapped_waits_in_processes_of_a_pool(
    credentials: GeoboxCredentials, geobox_emulator: GeoboxEmulator
) -> None:
    """Prefect's process pool carries out mapped waits, one at a time in each of its processes."""
    remotes = [geobox_emulator.add_task(seconds=0.2, result={"n": n}) for n in range(24)]

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def fan_out() -> list[RemoteTask]:
        return wait_for_task.map(unmapped(credentials), remotes, **OPTIONS).result()

    tasks = fan_out()
    assert [task.uuid for task in tasks] == remotes
    assert [task.result["n"] for task in tasks] == list(range(24))
    # They had ended before most of these waits began.
    assert reads(geobox_emulator) < 40


def test_waits_for_several_in_processes_of_a_pool(
    credentials: GeoboxCredentials, geobox_emulator: GeoboxEmulator
) -> None:
    """Each process of the pool reads its own remote tasks with few requests."""
    halves = [[geobox_emulator.add_task(seconds=4) for _ in range(30)] for _ in range(2)]

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def fan_out() -> list[list[RemoteTask]]:
        return wait_for_tasks.map(unmapped(credentials), halves, **OPTIONS).result()

    found = fan_out()
    assert [[task.uuid for task in half] for half in found] == halves
    assert sorted(map(sorted, read_together(geobox_emulator))) == sorted(map(sorted, halves))
    assert reads(geobox_emulator) < 60 * 4 / 0.25 / 8


@pytest.mark.parametrize("kind", ["pool", "dask"])
def test_errors_come_back_from_other_processes(
    credentials: GeoboxCredentials,
    geobox_emulator: GeoboxEmulator,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    """An error of a wait in a worker process comes back whole: its class, task and text."""
    failing = geobox_emulator.add_task(
        name="import", seconds=0, state="FAILURE", result={"detail": {"msg": "no such column"}}
    )

    pool = ProcessPoolTaskRunner(max_workers=1)

    @flow(task_runner=pool if kind == "pool" else dask(request.getfixturevalue("cluster")))
    def fan_out() -> list[Any]:
        futures = wait_for_task.map(unmapped(credentials), [failing, MISSING], **OPTIONS)
        return [future.result(raise_on_failure=False) for future in futures]

    failed, missing = fan_out()
    assert isinstance(failed, TaskFailedError)
    assert failed.task.uuid == failing
    assert "no such column" in str(failed)
    assert isinstance(missing, NotFoundError)
    assert (missing.status_code, missing.path) == (404, f"tasks/{MISSING}/")
