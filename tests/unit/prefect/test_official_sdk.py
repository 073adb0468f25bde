"""The official SDK within steps: what it starts is owned, and it leaks into nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

import pytest
from prefect import flow

from prefect_geobox import (
    AssetKind,
    ConfigurationError,
    GeoboxCredentials,
    GeoboxError,
    InvalidArgumentError,
    NameLookupError,
    NotFoundError,
    RemoteTask,
    TaskFailedError,
    TaskTimeoutError,
    publish_file,
    sdk_step,
    upload_file,
)
from tests.kit.sample_data import CITIES

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")

from geobox.enums import FileOutputFormat

FAST = {"interval": 0.02, "max_interval": 0.05}


@sdk_step(**FAST)
def export(client, layer_uuid, name):
    """Exports a layer with the SDK."""
    return client.get_vector(layer_uuid).export_features(name, FileOutputFormat.GeoJSON)


def test_a_task_of_the_sdk_is_waited_for_and_shown(credentials, layer, records_of):
    """A function that returns the SDK's task is a step that returns what the task made."""

    @flow
    def run():
        return export(credentials, layer.uuid, "cities.geojson")

    state = run(return_state=True)
    file = state.result()
    assert file.kind is AssetKind.FILE
    records = records_of(state)
    assert file.uuid in records.artifact("geobox-export")
    events = [event["event"] for event in records.events("geobox.task.", 2)]
    assert events == ["geobox.task.submitted", "geobox.task.finished"]


def test_several_tasks_are_waited_for_together(credentials, layer):
    """A function that returns a list of tasks is a step that returns a list of outcomes."""

    @sdk_step(**FAST)
    def both(client, layer_uuid):
        found = client.get_vector(layer_uuid)
        exported = found.export_features("a.geojson", FileOutputFormat.GeoJSON)
        return [exported, *found.seed_cache(0, 1)]

    @flow
    def run():
        return both(credentials, layer.uuid)

    file, cache = run()
    assert file.kind is AssetKind.FILE
    assert isinstance(cache, RemoteTask)
    assert cache.succeeded


def test_a_name_stands_for_what_was_made(credentials, layer):
    """A function that returns a name is a step that returns the one asset of that name."""

    @sdk_step
    def copy(client, layer_uuid, name):
        task = client.get_vector(layer_uuid).save_as_vector_layer(name)
        task.wait(interval=0.02, progress_bar=False)
        return name

    @sdk_step
    def nothing(client):
        return "no_such_name"

    @sdk_step
    def number(client):
        return 7

    @flow
    def run():
        return copy(credentials, layer.uuid, "a_copy")

    made = run()
    assert (made.kind, made.name) == (AssetKind.VECTOR, "a_copy")
    with pytest.raises(NameLookupError, match="which is the name of nothing"):
        nothing.fn(credentials)
    with pytest.raises(InvalidArgumentError, match="it returned int"):
        number.fn(credentials)


async def test_a_coroutine_gets_the_sdk_for_asyncio(credentials, layer):
    """A function with `async def` becomes an async step that does not block the event loop."""

    @sdk_step(**FAST)
    async def export(client, layer_uuid):
        found = await client.get_vector(layer_uuid)
        await asyncio.sleep(0.05)
        return await found.export_features("a.geojson", FileOutputFormat.GeoJSON)

    @flow
    async def run():
        return await asyncio.gather(*(export(credentials, layer.uuid) for _ in range(2)))

    first, second = await run()
    assert first.kind is second.kind is AssetKind.FILE


def test_a_retry_starts_nothing_twice(credentials, geobox_emulator, layer):
    """A flow that is retried finds the SDK's task that its first attempt has started."""
    attempts = []

    @flow(retries=1)
    def run():
        file = export(credentials, layer.uuid, "once.geojson")
        attempts.append(file.uuid)
        if len(attempts) == 1:
            raise RuntimeError("once")
        return file

    geobox_emulator.clear_requests()
    run()
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]
    started = [r for r in geobox_emulator.requests if r.path.endswith("/export/")]
    assert len(started) == 1


def test_a_step_that_is_late_aborts_what_the_sdk_started(credentials, geobox_emulator, layer):
    """The time limit of the step aborts the remote task, as of any owned step."""
    geobox_emulator.seconds = 60

    @sdk_step(timeout=0.2, **FAST)
    def slow(client, layer_uuid):
        return client.get_vector(layer_uuid).export_features("a", FileOutputFormat.GeoJSON)

    with pytest.raises(TaskTimeoutError):
        slow.fn(credentials, layer.uuid)
    with credentials.get_client() as client:
        (newest, *_) = client.list_tasks(order_by="accepted_at D", limit=1)
    assert newest.state_text == "ABORTED"


