"""Many waits at once on a server in another process, a share of whose answers fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect_geobox.client import AsyncGeoboxClient, RemoteTask, TaskAbortedError, TaskFailedError
from tests.kit.clients import close_now
from tests.kit.emulator_requests import outcome
from tests.kit.sample_data import ROOT
from tests.kit.until import HANGING


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


@contextmanager
def storm_server() -> Iterator[Server]:
    """Starts the other process, and ends it."""
    command = [sys.executable, "-m", "tests.resilience.storm_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(HANGING)


@dataclass
class Run:
    """How the waits of a run ended, and what they have cost."""

    verdicts: dict[str, str]
    report: dict[str, Any]

    @property
    def requests_per_wait(self) -> float:
        """Requests at the server, of all sorts, for one wait."""
        requests = self.report["polls"] + self.report["progress"] + self.report["posts"]
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
    server: Server,
    waits: int,
    share: float,
    seconds: tuple[float, float],
    interval: float,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Run:
    """Waits for many remote tasks at once while a share of all answers fails.

    Args:
        server: Where.
        waits: How many.
        share: Of the answers that fail.
        seconds: The shortest and the longest remote task.
        interval: Of the waits.
        beside: Runs on the event loop until the waits have ended.
    """
    order = server(start=waits, share=share, seconds=seconds)
    client = AsyncGeoboxClient(host=order["url"], apikey=order["apikey"], timeout=0.75)
    with closing(client):
        await outcome(client.get_task(next(iter(order["uuids"]))))
        work = {
            uuid: asyncio.create_task(
                outcome(client.wait_for_task(uuid, interval=interval, progress_bar=number % 4 == 0))
            )
            for number, uuid in enumerate(order["uuids"])
        }
        # Once they have been started: the first step of each has been made.
        await asyncio.sleep(0)
        running = asyncio.create_task(beside()) if beside is not None else None
        ends = await asyncio.gather(*work.values())
        if running is not None:
            running.cancel()
    verdicts = {uuid: cause(end) for uuid, end in zip(work, ends, strict=True)}
    assert verdicts == order["uuids"]
    return Run(verdicts, server(report=True))
