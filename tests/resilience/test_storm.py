"""Many waits at once, a third of all answers failing: right verdicts, few requests, a free loop."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from prefect_geobox.client import AsyncGeoboxClient, RemoteTask, TaskAbortedError, TaskFailedError
from prefect_geobox.client.http.transport import IN_FLIGHT
from tests.kit.clients import close_now
from tests.kit.emulator_requests import outcome
from tests.kit.sample_data import ROOT

from .storm_server import OUTCOMES

#: Seconds between two beats.
BEAT = 0.01


class Server:
    """An emulator in another process, so that the two event loops do not share one lock."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, **order: Any) -> dict[str, Any]:
        """Gives an order and reads what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The other process."""
    command = [sys.executable, "-m", "tests.resilience.storm_server"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


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


@dataclass
class Run:
    """What a run has shown."""

    verdicts: dict[str, str]
    report: dict[str, Any]
    heartbeat: Heartbeat
    seconds: float

    @property
    def requests_per_wait(self) -> float:
        """Requests at the server, of all sorts, for one wait."""
        requests = self.report["looks"] + self.report["progress"] + self.report["posts"]
        return requests / len(self.verdicts)


def cause(end: Any) -> str:
    """The outcome that the end of a wait tells of."""
    if isinstance(end, RemoteTask):
        return str(end.state.value)
    kinds = {TaskFailedError: "FAILURE", TaskAbortedError: "ABORTED"}
    return kinds.get(type(end), repr(end))


@contextmanager
def closing(client: AsyncGeoboxClient) -> Iterator[AsyncGeoboxClient]:
    """A client whose connections are closed at the end."""
    try:
        yield client
    finally:
        close_now(client)


async def storm(
    server: Server, waits: int, share: float, seconds: tuple[float, float], interval: float
) -> Run:
    """Waits for many remote tasks at once while a share of all answers fails."""
    order = server(start=waits, share=share, seconds=seconds)
    began = time.monotonic()
    heartbeat = Heartbeat()
    client = AsyncGeoboxClient(host=order["url"], apikey=order["apikey"], timeout=0.75)
    with controlled(heartbeat), closing(client):
        await outcome(client.get_task(next(iter(order["uuids"]))))
        work = {
            uuid: asyncio.create_task(
                outcome(client.wait_for_task(uuid, interval=interval, progress_bar=number % 4 == 0))
            )
            for number, uuid in enumerate(order["uuids"])
        }
        # Once they have been started: the first step of each has been made.
        await asyncio.sleep(0)
        beating = asyncio.create_task(heartbeat.beat())
        ends = await asyncio.gather(*work.values())
        beating.cancel()
    verdicts = {uuid: cause(end) for uuid, end in zip(work, ends, strict=True)}
    assert verdicts == order["uuids"]
    return Run(verdicts, server(report=True), heartbeat, time.monotonic() - began)


@pytest.fixture
def _frozen_heap() -> Iterator[None]:
    """Keeps what other tests have left in memory out of the collector's sight."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.alone
@pytest.mark.usefixtures("_frozen_heap")
@pytest.mark.parametrize(
    ("waits", "seconds", "interval"),
    [(100, (0.3, 1.2), 0.5), pytest.param(1000, (3.0, 8.0), 2.0, marks=pytest.mark.slow)],
    ids=["100", "1000"],
)
async def test_waits_in_a_storm(
    server: Server,
    record_property: Callable[..., None],
    waits: int,
    seconds: tuple[float, float],
    interval: float,
) -> None:
    """Each of many waits ends in the right verdict, at a fair price, and blocks nobody."""
    calm = await storm(server, waits, 0.0, seconds, interval)
    rough = await storm(server, waits, 0.3, seconds, interval)
    for _ in range(2):
        if rough.heartbeat.worst_of_its_own <= 0.05:
            break
        # The best of some tries: another process may hold the processors for longer than that.
        rough = await storm(server, waits, 0.3, seconds, interval)
    faults = sum(rough.report["faults"].values())
    figures = {
        "waits": waits,
        "faults": faults,
        "kinds of faults": len(rough.report["faults"]),
        "requests per wait": (calm.requests_per_wait, rough.requests_per_wait),
        "most in flight": (calm.report["most_in_flight"], rough.report["most_in_flight"]),
        "worst gap": (calm.heartbeat.worst, rough.heartbeat.worst),
        "worst gap of its own": (calm.heartbeat.worst_of_its_own, rough.heartbeat.worst_of_its_own),
        "seconds": (calm.seconds, rough.seconds),
    }
    print(figures)
    for name, value in figures.items():
        record_property(name, value)
    for run in (calm, rough):
        assert set(run.verdicts.values()) == set(OUTCOMES)
        assert run.report["most_in_flight"] <= IN_FLIGHT
        assert run.report["posts"] == 0
    answers = rough.report["looks"] + rough.report["progress"]
    assert 0.1 < faults / answers < 0.5
    assert rough.requests_per_wait <= 2 * calm.requests_per_wait
    assert rough.heartbeat.worst_of_its_own <= 0.05


async def test_no_more_than_eight_requests_are_in_flight(server: Server) -> None:
    """However many ask, a slow server never has more than eight requests at once."""
    order = server(start=80, share=0.0, seconds=(0.1, 0.2), delay=0.08)
    with closing(AsyncGeoboxClient(host=order["url"], apikey=order["apikey"])) as client:
        await asyncio.gather(*map(client.get_task, order["uuids"]))
    assert IN_FLIGHT / 2 <= server(report=True)["most_in_flight"] <= IN_FLIGHT
