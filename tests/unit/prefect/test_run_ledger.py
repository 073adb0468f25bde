"""The records of a flow run on a real Prefect server, where requests are slow, lost or repeated."""

from __future__ import annotations

import asyncio
import contextlib
import json
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from prefect_geobox.ownership import run_ledger, submission_log
from prefect_geobox.ownership.run_ledger import RunLedger
from prefect_geobox.ownership.submission_log import SubmissionLog
from prefect_geobox.ownership.submission_records import (
    Record,
    read_heads,
    read_records,
    read_segments,
    read_waits,
)
from prefect_geobox.ownership.submission_slots import RunPlace

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow
def outermost():
    """Does nothing."""


def intent(slot, length=0):
    """An intent of a step."""
    return Record(uuid4().hex, slot, None, None, {"kind": "task", "key": "k" * length})


@contextlib.asynccontextmanager
async def opened():
    """A ledger of a new flow run, and the client that it writes with."""
    async with get_client(httpx_settings={}) as prefect:
        run = await prefect.create_flow_run(outermost)
        ledger = RunLedger(run.id)
        await ledger.open(prefect)
        yield prefect, ledger


class Gate:
    """Holds the next write of an artifact until it is opened."""

    def __init__(self, prefect):
        self._reached, self._opened = asyncio.Event(), asyncio.Event()
        prefect._client.event_hooks["request"].append(self._hold)

    async def _hold(self, request):
        if request.method in ("POST", "PATCH") and not request.url.path.endswith("filter"):
            self._reached.set()
            await self._opened.wait()

    async def reached(self):
        """Returns once a write is held."""
        await asyncio.wait_for(self._reached.wait(), 60)

    def open(self):
        """Lets all writes go on."""
        self._opened.set()


def test_a_cancelled_flush_does_not_cancel_the_intents_of_others():
    """An intent that goes with the write of a step which is cancelled is written nevertheless."""

    async def main():
        async with opened() as (prefect, ledger):
            gate = Gate(prefect)
            ledger.change(intent("a"))
            adding = asyncio.create_task(ledger.add(intent("b")))
            flush = asyncio.create_task(ledger.flush())
            await gate.reached()
            flush.cancel()
            await asyncio.wait([flush])
            gate.open()
            await asyncio.wait_for(adding, 60)
            return {record.slot for record in await read_records(prefect, ledger.run_id)}

    assert asyncio.run(main()) == {"a", "b"}


def test_what_leaves_the_head_during_a_write_is_on_the_server_first():
    """The head is never written without records that are in no other segment on the server yet."""

    async def main():
        async with opened() as (prefect, ledger):
            large = run_ledger._SEGMENT_BYTES * 2 // 3
            await ledger.add(intent("0", large))
            await ledger.add(intent("1", large))
            # A change of the full segment is under way, and the head has to make way for one more.
            ledger.change(Record(ledger.find("0").id, "0", "u0", None, {"kind": "task"}))
            gate = Gate(prefect)
            adding = asyncio.create_task(ledger.add(intent("2", 10)))
            await gate.reached()
            ledger.change(intent("3", large))
            heads = []

            async def look(response):
                if response.request.method == "PATCH":
                    records = await read_records(prefect, ledger.run_id)
                    heads.append({record.slot for record in records})

            prefect._client.event_hooks["response"].append(look)
            gate.open()
            await adding
            await ledger.flush()
            return heads

    assert all({"0", "1"} <= slots for slots in asyncio.run(main()))


def test_the_head_names_a_segment_that_was_deleted_and_is_written_again():
    """Records in a segment that someone has deleted are found again after the next write of it."""

    async def main():
        async with opened() as (prefect, ledger):
            large = run_ledger._SEGMENT_BYTES * 2 // 3
            await ledger.add(intent("0", large))
            await ledger.add(intent("1", large))
            (head,) = await read_heads(prefect, ledger.run_id)
            await prefect.delete_artifact(head.more[0])
            first = ledger.find("0")
            ledger.change(Record(first.id, "0", "u0", None, first.data))
            await ledger.flush()
            return {r.slot: r.uuid for r in await read_records(prefect, ledger.run_id)}

    assert asyncio.run(main()) == {"0": "u0", "1": None}