def test_failures_are_told_without_the_key(credentials, geobox_emulator, layer, caplog):
    """Errors of the SDK become ours, and neither they nor its logs contain the key."""
    caplog.set_level(logging.DEBUG)

    @sdk_step
    def gone(client):
        return client.get_vector("0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f")

    with pytest.raises(NotFoundError, match="of the SDK was answered 404"):
        gone.fn(credentials)

    @sdk_step(**FAST)
    def taken(client, layer_uuid):
        return client.get_vector(layer_uuid).save_as_vector_layer("cities")

    with pytest.raises(TaskFailedError, match="exists already"):
        taken.fn(credentials, layer.uuid)
    geobox_emulator.stop()

    @sdk_step
    def unreachable(client):
        return client.get_vector("0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f")

    with pytest.raises(GeoboxError) as error:
        unreachable.fn(credentials)
    geobox_emulator.start()
    told = f"{error.value!r} {error.value.__cause__!r} {error.value.__context__!r}"
    assert geobox_emulator.apikey not in told
    assert geobox_emulator.apikey not in caplog.text


def test_options_are_checked_where_the_step_is_made():
    """A wrong option is refused when the module is read, not in the middle of the night."""
    with pytest.raises(InvalidArgumentError, match="timeout"):
        sdk_step(timeout=-1)(lambda client: None)
    with pytest.raises(InvalidArgumentError, match="no option 'time'"):
        sdk_step(time=1)(lambda client: None)


LEAKS = """
import logging, os, sys
os.chdir(sys.argv[1])
before = dict(os.environ)
from prefect_geobox import GeoboxCredentials
handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
credentials = GeoboxCredentials(host="http://127.0.0.1:9", apikey="a-key-of-the-test")
if sys.argv[2] == "sync":
    client = credentials.get_sdk_client()
    import geobox
    assert isinstance(client, geobox.GeoboxClient)
else:
    from prefect_geobox.client.official_sdk import make_sdk_client
    client = make_sdk_client(credentials.get_settings(), asynchronous=True)
    import geobox.aio
    assert isinstance(client, geobox.aio.AsyncGeoboxClient)
assert client.base_url == "http://127.0.0.1:9/v1/", client.base_url
assert dict(os.environ) == before, set(os.environ) ^ set(before)
assert logging.getLogger().handlers == handlers, logging.getLogger().handlers
assert logging.getLogger().level == level
import dotenv
assert dotenv.load_dotenv.__name__ == "load_dotenv"
assert logging.basicConfig.__name__ == "basicConfig"
"""


@pytest.mark.parametrize("half", ["sync", "async"])
def test_the_sdk_does_nothing_to_the_process(tmp_path, half):
    """Its import, of either half, sets up no logging, reads no .env file, and prints nothing."""
    (tmp_path / ".env").write_text("LEAKED_FROM_DOTENV=yes\nDEBUG=true\n")
    done = subprocess.run(
        [sys.executable, "-c", LEAKS, str(tmp_path), half],
        capture_output=True,
        text=True,
        env={**os.environ, "DEBUG": "true"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "DEBUG level" not in done.stderr


def test_without_the_sdk_the_error_says_how_to_get_it(monkeypatch):
    """Where the SDK is missing, the error names the command that installs it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "geobox"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "geobox.api", None)
    credentials = GeoboxCredentials(host="http://127.0.0.1:9", apikey="a-key-of-the-test")
    with pytest.raises(ConfigurationError, match=r'pip install "prefect-geobox\[sdk\]"'):
        credentials.get_sdk_client()


def test_objects_of_the_sdk_are_inputs(credentials, layer):
    """A layer object of the SDK can be given to a step; a file object in its place is refused."""
    from prefect_geobox import export_features

    sdk = credentials.get_sdk_client()

    @flow
    def run():
        file = upload_file(credentials, CITIES)
        publish_file(credentials, sdk.get_file(file.uuid), "from_the_sdk", **FAST)
        return export_features(credentials, sdk.get_vector(layer.uuid), "x.gpkg", **FAST), file

    made, file = run()
    assert made.kind is AssetKind.FILE
    with pytest.raises(InvalidArgumentError, match="got the file"):
        export_features.fn(credentials, sdk.get_file(file.uuid), "x.gpkg")
    sdk.session.close()
