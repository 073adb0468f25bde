"""Outages: survived while they are shorter than the budget, reported when they are longer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from prefect_geobox.client import LostContactError, TaskState, WaitUpdate
from prefect_geobox.emulator import GeoboxEmulator, faults as kit_module
from prefect_geobox.emulator.faults import Plan, always, first, on, sequence
from tests.kit.emulator_requests import count, seen
from tests.kit.fake_clock import FakeClock, HookClock
from tests.kit.sample_data import ROOT

from .fault_table import FAULTS, ROUNDING, SHORT, SLOW_FAULTS, timeout_for

MAKERS = {"reset", "close", "half_body", "hang", "drip", "delay", "status", "body", "json_body"}


def test_the_table_has_every_fault_of_the_kit() -> None:
    """Each fault of the emulator that can fail a poll is in the table."""
    changes = {"changed", "state", "result", "progress", "repeated", "without"}
    plans = {"Fault", "Plan", "always", "either", "first", "on", "sequence", "share"}
    assert set(kit_module.__all__) - changes - plans == MAKERS
    names = {fault.name for fault in FAULTS.values()}
    assert {name.partition(" ")[0] for name in names} >= {name.partition("_")[0] for name in MAKERS}


def test_the_document_lists_every_fault() -> None:
    """The table of faults in docs/waiting.md has exactly the faults that the tests go through."""
    text = (ROOT / "docs" / "waiting.md").read_text()
    table = text.partition("<!-- faults -->\n")[2].partition("\n\n")[0]
    listed = [name for row in table.splitlines()[2:] for name in re.findall("`([^`]+)`", row)]
    assert sorted(listed) == sorted(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
async def test_outage_within_the_budget_is_survived(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, name: str
) -> None:
    """A wait tolerates a series of this fault and then reads the final state."""
    uuid = geobox.add_task(seconds=0)
    failures = 2 if name in SLOW_FAULTS else 5
    geobox.faults = first(failures, FAULTS[name])
    client = make(clock=clock, timeout=timeout_for(name))
    task = await client.wait_for_task(uuid, progress_bar=False, outage=300)
    assert task.state is TaskState.SUCCESS
    assert count(geobox, f"GET tasks/{uuid}/") == failures + 1


@pytest.mark.parametrize("name", FAULTS)
async def test_outage_beyond_the_budget_loses_contact(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock, name: str
) -> None:
    """An unbroken fault ends in an error with uuid, time and last state; nothing is aborted."""
    uuid = geobox.add_task(seconds=3600, pending=0)
    geobox.faults = sequence(None, *[FAULTS[name]] * 500)
    client = make(clock=clock, timeout=timeout_for(name))
    outage = 2 if name in SLOW_FAULTS else 8
    with pytest.raises(LostContactError) as caught:
        await client.wait_for_task(uuid, progress_bar=False, outage=outage)
    error = caught.value
    assert error.task.uuid == uuid
    assert error.task.state is TaskState.PROGRESS
    assert outage - ROUNDING <= error.seconds <= outage + 0.5
    for word in (uuid, "PROGRESS", f"{outage} s", "wait for it again by its uuid"):
        assert word in str(error)
    assert set(seen(geobox)) == {f"GET tasks/{uuid}/"}
    geobox.faults = None
    assert (await client.get_task(uuid)).state is TaskState.PROGRESS


async def test_refused_connections_are_survived(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A wait tolerates refused connections and reads the final state once the server is back."""
    uuid = geobox.add_task(states=["PROGRESS", "SUCCESS"])
    geobox.stop()
    client = make(clock=HookClock(lambda number: number == 6 and geobox.start()))
    task = await client.wait_for_task(uuid, progress_bar=False, outage=300)
    assert task.succeeded
    assert client.requests == 6 + 2
    assert seen(geobox) == [f"GET tasks/{uuid}/"] * 2


