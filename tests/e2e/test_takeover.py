"""A run of a deployment that adopts what an earlier, crashed run has started."""

from __future__ import annotations

import asyncio
import os
import signal
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from prefect_geobox.ownership.adoption import claimed
from prefect_geobox.ownership.submission_records import RECORD_TYPE, Record, SubmissionLog

from .attempts import attempts
from .lab import side_by_side, until

ADOPTED = "adopted from an earlier run"
ACROSS = {"upload": {"reattach": "deployment"}, "publish": {"reattach": "deployment"}}


def _crashed(lab, tried, log):
    """A served run that is killed while it waits."""
    run = tried.run_deployment(log.stem)
    begun = lab.note(tried.name, "begun")
    assert begun is not None, log.read_text()
    assert until(tried.is_waiting, 60), log.read_text()
    os.kill(begun["pid"], signal.SIGKILL)
    assert lab.final_state(run) == "Crashed", log.read_text()
    return run


@pytest.mark.slow
@side_by_side
def test_the_next_run_adopts_what_a_crashed_run_has_started(lab, paths):
    """The next run uploads and starts nothing; the one after it adopts nothing."""
    with (
        lab.serving("serve-adoption", ["again-direct"]) as log,
        attempts(lab, "again-direct", paths[:1], seconds=6, **ACROSS) as tried,
    ):
        _crashed(lab, tried, log)
        second = tried.run_deployment(log.stem)
        assert until(lambda: lab.state_name(second) == "Completed", 60), log.read_text()
        assert tried.counts == (1, 1)
        assert tried.decisions() == [ADOPTED]
        assert tried.event_decisions(ADOPTED) == [ADOPTED]
        assert {r.data["uuid"] for r in lab.records(second) if r.data["kind"] == "task"} == set(
            tried.geobox.uuids()
        )
        third = tried.run_deployment(log.stem)
        # The layer of that name is there by now, so that the third run fails in its turn.
        assert lab.final_state(third) == "Failed"
        assert tried.counts == (2, 2)


@pytest.mark.slow
@side_by_side
def test_only_one_of_two_next_runs_adopts_it(lab, paths):
    """Two runs that begin at once after a crash: one adopts, the other starts its own."""
    with (
        lab.serving("serve-owners", ["again-direct"]) as log,
        attempts(lab, "again-direct", paths[:1], seconds=8, **ACROSS) as tried,
    ):
        _crashed(lab, tried, log)
        owners = [tried.run_deployment(log.stem) for _ in range(2)]
        for new_owner in owners:
            lab.final_state(new_owner, 60)
        found = []
        for new_owner in owners:
            tried.run = new_owner
            found += tried.decisions()
        assert tried.counts[1] == 2, log.read_text()
        assert sorted(found) == ["started", ADOPTED], log.read_text()


@pytest.mark.slow
@side_by_side
def test_by_default_a_run_adopts_nothing(lab, paths):
    """By default the next run of the deployment starts its own."""
    with (
        lab.serving("serve-no-adoption", ["again-direct"]) as log,
        attempts(lab, "again-direct", paths[:1], seconds=6) as tried,
    ):
        _crashed(lab, tried, log)
        lab.final_state(tried.run_deployment(log.stem), 60)
        assert tried.counts == (2, 2)


def test_a_record_is_claimed_by_one_of_many(lab):
    """Of ten runs at once one claims it, and no later one does; the claim leaves nothing behind."""
    assert asyncio.run(_claims(10)) == 1


async def _claims(number: int) -> int:
    wins: list[str] = []
    async with get_client() as client:
        data = {"slot": "digest-0", "uuid": str(uuid4()), "before": None, "step": "publish-file"}
        artifact = await client.create_artifact(ArtifactCreate(type=RECORD_TYPE, data=data))
        record = Record.of(artifact)
        assert record is not None

        async def claim(new_owner: str) -> None:
            async with claimed(client, record, new_owner) as is_ours:
                if is_ours:
                    await asyncio.sleep(0.02)
                    await SubmissionLog(client, UUID(int=0), None, "").record_new_owner(
                        record, new_owner
                    )
                    wins.append(new_owner)

        await asyncio.gather(*(claim(f"run {place}") for place in range(number)))
        await claim("a late run")
        assert await client.read_variable_by_name(f"geobox-adoption-{record.id}") is None
    return len(wins)
