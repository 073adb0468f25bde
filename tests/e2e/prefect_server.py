"""A Prefect server that serves thirty processes, and calls of it that bear a busy database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect.exceptions import PrefectHTTPStatusError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from tests.kit.until import HANGING, until

from .flow_processes import stop

#: A database that lives as long as the server.
IN_MEMORY = "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false"


def persistently(call: Callable[[], Any]) -> Any:
    """Calls the Prefect server again where its database was busy for too long."""
    busy = Retrying(
        retry=retry_if_exception(_is_busy),
        stop=stop_after_delay(HANGING),
        wait=wait_fixed(1.0),
        reraise=True,
    )
    return busy(call)


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, PrefectHTTPStatusError) and error.response.status_code == 503


@contextmanager
def serving_prefect(folder: Path) -> Iterator[str]:
    """A Prefect server of its own, with its database in memory; yields the URL of its API.

    The database in a file that Prefect's test harness has does not serve thirty processes: the
    server reads before it writes, and SQLite refuses at once where another has written in between.
    One in memory has one connection, so that nothing comes in between.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_SERVER_DATABASE_CONNECTION_URL": IN_MEMORY}
    command = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    with (folder / "prefect.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port), "--log-level", "error"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        assert until(lambda: _is_healthy(url)), (folder / "prefect.log").read_text()
        yield url
    finally:
        stop(process)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False
