"""Adoption and the credentials of flows while the Prefect server is away in mid-run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from prefect_geobox import GeoboxError, upload_file
from prefect_geobox.ownership import prefect_api, submit_once
from tests.kit.gated_proxy import GatedProxy
from tests.kit.sample_data import CITIES


@pytest.fixture
def gate(prefect_server: None) -> Iterator[GatedProxy]:
    """The way to the Prefect server that this process takes."""
    with (
        GatedProxy(PREFECT_API_URL.value() or "") as proxy,
        temporary_settings({PREFECT_API_URL: proxy.url}),
    ):
        yield proxy
        # What Prefect still has to send takes this way, and its sender would try without an end.
        EventsWorker.drain_all(timeout=30)


@pytest.fixture
def next_run(credentials, gate):
    """Runs the deployment of a flow once more, after a run that has uploaded and failed."""
    found = []

    @flow(name=f"adopting-{uuid4().hex}")
    def deployed(is_first: bool) -> None:
        found.append(upload_file(credentials, CITIES, reattach="deployment").uuid)
        if is_first:
            raise RuntimeError("the first run fails")

    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(deployed), deployed.name)

        def run(is_first=False):
            parameters = {"is_first": is_first}
            flow_run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
            state = run_flow(deployed, flow_run, parameters=parameters, return_type="state")
            return state, found

        run(is_first=True)
        yield run


def _away_at(monkeypatch, gate, place, lasting):
    """Has the Prefect server go away when the adoption comes to a place."""
    inner = getattr(submit_once, place)

    def leave():
        if lasting:
            gate.close()
        else:
            gate.close_until(lambda: not time.sleep(2))

    if place == "record_new_owner":

        async def record(*arguments):
            leave()
            await inner(*arguments)

        monkeypatch.setattr(submit_once, place, record)
    else:

        def begin(*arguments):
            leave()
            return inner(*arguments)

        monkeypatch.setattr(submit_once, place, begin)


PLACES = ["orphaned_submissions", "claimed", "record_new_owner"]


@pytest.mark.parametrize("place", PLACES)
def test_an_adoption_waits_for_the_prefect_server(
    geobox_emulator, gate, next_run, monkeypatch, place
):
    """A run that adopts an upload while the Prefect server restarts uploads nothing itself."""
    _away_at(monkeypatch, gate, place, lasting=False)
    state, uuids = next_run()
    assert state.is_completed()
    assert uuids[0] == uuids[1]
    posts = [request.path for request in geobox_emulator.requests if request.method == "POST"]
    assert posts.count("/v1/files/") == 1


@pytest.mark.parametrize("place", PLACES)
def test_an_adoption_that_prefect_does_not_survive_names_the_server(
    geobox_emulator, gate, next_run, monkeypatch, place
):
    """After the budget the error names the Prefect server, and nothing is uploaded."""
    monkeypatch.setattr(prefect_api, "_OUTAGE_SECONDS", 0.5)
    errors = []
    start = submit_once._start_once

    async def start_once(*arguments):
        try:
            return await start(*arguments)
        except GeoboxError as error:
            errors.append(str(error))
            raise
        finally:
            gate.close()
            gate.open()

    monkeypatch.setattr(submit_once, "_start_once", start_once)
    _away_at(monkeypatch, gate, place, lasting=True)
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        state, uuids = next_run()
    assert state.is_failed()
    assert f"The Prefect server at {gate.url} could not be reached" in errors[0]
    assert len(uuids) == 1
    posts = [request.path for request in geobox_emulator.requests if request.method == "POST"]
    assert posts.count("/v1/files/") == 1


@pytest.fixture
def loading(flow_environment, credentials, gate):
    """Runs a flow that loads a block with the function of the flows, once the server is away."""
    credentials.save("of-the-outage", overwrite=True)
    from publish_layer import load_credentials

    def run(leave, back):
        @flow
        def load() -> str:
            leave()
            try:
                return load_credentials("of-the-outage").host
            finally:
                back()

        return load()

    return run


def test_the_block_of_a_flow_is_loaded_after_an_outage(credentials, gate, loading):
    """A flow whose Prefect server restarts in mid-run gets its block when it is back."""
    host = loading(lambda: gate.close_until(lambda: not time.sleep(2)), lambda: None)
    assert host == credentials.host


def test_a_block_that_cannot_be_loaded_names_the_prefect_server(gate, loading, monkeypatch):
    """After the budget the error names the Prefect server and not the block."""
    monkeypatch.setattr(prefect_api, "_OUTAGE_SECONDS", 0.5)
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(GeoboxError, match=r"The Prefect server at .* could not be reached"),
    ):
        loading(gate.close, gate.open)
