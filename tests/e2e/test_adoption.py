"""A run of a deployment that adopts what an earlier, crashed run has left."""

from __future__ import annotations

import asyncio
import os
import signal
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from prefect_geobox.ownership.adoption import Orphan, claimed
from prefect_geobox.ownership.submission_records import (
    RECORD_TYPE,
    Record,
    record_new_owner,
    segment_data,
)
from tests.kit.until import until

from .rerun_trial import rerun_trial
from .testbed import side_by_side

ADOPTED = "adopted from an earlier run"
ACROSS = {"upload": {"reattach": "deployment"}, "publish": {"reattach": "deployment"}}


def _crashed(testbed, trial, log):
    """A served run that is killed while it waits."""
    run = trial.run_deployment(log.stem)
    begun = testbed.note(trial.name, "begun")
    assert begun is not None, log.read_text()
    assert until(trial.is_waiting), log.read_text()
    os.kill(begun["pid"], signal.SIGKILL)
    assert testbed.final_state(run) == "Crashed", log.read_text()
    return run


@pytest.mark.slow
@side_by_side
def test_the_next_run_adopts_what_a_crashed_run_has_left(testbed, paths):
    """The next run uploads and starts nothing; the one after it adopts nothing."""
    with (
        testbed.serving("serve-adoption", ["rerun-direct"]) as log,
        rerun_trial(testbed, "rerun-direct", paths[:1], **ACROSS) as trial,
    ):
        _crashed(testbed, trial, log)
        second = trial.run_deployment(log.stem)
        trial.completed(second, log)
        assert trial.counts == (1, 1)
        assert trial.decisions() == [ADOPTED]
        assert trial.event_decisions(ADOPTED) == [ADOPTED]
        assert {r.uuid for r in testbed.records(second) if r.data["kind"] == "task"} == set(
            trial.geobox.uuids()
        )
        third = trial.run_deployment(log.stem)
        # The layer of that name is there by now, so that the third run fails in its turn.
        assert testbed.final_state(third) == "Failed"
        assert trial.counts == (2, 2)


@pytest.mark.slow
@side_by_side
def test_only_one_of_two_next_runs_adopts_it(testbed, paths):
    """Of two runs that begin at once after a crash, one adopts and the other starts its own."""
    with (
        testbed.serving("serve-owners", ["rerun-direct"]) as log,
        rerun_trial(testbed, "rerun-direct", paths[:1], **ACROSS) as trial,
    ):
        _crashed(testbed, trial, log)
        owners = [trial.run_deployment(log.stem) for _ in range(2)]
        assert until(lambda: trial.counts[1] == 2), log.read_text()
        # The file and the remote task; the latter must not end before it is adopted.
        assert until(lambda: log.read_text().count("this run adopts it") == 2), log.read_text()
        trial.let_succeed(lambda: all(map(testbed.is_final, owners)))
        found = []
        for new_owner in owners:
            trial.run = new_owner
            found += trial.decisions()
        assert trial.counts[1] == 2, log.read_text()
        assert sorted(found) == [ADOPTED, "started"], log.read_text()


@pytest.mark.slow
@side_by_side
def test_without_the_option_a_run_adopts_nothing(testbed, paths):
    """By default the next run of the deployment starts its own."""
    with (
        testbed.serving("serve-no-adoption", ["rerun-direct"]) as log,
        rerun_trial(testbed, "rerun-direct", paths[:1]) as trial,
    ):
        _crashed(testbed, trial, log)
        second = trial.run_deployment(log.stem)
        trial.let_succeed(lambda: testbed.is_final(second))
        assert trial.counts == (2, 2)


def test_a_record_is_claimed_by_one_of_many(testbed):
    """Of ten runs at once one claims a record, and none does later; no claim is left behind."""
    assert asyncio.run(_owners(10)) == 1


@flow
def crashed() -> None:
    """A flow of which there is a run to adopt from."""


async def _owners(number: int) -> int:
    wins: list[str] = []
    async with get_client() as client:
        record = Record(uuid4().hex, "digest-0", str(uuid4()), None, {"step": "publish-file"})
        flow_run = await client.create_flow_run(crashed)
        data = segment_data("a process", [record])
        await client.create_artifact(
            ArtifactCreate(type=RECORD_TYPE, data=data, flow_run_id=flow_run.id)
        )
        orphan = Orphan(flow_run.id, record)

        async def claim(new_owner: str) -> None:
            async with claimed(client, orphan, new_owner) as is_ours:
                if is_ours:
                    await asyncio.sleep(0.02)
                    await record_new_owner(client, flow_run.id, record, new_owner)
                    wins.append(new_owner)

        await asyncio.gather(*(claim(f"run {place}") for place in range(number)))
        await claim("a late run")
        assert await client.read_variable_by_name(f"geobox-adoption-{record.id}") is None
    return len(wins)
