"""Steps and hooks while the Prefect server is away, as during its restart."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from prefect_geobox import (
    GeoboxError,
    abort_remote_tasks,
    apublish_file,
    aupload_file,
    delete_outputs,
    publish_file,
    upload_file,
)
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.ownership import prefect_api
from prefect_geobox.tasks import _lifecycle
from tests.kit.gated_proxy import GatedProxy
from tests.kit.sample_data import CITIES

FAST = {"interval": 0.02, "max_interval": 0.05}

#: What the log says of an outage, after all attempts of a Prefect client that never connected.
AWAY = "cannot be reached; retrying"


@pytest.fixture
def gate(prefect_server: None) -> Iterator[GatedProxy]:
    """The way to the Prefect server that this process takes; nothing has connected on it yet."""
    with (
        GatedProxy(PREFECT_API_URL.value() or "") as proxy,
        temporary_settings({PREFECT_API_URL: proxy.url}),
    ):
        yield proxy
        # What Prefect still has to send takes this way, and its sender would try without an end.
        EventsWorker.drain_all(timeout=30)


def _uploads(geobox_emulator) -> int:
    paths = [request.path for request in geobox_emulator.requests if request.method == "POST"]
    return paths.count("/v1/files/")


def test_a_step_starts_while_the_prefect_server_is_away(credentials, geobox_emulator, gate, caplog):
    """A step that begins during a restart of the Prefect server waits for it, and says so."""

    @flow
    def run() -> str:
        gate.close_until(lambda: AWAY in caplog.text)
        file = upload_file(credentials, CITIES)
        return publish_file(credentials, file, "cities", **FAST).name

    assert run() == "cities"
    assert _uploads(geobox_emulator) == 1
    assert f"The Prefect server at {gate.url} cannot be reached" in caplog.text


async def test_an_async_step_starts_while_the_prefect_server_is_away(
    credentials, geobox_emulator, gate, caplog
):
    """The async twins do the same."""

    @flow
    async def run() -> str:
        gate.close_until(lambda: AWAY in caplog.text)
        file = await aupload_file(credentials, CITIES)
        return (await apublish_file(credentials, file, "cities", **FAST)).name

    assert await run() == "cities"
    assert _uploads(geobox_emulator) == 1


def test_a_start_that_prefect_does_not_survive_names_the_server(
    credentials, geobox_emulator, gate, monkeypatch
):
    """After the budget the error names the Prefect server, and nothing was sent to Geobox."""
    monkeypatch.setattr(prefect_api, "_OUTAGE_SECONDS", 0.5)
    errors = []

    @flow
    def run() -> None:
        gate.close()
        try:
            upload_file(credentials, CITIES)
        except GeoboxError as error:
            errors.append(str(error))
        finally:
            gate.open()

    run()
    (message,) = errors
    assert f"The Prefect server at {gate.url} could not be reached" in message
    assert "PREFECT_API_URL" in message
    assert _uploads(geobox_emulator) == 0


def test_a_limit_of_prefects_requests_is_said_with_what_to_do(prefect_server, caplog):
    """A server that answers 429 is not called away: the log says that it limits the requests."""
    is_limited = threading.Event()
    is_limited.set()

    class Limiting(BaseHTTPRequestHandler):
        """Answers with 429 while it limits the requests."""

        def do_GET(self) -> None:
            self.send_response(429 if is_limited.is_set() else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if "limits the requests" in caplog.text:
                is_limited.clear()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Limiting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/api"

    async def call(outage: float | None = None) -> None:
        await (await prefect_api.prefect_api(outage)).hello()

    @flow
    def run() -> None:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
            with pytest.raises(prefect_api.PrefectApiError, match="HTTP 429"):
                io_thread().run(call(outage=0))
            io_thread().run(call())

    try:
        run()
    finally:
        server.shutdown()
        server.server_close()
    assert f"The Prefect server at {url} limits the requests of this account" in caplog.text
    assert "Let fewer runs and steps go on" in caplog.text
    assert "cannot be reached" not in caplog.text


def test_hooks_wait_for_the_prefect_server(credentials, geobox_emulator, gate, monkeypatch, caplog):
    """The hooks clean up though the Prefect server is away when they begin."""
    monkeypatch.setenv("GEOBOX_HOST", geobox_emulator.url)
    monkeypatch.setenv("GEOBOX_APIKEY", geobox_emulator.apikey)
    ids = []

    @flow
    def run() -> None:
        ids.append(runtime.flow_run.id)
        upload_file(credentials, CITIES)

    run()
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(ids[0])
    # In the process of a worker, a hook is the first to connect.
    io_thread().run(prefect_api._close_clients())
    gate.close_until(lambda: AWAY in caplog.text)
    delete_outputs(flow=None, flow_run=flow_run, state=None)
    with credentials.get_client() as client:
        assert client.find_assets("file", CITIES.name) == []
    io_thread().run(prefect_api._close_clients())
    caplog.clear()
    gate.close_until(lambda: AWAY in caplog.text)
    abort_remote_tasks(flow=None, flow_run=flow_run, state=None)


def test_the_summary_of_a_step_survives_an_outage(credentials, gate, records_of, monkeypatch):
    """The artifact of a step that ends while the Prefect server is away is written all the same."""
    write = _lifecycle.write_summary

    async def write_during_an_outage(*arguments):
        # Prefect's client has connected before: it says nothing of its own attempts.
        gate.close_until(lambda: not time.sleep(2))
        await write(*arguments)

    @flow
    def run() -> None:
        file = upload_file(credentials, CITIES)
        monkeypatch.setattr(_lifecycle, "write_summary", write_during_an_outage)
        publish_file(credentials, file, "cities", **FAST)

    state = run(return_state=True)
    assert state.is_completed()
    assert "cities" in records_of(state).artifact("geobox-publish-file")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_connects_by_itself(gate):
    """A child does not use the connection of its parent."""

    async def connect() -> None:
        await (await prefect_api.prefect_api()).hello()

    io_thread().run(connect())
    assert prefect_api._clients
    child = os.fork()
    if child == 0:
        os._exit(len(prefect_api._clients))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_steps_share_one_connection(gate):
    """Two calls use the same client of Prefect."""

    async def client():
        return await prefect_api.prefect_client()

    assert io_thread().run(client()) is io_thread().run(client())
