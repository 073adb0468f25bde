"""The hook that aborts what a killed process has left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from prefect_geobox import GeoboxCredentials, TaskState, abort_remote_tasks
from prefect_geobox.ownership.submission_records import RECORD_TYPE
from tests.kit.run_records import records_of, waits_of
from tests.kit.until import until

SCRIPT = """
import sys
from prefect import flow
from prefect_geobox import GeoboxCredentials, publish_file, upload_file, wait_for_task

@flow
def unresponsive(path: str, uuid: str, left: str):
    credentials = GeoboxCredentials()
    wait_for_task.submit(credentials, uuid, interval=0.1)
    wait_for_task.submit(credentials, left, interval=0.1, on_cancel="leave")
    publish_file(credentials, upload_file(credentials, path), "never", interval=0.1)

unresponsive(*sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("source", ["environment", "block"])
def test_the_hook_aborts_what_a_killed_run_has_recorded(
    geobox_emulator, prefect_server, monkeypatch, tmp_path, source
):
    """Started and waited-for remote tasks of a killed run are aborted; those to leave are left."""
    path = tmp_path / "cities.geojson"
    path.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, '
        '"geometry": {"type": "Point", "coordinates": [1, 2]}}]}'
    )
    geobox_emulator.seconds = 120
    waited, left = (geobox_emulator.add_task(name=name, seconds=120) for name in "ab")
    account = {"GEOBOX_HOST": geobox_emulator.url, "GEOBOX_APIKEY": geobox_emulator.apikey}
    flow_run = _killed_run(account, str(path), waited, left)
    credentials = GeoboxCredentials(host=geobox_emulator.url, apikey=geobox_emulator.apikey)
    if source == "environment":
        for name, value in account.items():
            monkeypatch.setenv(name, value)
    else:
        # One that cannot be used, as the form of the UI lets it be saved, is in the way of none.
        unusable = GeoboxCredentials(host="https://gis.example.org", apikey="key-of-a-test")
        unusable.__dict__["host"] = "gis.example.org"
        unusable.save("a-block-that-cannot-be-used", overwrite=True)
        credentials.save("account-of-the-run", overwrite=True)

    abort_remote_tasks(flow=None, flow_run=flow_run, state=None)

    with credentials.get_client() as client:
        states = {task.name: task.state for task in client.list_tasks()}
    assert states.pop("b") is not TaskState.ABORTED
    assert len(states) == 2
    assert set(states.values()) == {TaskState.ABORTED}


def _killed_run(account, *arguments):
    """A flow run whose process was killed once its waits were recorded."""
    environment = os.environ | account | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    with (
        get_client(sync_client=True) as client,
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        known = {artifact.id for artifact in client.read_artifacts()}

        def complete_record():
            new = [artifact for artifact in client.read_artifacts() if artifact.id not in known]
            for artifact in new:
                if artifact.type == RECORD_TYPE and artifact.flow_run_id is not None:
                    started = [record.uuid for record in records_of(client, artifact.flow_run_id)]
                    waits = waits_of(client, artifact.flow_run_id)
                    is_complete = len(waits) == 1 and len(started) == 2 and all(started)
                    return artifact if is_complete else None
            return None

        record = until(complete_record, pause=0.1)
        process.send_signal(signal.SIGKILL)
        assert record is not None
        return client.read_flow_run(record.flow_run_id)
