"""A folder, a process launcher and a client of one Prefect server, shared by all tests here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

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
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Scheduled, State

from prefect_geobox.ownership.submission_records import Record
from tests.kit.child_processes import module_command
from tests.kit.run_records import records_of
from tests.kit.until import HANGING, until

from .flow_processes import FORK_SERVER, ProcessLauncher, stop
from .prefect_server import persistently

HERE = Path(__file__).parent


def side_by_side(test: Any) -> Any:
    """Has a test run in a thread, beside all others that were selected; most of it is waiting."""
    test.is_side_by_side = True
    return test


class Testbed:
    """A folder for the notes of flows, a process launcher, and a client of the Prefect server.

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
        self.launcher = ProcessLauncher(folder, environment)
        self._names = count(1)

    def name(self, prefix: str) -> str:
        """A name that nothing else has."""
        return f"{prefix}-{next(self._names)}"

    def start_prefect(self, name: str, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        """Starts Prefect's command line, its output in a log of that name."""
        return self.start(name, module_command("prefect", *arguments), **extra)

    def start(self, name: str, command: list[str], **extra: str) -> subprocess.Popen[bytes]:
        """Starts a command, its output in a log of that name."""
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                command,
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
        process = self.start(name, [sys.executable, str(FORK_SERVER), command], **extra)
        try:
            for flow in flows:
                assert until(lambda f=flow: self.deployment(f, name)), self.log_of(name)
            yield self.folder / f"{name}.log"
        finally:
            stop(process)

    @contextmanager
    def pooled(self, pool: str, flows: list[str]) -> Iterator[Path]:
        """Deploys flows, as deployments named `pooled`, to a process work pool with a worker."""
        process = self.start_prefect(pool, "worker", "start", "--pool", pool, "--type", "process")
        try:
            assert until(lambda: self._has_pool(pool)), self.log_of(pool)
            deployed = self.launcher.launch(do="deploy", flows=flows, pool=pool)
            assert deployed.end(), deployed.log.read_text()
            assert deployed.exit_code == 0, deployed.log.read_text()
            yield self.folder / f"{pool}.log"
        finally:
            stop(process)

    def deploy_without_worker(self, pool: str, flow: str) -> None:
        """Deploys a flow to a work pool without a worker."""
        self.client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        deployed = self.launcher.launch(do="deploy", flows=[flow], pool=pool)
        assert deployed.end(), deployed.log.read_text()
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

    def note(self, name: str, what: str, seconds: float = HANGING) -> dict[str, Any] | None:
        """A note of a flow, once it is written; None where it is not."""
        path = self.folder / f"{name}.{what}"
        return json.loads(path.read_text()) if until(path.exists, seconds) else None

    def forget(self, name: str, what: str) -> None:
        """Deletes a note of a flow, before it runs again."""
        (self.folder / f"{name}.{what}").unlink(missing_ok=True)

    def run(self, run_id: UUID | str) -> FlowRun:
        """A flow run as the server has it."""
        found: FlowRun = persistently(lambda: self.client.read_flow_run(UUID(str(run_id))))
        return found

    def state_name(self, run_id: UUID | str) -> str:
        """The name of a flow run's state."""
        state = self.run(run_id).state
        return state.name or "" if state is not None else ""

    def is_final(self, run_id: UUID | str) -> bool:
        """Whether a flow run has ended."""
        state = self.run(run_id).state
        return state is not None and state.is_final()

    def final_state(self, run_id: UUID | str) -> str:
        """The name of a flow run's state once it is final."""
        until(lambda: self.is_final(run_id), pause=0.2)
        return self.state_name(run_id)

    def schedule_rerun(self, run_id: UUID | str) -> None:
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

    def records(self, run_id: UUID | str) -> list[Record]:
        """What an outermost flow run has recorded of its submissions, oldest first."""
        return records_of(self.client, run_id)

    def artifacts(self, run_id: UUID | str, kind: str) -> list[Artifact]:
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
