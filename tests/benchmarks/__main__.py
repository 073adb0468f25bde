"""`make bench`: many waits at once, this package beside the official SDK.

Prints a table and writes `.bench.json`. The figures are ratios of one run on one machine; absolute
times mean little on a shared one. `--short` makes a small run of it, for a smoke test.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import Plan, on, status

from .schedules import schedules

OUT = Path(".bench.json")


@dataclass(frozen=True)
class Case:
    """Waits for remote tasks that take so long, on a server with such a list."""

    name: str
    side: str
    waits: int
    seconds: tuple[float, float]
    list_plan: Plan | None = None


def _refused(request: Any) -> Any:
    """A server that does not know the filter of its list."""
    return status(400) if "q" in dict(request.query) else None


def cases(scale: float) -> list[Case]:
    """All cases; the SDK comes first, as the others are compared with it."""
    many, few, most = int(2000 * scale), int(200 * scale), int(10_000 * scale)
    useless = on(status(403), path="tasks")
    return [
        Case("SDK 2.11.0", "sdk", many, (10, 30)),
        Case("list by filter", "ours", many, (10, 30)),
        Case("filter refused", "ours", many, (10, 30), Plan(_refused)),
        Case("list useless", "ours", few, (10, 30), useless),
        Case("very many", "ours", most, (60, 70)),
    ]


def measure(case: Case) -> dict[str, Any]:
    """Has one side wait, on an emulator that nobody else uses."""
    roll = random.Random(7)
    with GeoboxEmulator() as geobox:
        began = time.time()
        ends = {}
        for _ in range(case.waits):
            seconds = roll.uniform(*case.seconds)
            ends[geobox.add_task(seconds=seconds)] = time.time() + seconds
        geobox.clear_requests()
        geobox.faults = case.list_plan
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.waiters",
                case.side,
                geobox.url,
                geobox.apikey,
            ],
            input=json.dumps(list(ends)),
            capture_output=True,
            text=True,
            check=True,
        )
        times = sorted(request.at for request in geobox.requests)
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
        "seconds": time.time() - began,
    }


def _in_a_second(times: list[float]) -> list[int]:
    counts, first = [], 0
    for last, moment in enumerate(times):
        while times[first] <= moment - 1:
            first += 1
        counts.append(last - first + 1)
    return counts


def main() -> None:
    """Measures all cases, prints the table, writes the figures."""
    scale = 0.05 if "--short" in sys.argv else 1.0
    figures = {case.name: measure(case) for case in cases(scale)}
    names = list(next(iter(figures.values())))
    print(f"{'':16}" + "".join(f"{name:>18}" for name in names))
    for case, found in figures.items():
        print(f"{case:16}" + "".join(f"{found[name]:18.2f}" for name in names))
    sdk = figures["SDK 2.11.0"]
    for case, found in figures.items():
        if found["waits"] == sdk["waits"] and case != "SDK 2.11.0":
            print(
                f"{case}: 1/{sdk['requests'] / found['requests']:.0f} of the SDK's requests, "
                f"1/{sdk['cpu'] / found['cpu']:.1f} of its CPU"
            )
    polls = schedules()
    for line in polls:
        print(line)
    OUT.write_text(json.dumps({"cases": figures, "schedules": polls}, indent=2))


if __name__ == "__main__":
    main()
