"""The one thread that does all HTTP: imports, forks, exits and misuse."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import anyio
import httpx
import pytest

from prefect_geobox.client import GeoboxClient
from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.child_processes import run_python
from tests.kit.payloads import TASK, task
from tests.kit.until import HANGING
from tests.kit.wire import Wire, json_answer


@pytest.mark.processes
def test_import_brings_in_no_prefect() -> None:
    """The client alone imports nothing of Prefect, and starts no thread."""
    done = run_python(
        "import json, sys, threading, prefect_geobox.client\n"
        "print(json.dumps([sorted(sys.modules), threading.active_count()]))"
    )
    assert done.returncode == 0, done.stderr
    modules, threads = json.loads(done.stdout)
    assert "prefect_geobox.client.polling.poller" in modules
    assert [name for name in modules if name.split(".")[0] == "prefect"] == []
    assert threads == 1


def test_all_requests_run_on_the_one_thread(blocking: GeoboxClient, wire: Wire) -> None:
    """Whoever calls, the requests are sent on the same daemon thread."""
    names: list[tuple[str, bool]] = []

    def answer(_: httpx.Request) -> httpx.Response:
        names.append((threading.current_thread().name, threading.current_thread().daemon))
        return json_answer(task())

    wire.on("GET", f"tasks/{TASK}/", answer)
    blocking.get_task(TASK)
    caller = threading.Thread(target=blocking.get_task, args=(TASK,))
    caller.start()
    caller.join()
    assert names == [("geobox-io", True)] * 2


def test_blocking_call_on_the_thread_itself_is_refused(blocking: GeoboxClient) -> None:
    """A blocking call on the I/O thread raises instead of waiting for itself."""

    async def misuse() -> None:
        blocking.get_task(TASK)

    with pytest.raises(RuntimeError, match="I/O thread"):
        io_thread().run(misuse())


USED = """
import asyncio, contextlib, logging, sys
# The development mode of asyncio tells of every slow step; what counts here are its errors.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient

url, key, uuid, way = sys.argv[1:]
client = GeoboxClient(url, apikey=key)
assert client.get_task(uuid).state == "PENDING"
if way == "closed":
    client.close()
if way == "async":
    async def main():
        async with AsyncGeoboxClient(url, apikey=key) as other:
            await other.get_task(uuid)
    asyncio.run(main())
if way == "waiting":
    import threading
    seen = threading.Event()
    def wait():
        # The end of the program cuts the wait off.
        with contextlib.suppress(BaseException):
            client.wait_for_task(uuid, interval=0.01, on_update=lambda _: seen.set())
    threading.Thread(target=wait, daemon=True).start()
    assert seen.wait(120)
print("done")
"""


@pytest.mark.processes
@pytest.mark.parametrize("way", ["open", "closed", "async", "waiting"])
def test_exit_is_clean(geobox_emulator: GeoboxEmulator, way: str) -> None:
    """A program ends at once and without a warning, whether or not it closed its clients."""
    uuid = geobox_emulator.add_task(seconds=60, pending=1)
    done = run_python(
        USED,
        geobox_emulator.url,
        geobox_emulator.apikey,
        uuid,
        way,
        options=("-X", "dev", "-W", "error::ResourceWarning"),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


FORKED = """
import os, sys, warnings
from prefect_geobox.client import GeoboxClient

warnings.simplefilter("ignore", DeprecationWarning)
url, key, uuid = sys.argv[1:]
client = GeoboxClient(url, apikey=key)
first = client.get_task(uuid).uuid
child = os.fork()
if child == 0:
    fresh = GeoboxClient(url, apikey=key)
    good = fresh.get_task(uuid).uuid == client.get_task(uuid).uuid == first
    os._exit(0 if good else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), client.get_task(uuid).uuid == first)
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_clients_survive_a_fork(geobox_emulator: GeoboxEmulator) -> None:
    """After a fork both processes go on, with old and new clients."""
    uuid = geobox_emulator.add_task()
    done = run_python(FORKED, geobox_emulator.url, geobox_emulator.apikey, uuid)
    assert (done.stdout, done.returncode) == ("0 True\n", 0), done.stderr


async def test_last_acts_outlast_every_cancellation() -> None:
    """Work that is under way ends and returns its result, however often its caller is cancelled."""
    begun, done = asyncio.Event(), []

    async def act() -> str:
        await asyncio.sleep(0.2)
        done.append(True)
        return "done"

    async def caller() -> str:
        begun.set()
        return await await_despite_cancellation(io_thread().submit(act()))

    waiting = asyncio.create_task(caller())
    await begun.wait()
    for _ in range(5):
        waiting.cancel()
        await asyncio.sleep(0.01)
    assert await waiting == "done"
    assert done == [True]


async def test_last_acts_of_gathered_coroutines_outlast_a_cancelled_scope() -> None:
    """A scope cancels what is gathered in it again and again; the acts end all the same."""
    done = []

    async def act() -> None:
        await asyncio.sleep(0.2)
        done.append(True)

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await await_despite_cancellation(io_thread().submit(act()))
            raise

    tasks = [asyncio.create_task(waits()) for _ in range(3)]
    with anyio.move_on_after(0.05) as scope:
        await asyncio.gather(*tasks)
    assert scope.cancelled_caught
    # What gathers them does not wait for the others once the first has ended.
    await asyncio.wait(tasks, timeout=HANGING)
    assert done == [True] * 3


TWO_CTRL_C = """
import asyncio, os, signal
from prefect_geobox.client.http.io_thread import io_thread, await_despite_cancellation

begun = []

async def last_act():
    begun.append(1)
    if len(begun) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(3600)

async def wait():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await await_despite_cancellation(io_thread().submit(last_act()))
        raise

async def main():
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
    await asyncio.gather(wait(), wait())

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted after", len(begun), "had begun")
"""


@pytest.mark.processes
def test_a_second_ctrl_c_does_not_wait_for_last_acts() -> None:
    """The first Ctrl-C has them begin; the second ends the program though they take an hour."""
    done = run_python(TWO_CTRL_C)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "interrupted after 2 had begun\n"
