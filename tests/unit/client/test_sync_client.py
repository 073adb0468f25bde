"""The blocking client: the same verbs, from any thread."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.child_processes import start_python
from tests.kit.payloads import TASK, task
from tests.kit.until import HANGING, until
from tests.kit.wire import Wire

VERBS = (
    "get_task",
    "list_tasks",
    "count_tasks",
    "get_progress",
    "wait_for_task",
    "wait_for_tasks",
    "abort_task",
    "start_task",
    "get_output_asset",
    "get_asset",
    "find_assets",
    "get_features",
    "count_features",
    "get_thumbnail",
    "upload_file",
    "start_publish",
    "publish_file",
)


@pytest.mark.parametrize("verb", [*VERBS, "__init__"])
def test_both_clients_have_the_same_verbs(verb: str) -> None:
    """Each verb takes the same arguments with the same defaults in both clients."""
    ours, theirs = (
        [
            # A default that is a function, such as a logger's, belongs to its module.
            (name, parameter.kind, callable(parameter.default) or parameter.default)
            for name, parameter in inspect.signature(getattr(kind, verb)).parameters.items()
        ]
        for kind in (GeoboxClient, AsyncGeoboxClient)
    )
    assert ours == theirs


def test_one_client_serves_eight_threads(geobox_emulator: GeoboxEmulator) -> None:
    """One client is used from eight threads at once, for reads and for waits."""
    uuids = [geobox_emulator.add_task(name=f"task {number}") for number in range(8)]
    together = threading.Barrier(8)
    with GeoboxClient(
        geobox_emulator.url,
        username=geobox_emulator.username,
        password=geobox_emulator.password,
    ) as client:

        def work(number: int) -> list[Any]:
            together.wait(5)
            names = [client.get_task(uuids[number]).name for _ in range(5)]
            return [*names, client.wait_for_task(uuids[number], interval=0.01).succeeded]

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(work, range(8)))
    assert found == [[f"task {number}"] * 5 + [True] for number in range(8)]
    logins = [request for request in geobox_emulator.requests if "auth/token" in request.path]
    assert len(logins) == 1


def test_blocking_client_works_inside_a_running_loop(blocking: GeoboxClient, wire: Wire) -> None:
    """The blocking client can be called where an event loop is running."""
    import asyncio

    wire.on("GET", f"tasks/{TASK}/", task())

    async def main() -> bool:
        return blocking.get_task(TASK).succeeded

    assert asyncio.run(main())


INTERRUPTED = """
import sys
from prefect_geobox.client import GeoboxClient

client = GeoboxClient(sys.argv[1], apikey=sys.argv[2])
print("waiting", flush=True)
try:
    client.wait_for_task(sys.argv[3], interval=0.05, progress_bar=False)
except KeyboardInterrupt:
    print(client.get_task(sys.argv[3]).state, flush=True)
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_real_ctrl_c_aborts_and_confirms(geobox_emulator: GeoboxEmulator) -> None:
    """A SIGINT during a wait without a callback aborts the remote task and sees it aborted."""
    uuid = geobox_emulator.add_task(seconds=60)
    process = start_python(INTERRUPTED, geobox_emulator.url, geobox_emulator.apikey, uuid)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert until(lambda: geobox_emulator.requests or process.poll() is not None)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=HANGING)
    finally:
        process.kill()
        process.communicate()
    assert out == "ABORTED\n"
    assert "Traceback" not in err
    posts = [request for request in geobox_emulator.requests if request.method == "POST"]
    assert [request.path for request in posts] == [f"/v1/tasks/{uuid}/abort/"]
