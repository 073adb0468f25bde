"""Arguments that do not fit a step: each error names the step, the parameter, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prefect import Task, flow

import prefect_geobox
from prefect_geobox import (
    GeoboxCredentials,
    InvalidArgumentError,
    OutputAsset,
    acount_tasks,
    apublish_file,
    aupload_file,
    count_tasks,
    get_task,
    list_tasks,
    publish_file,
    upload_file,
    wait_for_task,
)

UUID = "12345678-1234-5678-1234-567812345678"
FILE = OutputAsset(kind="file", uuid=UUID, name="a.csv", api_url="https://x/v1/files/")
ACCOUNT = GeoboxCredentials(apikey="key-of-a-test")

STEPS = [
    step
    for name in prefect_geobox.__all__
    if isinstance(step := getattr(prefect_geobox, name), Task)
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_forgotten_account_is_named(step: Task) -> None:
    """A step that is called without its account says that it is missing, whatever else is given."""
    for given in (UUID, FILE, 5):
        for arguments in ((given,), (given, "x"), (given, "x", "y")):
            with pytest.raises(InvalidArgumentError, match="credentials must be a GeoboxCred"):
                step(*arguments)
    with pytest.raises(InvalidArgumentError, match=r"needs credentials \(GeoboxCredentials\): "):
        step()


def test_the_name_of_a_block_is_no_account() -> None:
    """The name of a block in the place of the block is answered with the call that loads it."""
    with pytest.raises(
        InvalidArgumentError,
        match=re.escape("pass GeoboxCredentials.load('my-geobox')"),
    ):
        count_tasks("my-geobox")


@pytest.mark.parametrize("step", [count_tasks, list_tasks, get_task])
def test_an_object_that_is_no_account_is_named(step: Task, prefect_server: None) -> None:
    """Any other object in the place of the account is refused by its type."""
    arguments = (UUID,) if step is get_task else ()

    @flow
    def run() -> None:
        step({"host": "x"}, *arguments)

    with pytest.raises(InvalidArgumentError, match="given first; got an object of type dict"):
        run()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: upload_file(ACCOUNT), "upload_file needs path (str | Path): The file"),
        (lambda: upload_file(ACCOUNT, "x", keys="1"), "there is no 'keys'. Did you mean key"),
        (lambda: wait_for_task(ACCOUNT, UUID, timout=3), "'timout'. Did you mean timeout"),
        (lambda: list_tasks(ACCOUNT, states="PENDING"), "'states'. Did you mean state"),
        (lambda: upload_file(path="x.csv"), "upload_file needs credentials (GeoboxCredentials)"),
        (lambda: publish_file(ACCOUNT, FILE, "x", srid=1), "there is no 'srid'. Did you mean"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(call: Any, message: str) -> None:
    """A missing or unknown argument of any step is named, with one that is spelled alike."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        call()


async def test_a_missing_await_is_named() -> None:
    """The result of an async step that was not awaited is refused by the step that gets it."""
    with pytest.raises(InvalidArgumentError, match=r"^file is a coroutine: `await` is missing"):
        await apublish_file(ACCOUNT, aupload_file(ACCOUNT, "x.csv"), "x")
    with pytest.raises(InvalidArgumentError, match=r"^credentials is a coroutine: `await` is miss"):
        await acount_tasks(GeoboxCredentials.aload("my-geobox"))
    with pytest.raises(InvalidArgumentError, match=r"^path is a coroutine"):
        upload_file.map(ACCOUNT, [aupload_file(ACCOUNT, "x.csv")])
