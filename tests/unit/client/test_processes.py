"""Waits and other processes: children that are forked or spawned, and what is handed to them."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient, GeoboxError
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.payloads import secret
from tests.kit.until import HANGING

from .test_errors import EXAMPLES

pytestmark = pytest.mark.processes

#: A program that waits in a thread and on an event loop, and in mid-wait starts children that wait
#: with what they were handed. It prints how all of that ended.
PROGRAM = '''
import asyncio, gc, logging, multiprocessing, os, sys, threading, time, warnings
from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient

logging.getLogger("asyncio").setLevel(logging.ERROR)
OPTIONS = {"interval": 0.05, "max_interval": 0.05, "progress_bar": False, "timeout": 150}


def child(blocking, awaiting, uuids, answers):
    """Waits with clients of the parent's and with one of its own."""
    fresh = GeoboxClient(settings=blocking.settings)
    tasks = [blocking.wait_for_task(uuids[0], **OPTIONS), fresh.wait_for_task(uuids[1], **OPTIONS)]
    async def others():
        return await asyncio.gather(*(awaiting.wait_for_task(u, **OPTIONS) for u in uuids))
    tasks += asyncio.run(others())
    gc.collect()
    answers.put((os.getpid(), [task.state.value for task in tasks]))
    for client in (blocking, awaiting, fresh):
        client.close()


async def main(way, url, key, mine, theirs):
    context = multiprocessing.get_context(way)
    blocking = GeoboxClient(url, apikey=key)
    awaiting = AsyncGeoboxClient(url, apikey=key)
    ended = []
    # One begins with the thread, and reads once: by then all of its parts are in use.
    blocking.get_task(mine[0])
    thread = threading.Thread(
        target=lambda: ended.append(blocking.wait_for_task(mine[0], **OPTIONS))
    )
    thread.start()
    waits = [asyncio.create_task(awaiting.wait_for_task(uuid, **OPTIONS)) for uuid in mine[1:]]
    await asyncio.sleep(0.3)
    answers = context.Queue()
    children = [
        context.Process(target=child, args=(blocking, awaiting, uuids, answers)) for uuids in theirs
    ]
    for process in children:
        with warnings.catch_warnings():
            # Newer Pythons warn of any fork of a process that has threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    ended += await asyncio.gather(*waits)
    await asyncio.to_thread(thread.join)
    found = [await asyncio.to_thread(answers.get, True, 150) for _ in children]
    for process in children:
        await asyncio.to_thread(process.join)
    pids = {pid for pid, _ in found}
    print(
        len(ended), all(task.succeeded for task in ended), len(pids - {os.getpid()}),
        sorted(state for _, states in found for state in set(states)),
        [process.exitcode for process in children],
    )


if __name__ == "__main__":
    way, url, key, *uuids = sys.argv[1:]
    theirs = [uuids[10:14], uuids[14:18]]
    asyncio.run(main(way, url, key, uuids[:10], theirs))