async def test_refused_connections_lose_contact(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A server that stays away ends the wait with what was seen last."""
    uuid = geobox.add_task(seconds=3600, pending=0)
    client = make(clock=clock)
    left = []

    def leave_after_a_poll(update: WaitUpdate) -> None:
        if not left:
            left.append(update)
            geobox.stop()

    with pytest.raises(LostContactError, match=f"{uuid}.*PROGRESS") as caught:
        await client.wait_for_task(
            uuid, progress_bar=False, outage=20, on_update=leave_after_a_poll
        )
    assert 20 - ROUNDING <= caught.value.seconds <= 20.5
    geobox.start()
    assert (await client.get_task(uuid)).state is TaskState.PROGRESS


async def test_unknown_host_is_survived_until_the_budget_ends(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A name that DNS does not know is an outage like any other."""
    uuid = geobox.add_task()
    client = make(host="http://nowhere.invalid", clock=clock)
    with pytest.raises(LostContactError, match=r"nowhere\.invalid was not reached") as caught:
        await client.wait_for_task(uuid, progress_bar=False, outage=10)
    assert 10 - ROUNDING <= caught.value.seconds <= 10.5
    assert "not seen at all" in str(caught.value)
    assert 4 <= client.requests <= 10


async def test_mixed_faults_are_one_outage(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """Faults of all sorts in a row are one outage with one budget."""
    quick = [fault for name, fault in FAULTS.items() if name not in SLOW_FAULTS]
    uuid = geobox.add_task(seconds=3600, pending=0)
    plan = geobox.faults = sequence(None, *itertools.chain(*[quick] * 5))
    client = make(clock=clock)
    with pytest.raises(LostContactError) as caught:
        await client.wait_for_task(uuid, progress_bar=False, outage=300)
    assert 300 - ROUNDING <= caught.value.seconds <= 300.5
    assert len(plan.given) > 15


async def test_mixed_outage_of_nearly_the_budget_is_survived(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """An outage of many faults that ends in time costs nothing but time."""
    quick = [fault for name, fault in FAULTS.items() if name not in SLOW_FAULTS]
    uuid = geobox.add_task(seconds=0)
    began, faults = clock.now, itertools.cycle(quick)
    geobox.faults = Plan(lambda _: next(faults) if clock.now - began < 250 else None)
    task = await make(clock=clock).wait_for_task(uuid, progress_bar=False, outage=300)
    assert task.succeeded
    assert 250 - ROUNDING <= clock.now - began < 260


@pytest.mark.slow
async def test_a_thousand_blips_in_ten_hours_cost_nothing(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """Single failures never add up: each success gives the whole budget back."""
    quick = [fault for name, fault in FAULTS.items() if name not in SLOW_FAULTS]
    uuid = geobox.add_task(seconds=3600)
    began, numbers = clock.now, itertools.count()
    plan = geobox.faults = Plan(
        lambda _: quick[number // 2 % len(quick)] if (number := next(numbers)) % 2 else None
    )
    client = make(clock=clock)
    updates: list[WaitUpdate] = []

    def end_it(update: WaitUpdate) -> None:
        updates.append(update)
        if clock.now - began > 36_000 and plan.given.total() >= 1000:
            geobox._state.tasks.abort(geobox._state.tasks.find(uuid))

    task = await client.wait_for_task(
        uuid, progress_bar=False, outage=30, max_interval=35, raise_on_failure=False,
        on_update=end_it,
    )  # fmt: skip
    assert task.state is TaskState.ABORTED
    assert clock.now - began >= 36_000
    assert updates[-1].stats.failures == plan.given.total() >= 1000


async def test_attempts_in_place_of_a_budget(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """With `retry=3` the third failure in a row is the last."""
    uuid = geobox.add_task(seconds=3600)
    geobox.faults = sequence(None, FAULTS["reset"], FAULTS["503"], None, *[FAULTS["close"]] * 9)
    with pytest.raises(LostContactError):
        await make(clock=clock).wait_for_task(uuid, progress_bar=False, retry=3)
    assert len(seen(geobox)) == 1 + 2 + 1 + 3


async def test_trouble_with_progress_never_harms_a_wait(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A failed read of progress never changes how a wait ends."""
    uuid = geobox.add_task(states=["PROGRESS"] * 80 + ["SUCCESS"])
    faults = itertools.cycle(FAULTS.values())
    plan = geobox.faults = on(Plan(lambda _: next(faults)), path="tasks/*/status")
    client = make(clock=clock, timeout=SHORT)
    task = await client.wait_for_task(uuid, progress_bar=True, outage=30, max_interval=3)
    assert task.succeeded
    assert len(plan.given) > 20


async def test_everything_fails_from_the_first_look_on(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A remote task that was never seen is reported so, by its uuid."""
    uuid = geobox.add_task()
    geobox.faults = always(FAULTS["502 html"])
    with pytest.raises(LostContactError, match=f"{uuid}.*not seen at all.*502"):
        await make(clock=clock).wait_for_task(uuid, progress_bar=False, outage=5)
