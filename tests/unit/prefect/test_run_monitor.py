"""What is seen of the main thread from outside."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from prefect_geobox.ownership import run_monitor as monitoring
from prefect_geobox.ownership.run_monitor import _MainLoop, main_task_of_ctrl_c
from tests.kit.until import until

needs_runner = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio.run leaves Ctrl-C alone before Python 3.11"
)


@pytest.fixture(autouse=True)
def _handled_sigint() -> Iterator[None]:
    """Python's own handler: a process that a shell runs in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_runner
def test_the_task_that_ctrl_c_cancels_is_found():
    """CPython's `asyncio.run` keeps its main task where the monitor reads it."""

    async def main() -> bool:
        return main_task_of_ctrl_c() is asyncio.current_task()

    assert asyncio.run(main())
    assert main_task_of_ctrl_c() is None


@needs_runner
def test_a_ctrl_c_that_a_blocked_loop_cannot_see_is_seen():
    """While the main task blocks its loop, Ctrl-C shows from another thread, and not before."""
    main_loop, found, end = _MainLoop(), [], threading.Event()

    def watch() -> None:
        while not end.is_set():
            task = main_loop.unresponsive_main_task()
            found.append((time.monotonic(), task))
            time.sleep(0.05)

    async def main() -> float:
        time.sleep(0.6)  # noqa: ASYNC251 - the loop is to stand still
        os.kill(os.getpid(), signal.SIGINT)
        sent = time.monotonic()
        assert until(lambda: found[-1][1] is not None)
        end.set()
        poller.join()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return sent

    poller = threading.Thread(target=watch)
    poller.start()
    sent = asyncio.run(main())
    assert all(task is None for at, task in found if at < sent)
    assert found[-1][1] is not None


@needs_runner
def test_a_cancelled_task_whose_loop_answers_is_left_alone():
    """A main task that was cancelled and goes on, its loop running, counts as no Ctrl-C."""
    main_loop, found = _MainLoop(), []

    async def main() -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        for _ in range(12):
            found.append(main_loop.unresponsive_main_task())
            await asyncio.sleep(0.05)

    asyncio.run(main())
    assert set(found) == {None}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_monitors_its_flow_run_by_itself():
    """The monitor of a flow run in the parent does nothing in a forked child."""
    run_id = uuid4()
    monitoring._monitors[run_id] = monitoring._RunMonitor(run_id, None)
    try:
        child = os.fork()
        if child == 0:
            os._exit(len(monitoring._monitors))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert run_id in monitoring._monitors
    finally:
        del monitoring._monitors[run_id]


def test_no_collection_begins_while_the_threads_are_examined(monkeypatch: pytest.MonkeyPatch):
    """CPython's list of threads is read without garbage collection, which goes on afterwards."""
    examined, read = [], sys._current_exceptions

    def examine() -> object:
        examined.append(gc.isenabled())
        return read()

    monkeypatch.setattr(sys, "_current_exceptions", examine)
    assert gc.isenabled()
    interrupt, handled = KeyboardInterrupt(), None
    try:
        raise interrupt
    except KeyboardInterrupt:
        handled = monitoring._handled_by_main_thread()
    assert handled is interrupt
    assert examined == [False]
    assert gc.isenabled()
