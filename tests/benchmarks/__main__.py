"""`make bench`: many waits at once, this package beside the official SDK.

Prints a table and writes `.bench.json`. The figures are ratios of one run on one machine; absolute
times mean little on a shared one.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator

WAITS = 200
SECONDS = (5.0, 15.0)
OUT = Path(".bench.json")


def measure(side: str) -> dict[str, Any]:
    """Has one side wait for the same remote tasks, on an emulator that nobody else uses."""
    roll = random.Random(7)
    with GeoboxEmulator() as geobox:
        durations = [roll.uniform(*SECONDS) for _ in range(WAITS)]
        ends = {}
        for seconds in durations:
            ends[geobox.add_task(seconds=seconds)] = time.time() + seconds
        geobox.clear_requests()
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.waiters", side, geobox.url, geobox.apikey],
            input=json.dumps(list(ends)),
            capture_output=True,
            text=True,
            check=True,
        )
        requests = len(geobox.requests)
    answer = json.loads(done.stdout.splitlines()[-1])
    late = sorted(answer["seen"][uuid] - end for uuid, end in ends.items())
    return {
        "requests": requests,
        "cpu": answer["cpu"],
        "latency_p50": statistics.median(late),
        "latency_p95": late[int(len(late) * 0.95)],
    }


def main() -> None:
    """Measures both sides, prints the table, writes the figures."""
    figures = {side: measure(side) for side in ("sdk", "ours")}
    low, high = SECONDS
    print(f"{WAITS} waits at once for remote tasks of {low:g} to {high:g} s")
    print(f"{'':14}{'SDK 2.11.0':>12}{'ours':>12}{'ours/SDK':>12}")
    for name in ("requests", "cpu", "latency_p50", "latency_p95"):
        sdk, ours = figures["sdk"][name], figures["ours"][name]
        print(f"{name:14}{sdk:12.2f}{ours:12.2f}{ours / sdk:12.2f}")
    OUT.write_text(json.dumps({"waits": WAITS, "seconds": SECONDS, **figures}, indent=2))


if __name__ == "__main__":
    main()
