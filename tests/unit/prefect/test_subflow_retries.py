"""Retries of flows, subflows and tasks that call steps: each remote task is started once."""

from __future__ import annotations

import pytest
from prefect import flow, task

from prefect_geobox import aupload_file, publish_file, upload_file
from prefect_geobox.ownership import submission_slots
from tests.kit.sample_data import CITIES

FAST = {"interval": 0.02, "max_interval": 0.05}


class FailsOnce:
    """Raises at its first call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        """Raises if it was not called before."""
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("fails the first time")


@pytest.fixture
def fail_once() -> FailsOnce:
    """A call that fails the first time."""
    return FailsOnce()


def _counts(geobox_emulator) -> tuple[int, int]:
    """The numbers of uploads and of publishings."""
    paths = [request.path for request in geobox_emulator.requests if request.method == "POST"]
    return paths.count("/v1/files/"), sum(path.endswith("/publish/") for path in paths)


def test_a_retry_that_skips_a_persisted_subflow_starts_nothing_twice(
    credentials, geobox_emulator, fail_once
):
    """The second of two equal subflows finds its own records, not those of the skipped first."""

    @flow(persist_result=True)
    def inner(name: str) -> str:
        file = upload_file(credentials, CITIES)
        layer = publish_file(credentials, file, name, **FAST)
        if name == "b":
            fail_once()
        return file.uuid + layer.uuid

    @flow(retries=1)
    def outer() -> list[str]:
        return [inner("a"), inner("b")]

    first, second = outer()
    assert fail_once.calls == 2
    assert _counts(geobox_emulator) == (2, 2)
    assert first != second


def test_a_retry_of_a_subflow_alone_starts_nothing_twice(credentials, geobox_emulator, fail_once):
    """A subflow with retries of its own finds what its first attempt has started."""

    @flow(retries=1)
    def inner() -> str:
        file = upload_file(credentials, CITIES)
        upload_file(credentials, CITIES)
        fail_once()
        return file.uuid

    @flow
    def outer() -> str:
        return inner()

    outer()
    assert _counts(geobox_emulator) == (2, 0)


async def test_a_retry_of_a_task_that_calls_a_step_starts_nothing_twice(
    credentials, geobox_emulator, fail_once
):
    """A task of the user with retries finds what its first attempt has started."""

    @task(retries=1)
    async def load() -> None:
        await aupload_file(credentials, CITIES)
        fail_once()

    @flow
    async def run() -> None:
        await load()
        await load()

    await run()
    assert _counts(geobox_emulator) == (2, 0)


def test_a_retry_of_a_task_that_calls_a_subflow_starts_nothing_twice(
    credentials, geobox_emulator, fail_once
):
    """The subflow of a retried task finds what the subflow of its first attempt has started."""

    @flow
    def inner() -> None:
        upload_file(credentials, CITIES)

    @task(retries=1)
    def load(name: str) -> None:
        inner()
        if name == "b":
            fail_once()

    @flow
    def run() -> None:
        load("a")
        load("b")

    run()
    assert fail_once.calls == 2
    assert _counts(geobox_emulator) == (2, 0)


def test_a_subflow_of_a_task_is_found_by_a_retry_of_the_flow(
    credentials, geobox_emulator, fail_once
):
    """A retry of the flow finds what subflows in its tasks have started, in the same order."""
    uuids = []

    @flow(retries=1)
    def inner(place: int) -> None:
        uuids.append(upload_file(credentials, CITIES).uuid)
        if place == 0:
            fail_once()

    @task
    def load(place: int) -> None:
        inner(place)

    @flow(retries=1)
    def run() -> None:
        for place in range(2):
            load(place)
        if len(uuids) == 3:
            raise RuntimeError("the flow fails the first time")

    run()
    assert _counts(geobox_emulator) == (2, 0)
    first, first_again, second, *retried = uuids
    assert first == first_again
    assert retried == [first, second]


def test_equal_submissions_of_subflows_in_other_processes_stay_apart(
    credentials, geobox_emulator, monkeypatch
):
    """Two subflows that share no memory never take each other's records."""

    @flow
    def inner() -> str:
        # Where a subflow runs in a process of its own, nothing is counted there yet.
        monkeypatch.setattr(submission_slots, "_counter", submission_slots.SubmissionCounter())
        return upload_file(credentials, CITIES).uuid

    @flow
    def outer() -> set[str]:
        return {inner(), inner()}

    assert len(outer()) == 2
    assert _counts(geobox_emulator) == (2, 0)