def test_a_head_that_was_created_twice_brings_back_no_deleted_record():
    """Of two heads that a repeated request has left, the one that is written counts."""

    async def main():
        async with opened() as (prefect, ledger):
            send = prefect._client.send

            async def twice(request, *args, **kwargs):
                if request.method == "POST" and request.url.path.endswith("/artifacts/"):
                    await send(request, *args, **kwargs)
                return await send(request, *args, **kwargs)

            prefect._client.send = twice
            first, second = intent("a"), intent("b")
            await asyncio.gather(ledger.add(first), ledger.add(second))
            ledger.delete(first)
            await ledger.flush()
            other = RunLedger(ledger.run_id)
            await other.open(prefect)
            return [record.slot for record in other.records()]

    assert asyncio.run(main()) == ["b"]


def test_the_waits_of_many_subflows_are_divided_into_segments_of_bounded_size():
    """Waits of a thousand flow runs, one each, are all found, in artifacts below 100 kB."""

    async def main():
        async with opened() as (prefect, ledger):
            for number in range(1000):
                runs = [str(ledger.run_id), *(str(uuid4()) for _ in range(4))]
                account = {"base_url": "https://api.geobox.ir/v1/", "principal": "p" * 40}
                ledger.note_waits(uuid4(), [{**account, "uuids": [str(number)], "runs": runs}])
            await ledger.flush()
            segments = await read_segments(prefect, await read_heads(prefect, ledger.run_id))
            sizes = []
            for segment in segments:
                content = (
                    await prefect.request(
                        "GET", "/artifacts/{id}", path_params={"id": segment.artifact_id}
                    )
                ).json()
                sizes.append(len(json.dumps(content["data"])))
            return sizes, await read_waits(prefect, ledger.run_id, ledger.run_id)

    sizes, waits = asyncio.run(main())
    assert max(sizes) < 100_000
    assert sorted(int(uuid) for _, _, uuid in waits) == list(range(1000))


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_submission_that_another_process_sends_slowly_is_waited_for(monkeypatch, has_begun):
    """An intent counts as left behind only once its process has given no sign for a while."""
    monkeypatch.setattr(submission_log, "_SIGN_PAUSE", 0.1)
    monkeypatch.setattr(submission_log, "_RIVAL_PAUSE", 0.1)
    monkeypatch.setattr(submission_log, "_RIVAL_TIMEOUT", 2.0)

    async def main():
        async with opened() as (prefect, ledger):
            place = RunPlace(ledger.run_id, (), (1,), ())
            mine = SubmissionLog(prefect, ledger, place, None, "slot")
            other = RunLedger(ledger.run_id)
            theirs = SubmissionLog(prefect, other, place, None, "slot")
            if not has_begun:
                await other.open(prefect)
            sent = await mine.add_intent({"kind": "file"}, None)

            async def second():
                if has_begun:
                    await other.open(prefect)
                    earlier = theirs.find()
                    # The look-up takes its time.
                    await asyncio.sleep(1)
                    return True, await theirs.settled(earlier)
                return await theirs.settle_with_rival(await theirs.add_intent({}, None))

            async with mine.sending(sent):
                waiting = asyncio.create_task(second())
                await asyncio.wait([waiting], timeout=5)
                was_waiting = not waiting.done()
            mine.complete(sent, "uuid")
            _, record = await waiting
            return was_waiting, record.uuid

    assert asyncio.run(main()) == (True, "uuid")


def test_a_slow_read_does_not_replace_what_was_read_after_it():
    """The intent of another process, once seen, stays seen when an older answer comes in late."""

    async def main():
        async with opened() as (prefect, ledger):
            answered, go_on = asyncio.Event(), asyncio.Event()

            async def hold_first(response):
                if response.request.url.path.endswith("/filter") and not answered.is_set():
                    answered.set()
                    await go_on.wait()

            async with get_client(httpx_settings={}) as other_prefect:
                # There is a head to be read.
                first, second = RunLedger(ledger.run_id), RunLedger(ledger.run_id)
                await first.open(other_prefect)
                await first.add(intent("first"))
                prefect._client.event_hooks["response"].append(hold_first)
                slow = asyncio.create_task(ledger.refresh())
                await answered.wait()
                await second.open(other_prefect)
                await second.add(intent("second"))
                later = asyncio.create_task(ledger.refresh())
                await asyncio.wait([later], timeout=1)
                go_on.set()
                await asyncio.gather(slow, later)
            return [record.slot for record in ledger.records()]

    assert asyncio.run(main()) == ["first", "second"]
