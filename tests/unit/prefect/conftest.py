"""A Prefect server, an emulator, credentials for it, and what a run has left on the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact

from prefect_geobox import GeoboxCredentials, OutputAsset
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.prefect_connections import allow_open_connections
from tests.kit.sample_data import CITIES, ROOT
from tests.kit.until import until


@pytest.fixture
def credentials(geobox_emulator: GeoboxEmulator, prefect_server: None) -> GeoboxCredentials:
    """Credentials for the running emulator."""
    return GeoboxCredentials(host=geobox_emulator.url, apikey=geobox_emulator.apikey)


@pytest.fixture
def layer(credentials: GeoboxCredentials) -> OutputAsset:
    """A published layer."""
    with credentials.get_client() as client:
        file = client.upload_file(CITIES)
        return client.publish_file(file, "cities", interval=0.02, max_interval=0.05)


@pytest.fixture
def flow_environment(
    monkeypatch: pytest.MonkeyPatch, geobox_emulator: GeoboxEmulator, prefect_server: None
) -> None:
    """Has the modules of `flows` imported by name, and their environment name the emulator."""
    monkeypatch.syspath_prepend(str(ROOT / "flows"))
    monkeypatch.setenv("GEOBOX_HOST", geobox_emulator.url)
    monkeypatch.setenv("GEOBOX_APIKEY", geobox_emulator.apikey)


class RunRecords:
    """What the Prefect server knows of one flow run."""

    def __init__(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        self._client = client
        self._id = flow_run_id

    @property
    def artifacts(self) -> list[Artifact]:
        """All artifacts of the run."""
        return self._client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self._id]))
        )

    def artifact(self, key: str) -> str:
        """The text of the one artifact with this key."""
        (found,) = [artifact for artifact in self.artifacts if artifact.key == key]
        return str(found.data)

    def progress(self) -> list[float]:
        """The values of the progress artifacts."""
        return [float(a.data) for a in self.artifacts if a.type == "progress"]

    def task_names(self, count: int = 1) -> set[str]:
        """The names of the finished task runs, once there are so many of them."""
        return set(self._eventually(self._read_task_names, count))

    def events(self, prefix: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of this run whose names begin like this, oldest first, once they are there."""
        return self._eventually(lambda: self._read_events(prefix), count)

    def _read_task_names(self) -> list[str]:
        runs = self._client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[self._id]))
        )
        return [run.name for run in runs if run.state and run.state.is_final()]

    def _read_events(self, prefix: str) -> list[dict[str, Any]]:
        response = self._client._client.post(
            "/events/filter",
            json={
                "limit": 50,
                "filter": {
                    "event": {"prefix": [prefix]},
                    "related": {"id": [f"prefect.flow-run.{self._id}"]},
                    "order": "ASC",
                },
            },
        )
        return response.json()["events"]

    @staticmethod
    def _eventually(read: Callable[[], list[Any]], count: int) -> list[Any]:
        # Events and task runs reach the server in batches, seconds after the run has ended.
        until(lambda: len(read()) >= count, pause=0.2)
        return read()


@pytest.fixture
def records_of(prefect_server: None) -> Iterator[Callable[[Any], RunRecords]]:
    """Finds what the run that ended in a state has left on the server."""
    with get_client(sync_client=True) as client:
        yield lambda state: RunRecords(client, state.state_details.flow_run_id)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves connections of its own open."""
    allow_open_connections(items, Path(__file__).parent)
