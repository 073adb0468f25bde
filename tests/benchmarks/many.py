"""Many waits at once: this package and the official SDK, each on an emulator of its own."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import Fault, Plan, on, status
from prefect_geobox.emulator.http.connection import Connection

SDK = "SDK 2.11.0"

#: What makes of a request to an emulator something else.
_MakePlan = Callable[[], Plan | None]


@dataclass(frozen=True)
class Case:
    """Waits for remote tasks that take so long, on a server with such a list.

    Attributes:
        name: What it is called in the figures.
        side: `ours` or `sdk`.
        waits: How many.
        seconds: The shortest and the longest remote task.
        list_plan: Makes what the list does wrong.
    """

    name: str
    side: str
    waits: int
    seconds: tuple[float, float]
    list_plan: _MakePlan = lambda: None


def refused() -> Plan:
    """A server that does not know the filter of its list."""
    return Plan(lambda request: status(400) if "q" in dict(request.query) else None)


def ignored() -> Plan:
    """A server that ignores the filter of its list."""

    async def act(connection: Connection) -> None:
        pairs = parse_qsl(connection._scope["query_string"].decode())
        kept = [(name, value) for name, value in pairs if name != "q"]
        connection._scope["query_string"] = urlencode(kept).encode()
        await connection.send(await connection.answer())

    fault = Fault("filter ignored", act)
    return Plan(lambda request: fault if "q" in dict(request.query) else None)


def useless() -> Plan:
    """A server that refuses its list."""
    return on(status(403), path="tasks")


def cases(scale: float = 1.0) -> list[Case]:
    """All cases; the SDK comes first, as the others are compared with it."""
    many, few, most = int(2000 * scale), int(200 * scale), int(10_000 * scale)
    return [
        Case(SDK, "sdk", many, (10, 30)),
        Case("filter", "ours", many, (10, 30)),
        Case("filter refused", "ours", many, (10, 30), refused),
        Case("filter ignored", "ours", many, (10, 30), ignored),
        Case("list useless", "ours", few, (10, 30), useless),
        Case("very many", "ours", most, (60, 70)),
    ]


def measure(case: Case) -> dict[str, Any]:
    """Has one side wait, in a process of its own, on an emulator of its own."""
    roll = random.Random(7)
    with GeoboxEmulator() as geobox:
        ends = {}
        for _ in range(case.waits):
            seconds = roll.uniform(*case.seconds)
            ends[geobox.add_task(seconds=seconds)] = time.time() + seconds
        geobox.clear_requests()
        geobox.faults = case.list_plan()
        waiters = [sys.executable, "-m", "tests.benchmarks.waiters"]
        done = subprocess.run(
            [*waiters, case.side, geobox.url, geobox.apikey],
            input=json.dumps(list(ends)),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        times = sorted(request.at for request in geobox.requests)
    if case.side == "ours":
        # The first one has only made the connection, before anything was measured.
        del times[0]
    answer = json.loads(done.stdout.splitlines()[-1])
    late = sorted(answer["seen"][uuid] - end for uuid, end in ends.items())
    return {
        "waits": case.waits,
        "requests": len(times),
        "cpu": answer["cpu"],
        "cpu_share": answer["cpu"] / answer["seconds"],
        "latency_p50": statistics.median(late),
        "latency_p95": late[int(len(late) * 0.95)],
        "gap_ms": 1000 * answer["gap"],
        "kb_per_wait": answer["memory"] / 1000 / case.waits,
        "most_in_a_second": max(_in_a_second(times)),
        "seconds": answer["seconds"],
    }


def _in_a_second(times: list[float]) -> list[int]:
    counts, first = [], 0
    for last, moment in enumerate(times):
        while times[first] <= moment - 1:
            first += 1
        counts.append(last - first + 1)
    return counts
