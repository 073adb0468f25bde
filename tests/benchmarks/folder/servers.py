"""The Prefect server of a run of the bench, which counts, and what it has counted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.kit.until import until

from .counting_server import COUNTS_PATH

Counts = dict[str, Counter[str]]

#: The server is at rest where it takes less than this share of a core for a second.
_AT_REST = 0.1

#: Seconds after which a server that is never at rest is taken as it is.
_REST_SECONDS = 120.0


class PrefectServer:
    """A running Prefect server.

    Args:
        url: Its address, without the path of the API.
        pid: Its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._pid = pid
        self.api = f"{url}/api"

    def close(self) -> None:
        """Closes the connections to it."""
        self._http.close()

    def counts(self) -> Counts:
        """What it has been sent so far."""
        found = self._http.get(COUNTS_PATH).json()
        return {name: Counter(counted) for name, counted in found.items()}

    def cpu(self) -> float:
        """CPU seconds that it has taken."""
        return cpu_seconds(self._pid)

    def rest(self) -> None:
        """Waits until it has dealt with all that it has been sent."""
        deadline = time.monotonic() + _REST_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(1)
            if self.cpu() - before < _AT_REST:
                break

    def artifacts(self, flow_run_id: str) -> list[dict[str, Any]]:
        """The artifacts on the page of a flow run."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._http.post(
                "/api/artifacts/filter",
                json={
                    "artifacts": {"flow_run_id": {"any_": [flow_run_id]}},
                    "limit": 200,
                    "offset": len(found),
                },
            )
            found += page.raise_for_status().json()
            if len(page.json()) < 200:
                return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(home: Path, api: str = "") -> dict[str, str]:
    """The environment of a process whose Prefect has a home of its own."""
    kept = {name: value for name, value in os.environ.items() if name[:8] != "PREFECT_"}
    ours = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "120",
        "PREFECT_API_REQUEST_TIMEOUT": "300",
        "DO_NOT_TRACK": "1",
    }
    return {**kept, **ours, **({"PREFECT_API_URL": api} if api else {})}


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def counting_prefect(home: Path, database: str | None = None) -> Iterator[PrefectServer]:
    """A Prefect server of its own, as `prefect server start` runs it, that counts.

    Args:
        home: Its `PREFECT_HOME`; by default its database is a file of SQLite there.
        database: The URL of another database.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = environment(home)
    if database is not None:
        settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    app = "tests.benchmarks.folder.counting_server:make_app"
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    log = home / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", app, *options],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = PrefectServer(url, process.pid)
    try:
        assert until(lambda: process.poll() is not None or _is_healthy(server.api))
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        server.close()
        stop(process)


def stop(process: subprocess.Popen[Any], seconds: float = 20.0) -> None:
    """Ends a process, by force where it does not end by itself."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False