'''


@pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
def test_children_of_a_waiting_process_wait_too(
    geobox_emulator: GeoboxEmulator, tmp_path: Path, way: str
) -> None:
    """Children that are started in mid-wait wait by themselves; the parent's waits go on."""
    uuids = [geobox_emulator.add_task(seconds=2) for _ in range(18)]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [
            sys.executable,
            *("-X", "dev", "-W", "error::ResourceWarning"),
            str(program),
            *(way, geobox_emulator.url, geobox_emulator.apikey, *uuids),
        ],
        capture_output=True,
        text=True,
        timeout=HANGING,
        check=False,
    )
    assert done.stdout == "10 True 2 ['SUCCESS', 'SUCCESS'] [0, 0]\n", done.stderr
    assert (done.stderr, done.returncode) == ("", 0)


FORKING_SERVER = """
import os, sys, warnings
from prefect_geobox.client import GeoboxClient

warnings.simplefilter("ignore", DeprecationWarning)
url, key, *uuids = sys.argv[1:]
client = GeoboxClient(url, apikey=key)
options = {"interval": 0.02, "progress_bar": False, "timeout": 150}

def listener(update):
    # A fork out of a wait, in its own thread, while the I/O thread reads.
    if children:
        return
    for number in range(20):
        child = os.fork()
        if child == 0:
            good = client.wait_for_task(uuids[1], on_update=lambda _: None, **options).succeeded
            os._exit(0 if good else 1)
        children.append(child)

children = []
first = client.wait_for_task(uuids[0], on_update=listener, **options)
codes = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
print(first.state.value, len(children), codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_many_forks_while_requests_are_under_way(geobox_emulator: GeoboxEmulator) -> None:
    """Whatever the I/O thread does at the moment of a fork, the child's waits end well."""
    uuids = [geobox_emulator.add_task(seconds=3), geobox_emulator.add_task(seconds=1)]
    done = subprocess.run(
        [sys.executable, "-c", FORKING_SERVER, geobox_emulator.url, geobox_emulator.apikey, *uuids],
        capture_output=True,
        text=True,
        timeout=HANGING,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("SUCCESS 20 {0}\n", 0), done.stderr


CLOSED_LOOP = """
import asyncio, gc, logging, sys
from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient

when, url, key, long, short = sys.argv[1:]
options = {"interval": 0.02, "max_interval": 0.02, "progress_bar": False}
client = AsyncGeoboxClient(url, apikey=key)

# A loop that is stopped and closed in mid-wait: its waits never come to their own clean-up.
loop = asyncio.new_event_loop()
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
seen = []
waits = [
    loop.create_task(client.wait_for_task(uuid, on_update=seen.append, **options))
    for uuid in (long, short)
]
while len(seen) < 4:
    loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
if when == "now":
    del loop, waits
    gc.collect()

# All others go on.
async def again():
    return await client.wait_for_task(short, timeout=120, **options)

print(asyncio.run(again()).state.value)
with GeoboxClient(url, apikey=key) as other:
    print(other.wait_for_task(short, timeout=120, **options).state.value)
client.close()
"""


@pytest.mark.parametrize("when", ["now", "at exit"])
def test_an_event_loop_that_is_closed_in_mid_wait(
    geobox_emulator: GeoboxEmulator, when: str
) -> None:
    """Waits of an event loop that was closed disturb nothing, whenever they are destroyed."""
    uuids = [geobox_emulator.add_task(seconds=60), geobox_emulator.add_task(seconds=1)]
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "error::ResourceWarning"),
            *("-c", CLOSED_LOOP, when, geobox_emulator.url, geobox_emulator.apikey, *uuids),
        ],
        capture_output=True,
        text=True,
        timeout=HANGING,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("SUCCESS\nSUCCESS\n", "", 0)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_cloudpickle(error: GeoboxError) -> None:
    """Every error comes back whole from the pickle that task runners use."""
    error.retry_after = 2.5
    back = cloudpickle.loads(cloudpickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), repr(back), back.args) == (str(error), repr(error), error.args)
    assert vars(back) == vars(error)


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("kind", [GeoboxClient, AsyncGeoboxClient])
def test_clients_survive_both_pickles_in_mid_wait(
    geobox_emulator: GeoboxEmulator, kind: Any, dumps: Any
) -> None:
    """A client is pickled while it waits, and the copy waits on a connection that it finds."""
    short, later = geobox_emulator.add_task(seconds=0.1), geobox_emulator.add_task(seconds=0.2)
    copies: list[Any] = []
    with GeoboxClient(geobox_emulator.url, apikey=geobox_emulator.apikey) as waiting:
        client = kind(settings=waiting.settings)

        def listener(_: Any) -> None:
            copies.append(pickle.loads(dumps(client if kind is AsyncGeoboxClient else waiting)))

        waiting.wait_for_task(short, interval=0.02, on_update=listener)
        assert copies
        assert {repr(copy) for copy in copies} == {repr(client)}
        for copy in copies:
            wait = copy.wait_for_task(later, interval=0.02, progress_bar=False)
            assert (asyncio.run(wait) if inspect.iscoroutine(wait) else wait).succeeded
            copy.close()


def test_what_refers_to_a_secret_shows_none_in_a_repr_of_the_copy() -> None:
    """A client that came out of a pickle hides its secret like the one that went in."""
    hidden = secret("key")
    client = GeoboxClient("http://geobox.test", apikey=hidden)
    back = cloudpickle.loads(cloudpickle.dumps(client))
    assert hidden not in repr(back) + repr(back.settings) + repr(back.settings.credential)
