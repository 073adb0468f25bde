"""What is seen of the main thread from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from prefect_geobox.monitoring import _MainLoop, main_task_of_ctrl_c

needs_runner = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio.run leaves Ctrl-C alone before Python 3.11"
)


@pytest.fixture(autouse=True)
def _heeded_sigint() -> Iterator[None]:
    """Python's own handler: a process that a shell runs in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_runner
def test_the_task_that_ctrl_c_cancels_is_found():
    """CPython's `asyncio.run` still keeps its main task where it is looked for."""

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
            found.append((time.monotonic(), main_loop.deaf_task()))
            time.sleep(0.05)

    async def main() -> float:
        time.sleep(0.6)  # noqa: ASYNC251 - the loop is to stand still
        os.kill(os.getpid(), signal.SIGINT)
        sent = time.monotonic()
        time.sleep(0.9)  # noqa: ASYNC251
        end.set()
        watcher.join()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return sent

    watcher = threading.Thread(target=watch)
    watcher.start()
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
            found.append(main_loop.deaf_task())
            await asyncio.sleep(0.05)

    asyncio.run(main())
    assert set(found) == {None}
