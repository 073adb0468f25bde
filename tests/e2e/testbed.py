"""Processes of flows, the Prefect server that they report to, and a Geobox for each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling, Scheduled, State
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from prefect_geobox import GeoboxClient
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.state.remote_tasks import failure

HERE = Path(__file__).parent

#: A database that lives as long as the server.
IN_MEMORY = "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false"

#: How many flows run at once, whoever starts them; the others wait for their turn.
ROOM = 9

#: Seconds after which a process that has not ended counts as hanging: Prefect kills after 30.
HANGING = 40.0


def until(told: Callable[[], Any], seconds: float = 60.0, pause: float = 0.05) -> Any:
    """Waits for something to be told; None where it is not in time."""
    deadline = time.monotonic() + seconds
    while not (found := told()):
        if time.monotonic() > deadline:
            return None
        time.sleep(pause)
    return found


def side_by_side(test: Any) -> Any:
    """Has a test run in a thread, beside all others that were selected; most of it is waiting."""
    test.is_side_by_side = True
    return test


def persistently(call: Callable[[], Any]) -> Any:
    """Calls the Prefect server again where its database was busy for too long."""
    busy = Retrying(
        retry=retry_if_exception(_is_busy),
        stop=stop_after_attempt(6),
        wait=wait_fixed(1.0),
        reraise=True,
    )
    return busy(call)


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, PrefectHTTPStatusError) and error.response.status_code == 503


def is_alive(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Launched:
    """A process of the starter's."""

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

    def end(self, seconds: float) -> bool:
        """Waits for the end; False where it does not come."""
        return self.ended.wait(seconds)


class Starter:
    """The process that forks a process for each flow."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._ids = count(1)
        self._launched: dict[str, Launched] = {}
        self._lock = threading.Lock()
        self._room = threading.Semaphore(ROOM)
        with (folder / "starter.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "fork_server.py")],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def launch(self, **command: Any) -> Launched:
        """Starts a process that carries out a command, once there is room for it."""
        self._room.acquire()
        with self._lock:
            number = str(next(self._ids))
            launched = Launched(self._folder / f"process-{number}.log")
            self._launched[number] = launched
            line = json.dumps({**command, "id": number, "log": str(launched.log)})
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        assert launched.started.wait(30), (self._folder / "starter.log").read_text()
        return launched

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            launched = self._launched[told["id"]]
            if "pid" in told:
                launched.pid = told["pid"]
                launched.started.set()
            else:
                launched.exit_code = told["exit"]
                launched.ended_at = time.monotonic()
                launched.ended.set()
                self._room.release()

    def close(self) -> None:
        """Ends all processes that have not ended, and the starter."""
        for launched in self._launched.values():
            if not launched.ended.is_set():
                launched.send(signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Lab:
    """Where flows run: a folder for what they tell, a starter, and a client of the server.

    Args:
        folder: For logs and notes.
        environment: Of all processes.
        client: Reads the Prefect server; safe in all threads.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str], client: SyncPrefectClient
    ) -> None:
        self.folder = folder
        self.environment = environment
        self.client = client
        self.starter = Starter(folder, environment)
        self._names = count(1)

    def name(self, prefix: str) -> str:
        """A name that nothing else has."""
        return f"{prefix}-{next(self._names)}"

    def command(self, name: str, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        """Starts a command of Python's, its output in a log of that name."""
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                env={**self.environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    @contextmanager
    def serving(self, name: str, flows: list[str], **extra: str) -> Iterator[Path]:
        """Serves flows as deployments of that name, in a process of its own."""
        command = json.dumps({"do": "serve", "flows": flows, "name": name})
        process = self.command(name, str(HERE / "fork_server.py"), command, **extra)
        try:
            for flow in flows:
                assert until(lambda f=flow: self.deployment(f, name)), self.log_of(name)
            yield self.folder / f"{name}.log"
        finally:
            end(process)

    @contextmanager
    def pooled(self, pool: str, flows: list[str]) -> Iterator[Path]:
        """Deploys flows, as deployments named `pooled`, to a process work pool with a worker."""
        process = self.command(
            pool, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"
        )
        try:
            assert until(lambda: self._has_pool(pool)), self.log_of(pool)
            deployed = self.starter.launch(do="deploy", flows=flows, pool=pool)
            assert deployed.end(120), deployed.log.read_text()
            assert deployed.exit_code == 0, deployed.log.read_text()
            yield self.folder / f"{pool}.log"
        finally:
            end(process)

    def deploy_without_worker(self, pool: str, flow: str) -> None:
        """Deploys a flow to a work pool from which nobody takes."""
        self.client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        deployed = self.starter.launch(do="deploy", flows=[flow], pool=pool)
        assert deployed.end(60), deployed.log.read_text()
        assert deployed.exit_code == 0, deployed.log.read_text()

    def _has_pool(self, name: str) -> bool:
        try:
            return bool(self.client.read_work_pool(name).base_job_template)
        except ObjectNotFound:
            return False

    def log_of(self, name: str) -> str:
        """What a command has written."""
        return (self.folder / f"{name}.log").read_text()

    def deployment(self, flow: str, name: str) -> UUID | None:
        """The deployment of a flow, where it is there."""
        try:
            return persistently(lambda: self.client.read_deployment_by_name(f"{flow}/{name}")).id
        except ObjectNotFound:
            return None

    def note(self, name: str, what: str, seconds: float = 180.0) -> dict[str, Any] | None:
        """What a flow has told, once it has; None where it does not."""
        path = self.folder / f"{name}.{what}"
        return json.loads(path.read_text()) if until(path.exists, seconds) else None

    def forget(self, name: str, what: str) -> None:
        """Forgets what a flow has told, before it runs again."""
        (self.folder / f"{name}.{what}").unlink(missing_ok=True)

    def run(self, run_id: UUID | str) -> FlowRun:
        """A flow run as the server has it."""
        found: FlowRun = persistently(lambda: self.client.read_flow_run(UUID(str(run_id))))
        return found

    def state_name(self, run_id: UUID | str) -> str:
        """The name of a flow run's state."""
        state = self.run(run_id).state
        return state.name or "" if state is not None else ""

    def final_state(self, run_id: UUID | str, seconds: float = 45.0) -> str:
        """The name of a flow run's state once it is final, or as it is after that time."""

        def told() -> bool:
            state = self.run(run_id).state
            return state is not None and state.is_final()

        until(told, seconds, 0.2)
        return self.state_name(run_id)

    def schedule_again(self, run_id: UUID | str) -> None:
        """Has a flow run retried, as `prefect flow-run retry` does."""
        state: State[Any] = Scheduled(name="AwaitingRetry")
        persistently(lambda: self.client.set_flow_run_state(UUID(str(run_id)), state, force=True))

    def cancel(self, run_id: UUID | str) -> None:
        """Cancels a flow run, as the user interface does."""
        state: State[Any] = Cancelling()
        persistently(lambda: self.client.set_flow_run_state(UUID(str(run_id)), state))

    def run_deployment(self, flow: str, kind: str, name: str, parameters: dict[str, Any]) -> str:
        """Has a served or deployed flow run, under a name of its own."""
        deployment = self.deployment(flow, kind)
        assert deployment is not None
        run = persistently(
            lambda: self.client.create_flow_run_from_deployment(
                deployment, parameters=parameters, name=name
            )
        )
        return str(run.id)

    def records(self, run_id: UUID | str, kind: str = "geobox-submission") -> list[Artifact]:
        """The artifacts of one type that a flow run has left, oldest first."""
        found = self.client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(run_id))]),
                type=ArtifactFilterType(any_=[kind]),
            )
        )
        return sorted(found, key=lambda artifact: artifact.created)

    def subflows(self, run_id: UUID | str) -> list[UUID]:
        """The flow runs that are a part of a flow run."""
        parts = FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(str(run_id))])
        )
        return [run.id for run in self.client.read_flow_runs(flow_run_filter=parts)]

    def events(self, run_id: UUID | str) -> list[dict[str, Any]]:
        """The events about remote tasks of a flow run, oldest first."""
        response = self.client._client.post(
            "/events/filter",
            json={
                "limit": 50,
                "filter": {
                    "event": {"prefix": ["geobox.task."]},
                    "related": {"id": [f"prefect.flow-run.{run_id}"]},
                    "order": "ASC",
                },
            },
        )
        return response.json()["events"]


