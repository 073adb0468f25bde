"""Waits in Prefect flows, beside the same flows over a task that does nothing.

Run as `python -m tests.benchmarks.flows URL KEY`, with a Prefect server in the environment. It
prints `ready` once it has measured what needs no remote task, then reads the uuids of remote tasks
that have just begun, one JSON line, and waits for them. The last line that it prints are its
figures.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator

#: Calls of which a figure is the median, and seconds between two of them: waits that follow each
#: other faster than 20 a second meet the limit of requests.
CALLS = 30
PAUSE = 0.1


def _median_seconds(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each call; they take turns, so that what else the machine does hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(CALLS):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
            time.sleep(PAUSE)
    return {name: statistics.median(each) for name, each in seconds.items()}


def main() -> None:
    """Runs the flows and prints what they took."""
    from prefect import flow, task, unmapped
    from prefect.cache_policies import NO_CACHE

    from prefect_geobox import GeoboxCredentials, wait_for_task

    url, key = sys.argv[1:]
    credentials = GeoboxCredentials(host=url, apikey=key)

    @task(cache_policy=NO_CACHE)
    def empty(credentials: GeoboxCredentials, task: str) -> None:
        """Does nothing."""

    @flow
    def over_all(what: Any, uuids: list[str]) -> None:
        what.map(unmapped(credentials), uuids).result()

    @flow
    def calls(uuid: str) -> dict[str, float]:
        with credentials.get_client() as client:
            return _median_seconds(
                {
                    "empty": lambda: empty(credentials, uuid),
                    "request": lambda: client.get_task(uuid),
                    "wait": lambda: wait_for_task(credentials, uuid),
                }
            )

    def seconds_of(what: Any, uuids: list[str]) -> float:
        began = time.perf_counter()
        over_all(what, uuids)
        return time.perf_counter() - began

    ended: list[str] = json.loads(sys.stdin.readline())
    figures: dict[str, Any] = {"call": calls(ended[0])}
    seconds_of(empty, ended[:5])
    figures["empty_map"] = seconds_of(empty, ended)
    print("ready", flush=True)
    uuids: list[str] = json.loads(sys.stdin.readline())
    figures["wait_map"] = seconds_of(wait_for_task, uuids)
    print(json.dumps(figures))


def measure(waits: int = 500, seconds: float = 10.0) -> dict[str, Any]:
    """Has the flows run in a process of its own, on a Prefect server of its own."""
    from tests.e2e.prefect_server import serving_prefect

    with TemporaryDirectory() as home, GeoboxEmulator() as geobox:
        folder = Path(home)
        kept = {name: value for name, value in os.environ.items() if name[:8] != "PREFECT_"}
        quiet = {"PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "ERROR", "DO_NOT_TRACK": "1"}
        with serving_prefect(folder) as api:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.flows", geobox.url, geobox.apikey],
                env={**kept, **quiet, "PREFECT_API_URL": api},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            with process:
                ended = [geobox.add_task(seconds=0) for _ in range(waits)]
                print(json.dumps(ended), file=process.stdin, flush=True)
                told = process.stdout.readline().strip()
                assert told == "ready", told
                geobox.clear_requests()
                uuids = [geobox.add_task(seconds=seconds) for _ in range(waits)]
                print(json.dumps(uuids), file=process.stdin, flush=True)
                figures: dict[str, Any] = json.loads(process.stdout.readlines()[-1])
                requests = geobox.requests
    progress = sum(request.path.endswith("/status/") for request in requests)
    return {
        **figures,
        "waits": waits,
        "remote_seconds": seconds,
        "requests": len(requests),
        "progress_reads": progress,
    }


if __name__ == "__main__":
    main()
