"""The beats of an event loop: how long anything holds it up."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

#: Seconds between two beats.
BEAT = 0.01


class Heartbeat:
    """The beats of an event loop, and what held them up that is not the waits'.

    Two things do: Python's garbage collector, which stops the process for a time that depends on
    all of its objects, those of other libraries and of the tests included; and the machine, which
    may run something else. The latter is seen by another process, which only beats.
    """

    def __init__(self) -> None:
        self._beats: list[float] = []
        self._excused: list[list[float]] = []

    async def beat(self) -> None:
        """Beats until it is cancelled."""
        gc.callbacks.append(self._on_collection)
        try:
            while True:
                self._beats.append(time.monotonic())
                await asyncio.sleep(BEAT)
        finally:
            gc.callbacks.remove(self._on_collection)

    def excuse(self, spans: list[list[float]]) -> None:
        """Takes note of when the machine was busy elsewhere."""
        self._excused += spans

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        now = time.monotonic()
        if phase == "start":
            self._excused.append([now, now])
        elif self._excused:
            self._excused[-1][1] = now

    @property
    def worst(self) -> float:
        """The longest gap, in seconds."""
        return max(end - start for start, end in pairwise(self._beats))

    @property
    def worst_of_its_own(self) -> float:
        """The longest gap without what is excused."""
        return max(end - start - self._excuse(start, end) for start, end in pairwise(self._beats))

    def _excuse(self, start: float, end: float) -> float:
        total, reached = 0.0, start
        for span in sorted(self._excused):
            since, until = max(span[0], reached), min(span[1], end)
            if until > since:
                total, reached = total + until - since, until
        return total


#: Beats as the tests do, and tells at the end of its input when it was held up, and how long.
CONTROL = f"""
import asyncio, json, sys, threading, time
spans = []
async def beat():
    while True:
        due = time.monotonic() + {BEAT}
        await asyncio.sleep({BEAT})
        if (now := time.monotonic()) > due + 0.002:
            spans.append([due, now])
threading.Thread(target=lambda: asyncio.run(beat()), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
print(json.dumps(spans))
"""


@contextmanager
def controlled(heartbeat: Heartbeat) -> Iterator[None]:
    """Excuses a heartbeat for what holds up a process that does nothing else."""
    with subprocess.Popen(
        [sys.executable, "-c", CONTROL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            spans, _ = process.communicate("", timeout=10)
    heartbeat.excuse(json.loads(spans))