@contextmanager
def serving_prefect(folder: Path) -> Iterator[str]:
    """A Prefect server of its own, with its database in memory; yields the URL of its API.

    The database in a file that Prefect's test harness has does not bear thirty processes: the
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
        assert until(lambda: _is_healthy(url), 60, 0.2), (folder / "prefect.log").read_text()
        yield url
    finally:
        end(process)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command as its supervisor would, or by force."""
    # Not by SIGINT, which a process ignores that a shell has started in the background.
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


class Geobox(GeoboxEmulator):
    """An emulator that says what it has been sent and what became of it."""

    def upload(self, path: Path) -> str:
        """Uploads a file, before a flow begins."""
        with GeoboxClient(self.url, apikey=self.apikey) as client:
            return client.upload_file(path).uuid

    def states(self) -> list[str]:
        """The states of all remote tasks, the oldest first."""
        self._state.tasks.settle()
        return [task.state for task in self._state.tasks.all()][::-1]

    def remove(self, uuid: str) -> None:
        """Ends and forgets a remote task, as if it had been deleted."""
        self.fail(uuid)
        tasks = self._state.tasks
        del tasks._by_id[str(tasks._tasks.pop(uuid).id)]

    def fail(self, uuid: str) -> None:
        """Has a remote task end in FAILURE now."""
        task = self._state.tasks.find(uuid)
        assert task is not None
        task.ended = failure("it is broken", "test.Broken")
        task.ended_clock = time.monotonic()

    def succeed(self, uuid: str) -> None:
        """Has a remote task of a settled course end as it would, but now."""
        task = self._state.tasks.find(uuid)
        assert task is not None
        task.ended_clock = time.monotonic()

    def uuids(self) -> list[str]:
        """All remote tasks, the oldest first."""
        return [task.uuid for task in self._state.tasks.all()][::-1]

    def looked_at(self) -> dict[str, float]:
        """The remote tasks that have been read, and when first."""
        known, first = set(self.uuids()), {}
        for request in self.requests:
            parts = request.path.strip("/").split("/")
            if request.method != "GET" or parts[1:2] != ["tasks"]:
                continue
            named = parts[2:] if len(parts) == 3 else dict(request.query).get("q", "").split("'")
            for uuid in known & set(named):
                first.setdefault(uuid, request.at)
        return first

    def aborts(self) -> list[float]:
        """When aborts came."""
        return [request.at for request in self.requests if "/abort" in request.path]

    def posts(self, ending: str) -> int:
        """How many uploads (`files`) or starts (`publish`) came."""
        return sum(
            request.method == "POST" and request.path.strip("/").endswith(ending)
            for request in self.requests
        )
