"""What the threads of a flow run share to write artifacts."""

from __future__ import annotations

import ctypes
import threading
import time

from prefect_geobox.ownership import run_mode as execution
from prefect_geobox.ownership.run_mode import SYNC_MODE, run_to_completion
from tests.kit.until import HANGING, until


class TimeIsUp(BaseException):
    """What Prefect raises in a thread whose task run has a time limit."""


def test_threads_that_are_ended_in_the_queue_leave_the_others_their_turn(monkeypatch):
    """A time limit that ends threads waiting for a write slot leaves the slots to the others."""
    goes_on, begun, written, ended = threading.Event(), [], [], []
    monkeypatch.setattr(
        execution,
        "create_markdown_artifact",
        lambda *_, **__: goes_on.wait(HANGING) and written.append(1),
    )

    def write():
        begun.append(1)
        try:
            run_to_completion(SYNC_MODE.create_markdown("key", "text", "description"))
        except TimeIsUp:
            ended.append(1)

    threads = [threading.Thread(target=write, daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    assert until(lambda: len(begun) == 40)
    # From there to the queue it is not far.
    time.sleep(0.5)
    for thread in threads[10:30]:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(TimeIsUp)
        )
    goes_on.set()
    assert until(lambda: not any(thread.is_alive() for thread in threads))
    assert len(written) >= 20
    assert len(written) + len(ended) >= 40
