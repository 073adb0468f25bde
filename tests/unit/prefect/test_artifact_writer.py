"""What the threads of a flow run share to write artifacts."""

from __future__ import annotations

import ctypes
import queue
import threading
import time

from prefect_geobox.client.api.run_mode import run_to_completion
from prefect_geobox.ownership.run_modes import SYNC_MODE
from prefect_geobox.reporting import artifact_writer
from tests.kit.until import HANGING, until


class TimeIsUp(BaseException):
    """What Prefect raises in a thread whose task run has a time limit."""


def test_threads_that_are_ended_in_the_queue_leave_the_others_their_turn(monkeypatch):
    """Time limits that end threads which queue to write an artifact keep nobody else from it."""
    # An exception that arrives within an `Event`, which is written in Python, can break it for all.
    permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
    begun, written, ended = [], [], []
    monkeypatch.setattr(
        artifact_writer,
        "create_markdown_artifact",
        lambda *_, **__: permits.get(timeout=HANGING) and written.append(1),
    )

    def write():
        begun.append(1)
        try:
            run_to_completion(
                artifact_writer.create_markdown(SYNC_MODE, "key", "text", "description")
            )
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
    for _ in threads:
        permits.put(True)
    assert until(lambda: not any(thread.is_alive() for thread in threads))
    assert len(written) >= 20
    assert len(written) + len(ended) >= 40
