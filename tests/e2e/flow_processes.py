"""Processes of flows, forked from one that has imported Prefect already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

from tests.kit.until import HANGING

FORK_SERVER = Path(__file__).with_name("fork_server.py")

#: How many flows run at once, whoever starts them; the others wait for their turn.
AT_ONCE = 9


def is_alive(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class FlowProcess:
    """A process that carries out one command of the fork server."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.pid = 0
        self.exit_code: int | None = None
        self.started, self.ended = threading.Event(), threading.Event()
        self.ended_at = 0.0

    def send(self, number: int) -> float:
        """Sends a signal and returns when."""
        at = time.monotonic()
        os.kill(self.pid, number)
        return at

    def end(self, seconds: float = HANGING) -> bool:
        """Waits for the end; False where it does not come."""
        return self.ended.wait(seconds)


class ProcessLauncher:
    """The process that forks a process for each flow."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._ids = count(1)
        self._launched: dict[str, FlowProcess] = {}
        self._lock = threading.Lock()
        self._places = threading.Semaphore(AT_ONCE)
        with (folder / "fork_server.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(FORK_SERVER)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def launch(self, **command: Any) -> FlowProcess:
        """Starts a process that carries out a command, once there is a place for it."""
        self._places.acquire()
        with self._lock:
            number = str(next(self._ids))
            launched = FlowProcess(self._folder / f"process-{number}.log")
            self._launched[number] = launched
            line = json.dumps({**command, "id": number, "log": str(launched.log)})
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        assert launched.started.wait(HANGING), (self._folder / "fork_server.log").read_text()
        return launched

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            launched = self._launched[report["id"]]
            if "pid" in report:
                launched.pid = report["pid"]
                launched.started.set()
            else:
                launched.exit_code = report["exit"]
                launched.ended_at = time.monotonic()
                launched.ended.set()
                self._places.release()

    def close(self) -> None:
        """Ends all processes that have not ended, and the fork server."""
        for launched in self._launched.values():
            if not launched.ended.is_set():
                launched.send(signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(HANGING)
        self._reader.join(HANGING)
        assert self._process.stdout is not None
        self._process.stdout.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a command as its supervisor would, or by force where it does not end."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(HANGING)
