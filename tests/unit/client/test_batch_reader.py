"""Many waits at once: few requests, and a list that is never trusted blindly."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest

from prefect_geobox.client import AsyncGeoboxClient, NotFoundError, TaskFailedError
from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.rate_limit import RateLimiter
from prefect_geobox.client.polling.list_strategies import CHUNK
from tests.kit.fake_clock import LeapingClock
from tests.kit.payloads import secret
from tests.kit.until import FOREVER, in_time, until_async
from tests.kit.wire import Wire, json_answer, query, reply

#: Rows that a list may have beside those asked for.
FOREIGN = [str(UUID(int=10**6 + number)) for number in range(5)]

#: Seconds after which remote tasks end though what a test waits for has not come to pass.
PATIENCE = 60


class Server:
    """A server of remote tasks that end at a moment, with a list that may have ways of its own.

    Args:
        wire: Where it answers.
        clock: Its clock, which is that of the clients too.
        waits: How many remote tasks there are.
        seconds: When they end, from the first request.
        until: What must have come to pass before they end, however slow the machine is.
    """

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        waits: int,
        seconds: float = 0.4,
        until: Callable[[Server], bool] = lambda _: True,
    ) -> None:
        self._clock = clock
        self.uuids = [str(UUID(int=number + 1)) for number in range(waits)]
        self.seconds = dict.fromkeys(self.uuids, seconds)
        self.until = until
        self.began = self.now = 0.0
        self.lists: list[dict[str, str]] = []
        self.singles: list[str] = []
        self.list_answer: Callable[[dict[str, str]], httpx.Response | None] = lambda _: None
        self.gone: set[str] = set()
        wire.on("GET", "tasks/", self._list)
        for uuid in self.uuids:
            wire.on("GET", f"tasks/{uuid}/", self._single)

    def row(self, uuid: str) -> dict[str, Any]:
        """What the server says about a remote task now."""
        state = "SUCCESS" if self._is_over(uuid) else "PROGRESS"
        number = UUID(uuid).int
        return {
            "uuid": uuid,
            "name": "import",
            "state": state,
            "result": {},
            "accepted_at": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:"
            f"{number % 60:02}.000000",
        }

    def _is_over(self, uuid: str) -> bool:
        passed = self.now - self.began
        return passed >= self.seconds.get(uuid, 0) and (self.until(self) or passed > PATIENCE)

    def _receive(self) -> None:
        """Takes the time of a request: all that its answer says holds for one moment."""
        self.now = self._clock.monotonic()
        self.began = self.began or self.now

    def filtered(self, params: dict[str, str]) -> list[dict[str, Any]]:
        """What a list with these parameters should hold."""
        uuids = [uuid for uuid in self.uuids if uuid not in self.gone]
        if "q" in params:
            uuids = [uuid for uuid in uuids if f"'{uuid}'" in params["q"]]
        elif "state" in params:
            uuids = [uuid for uuid in uuids if self.row(uuid)["state"] == params["state"]]
        elif params.get("order_by") == "accepted_at D":
            uuids = sorted(uuids, key=lambda uuid: self.row(uuid)["accepted_at"], reverse=True)
        skip, limit = int(params.get("skip", 0)), int(params.get("limit", 10))
        return [self.row(uuid) for uuid in uuids[skip : skip + limit]]

    def asked(self, name: str, value: str) -> int:
        """How many lists were asked for with this value of a parameter."""
        return sum(params.get(name) == value for params in self.lists)

    def _list(self, request: httpx.Request) -> httpx.Response:
        params = dict(query(request))
        self.lists.append(params)
        self._receive()
        assert len(str(request.url)) < 7000
        return self.list_answer(params) or json_answer(self.filtered(params))

    def _single(self, request: httpx.Request) -> httpx.Response:
        uuid = request.url.path.split("/")[-2]
        self.singles.append(uuid)
        self._receive()
        if uuid in self.gone:
            return httpx.Response(404, json={"detail": "no such task"})
        return json_answer(self.row(uuid))


@pytest.fixture
def clock() -> LeapingClock:
    """A clock that leaps over the pauses of the poller, so that no machine is too slow for it."""
    return LeapingClock()


@pytest.fixture
def client(clock: LeapingClock) -> Iterator[AsyncGeoboxClient]:
    """An asyncio client whose rate is no obstacle."""
    client = AsyncGeoboxClient(
        "http://geobox.test", apikey=secret(), requests_per_second=500, clock=clock
    )
    yield client
    client.close()


@pytest.fixture
def serve(wire: Wire, clock: LeapingClock) -> Callable[..., Server]:
    """Starts a server of remote tasks; arguments as of `Server`, after the clock."""
    return partial(Server, wire, clock)


async def begun(clock: LeapingClock, *waits: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    """Begins waits at one moment: the clock stands still until the poller has them all."""
    with clock.held():
        begun = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.sleep(0)
        await io_thread().arun(asyncio.sleep(0))
    return begun


async def ended(client: AsyncGeoboxClient, uuids: list[str], **options: Any) -> list[Any]:
    """How waits for each end, all of them side by side."""
    options = {"interval": 0.1, "progress_bar": False, **options}
    waits = [client.wait_for_task(uuid, **options) for uuid in uuids]
    return await asyncio.gather(*await begun(client.clock, *waits), return_exceptions=True)


def succeeded(ends: list[Any]) -> int:
    """How many waits ended well."""
    return sum(getattr(end, "succeeded", False) for end in ends)


async def test_many_waits_share_few_requests(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """Hundreds of waits read a list filtered by uuid, in chunks, and end alike."""
    server = serve(400)
    assert succeeded(await ended(client, server.uuids)) == 400
    # One or two that are due by themselves, at the end say, are read by themselves.
    assert len(server.lists) + len(server.singles) < 80
    assert max(params["q"].count("'") // 2 for params in server.lists) == CHUNK


@pytest.mark.parametrize("waits", [100, 101])
async def test_progress_is_not_read_for_a_crowd(
    client: AsyncGeoboxClient, serve: Callable[..., Server], wire: Wire, waits: int
) -> None:
    """While more than a hundred waits go on no progress is read; a hundred have theirs read."""
    waits_at_reads: list[int] = []
    server = serve(waits, until=lambda _: bool(waits_at_reads) or waits > 100)

    def answer(_: httpx.Request) -> httpx.Response:
        waits_at_reads.append(client.shared_session().poller.waits)
        return json_answer({"current": 1, "total": 9})

    for uuid in server.uuids:
        wire.on("GET", f"tasks/{uuid}/status/", answer)
    several = client.wait_for_tasks(server.uuids, interval=0.1, on_update=lambda _: None)
    assert succeeded(await several) == waits
    assert max(waits_at_reads, default=0) <= 100
    # Once one of 101 has ended, those that are left may be read; of a hundred some always are.
    assert waits_at_reads or waits > 100


async def test_waits_that_begin_one_by_one_share_requests_too(
    client: AsyncGeoboxClient, serve: Callable[..., Server], clock: LeapingClock
) -> None:
    """Hundreds of waits that begin within a second are gathered, however many there are by then."""
    server = serve(300, seconds=3)

    waits = []
    for uuid in server.uuids:
        waits += await begun(clock, client.wait_for_task(uuid, progress_bar=False))
        await clock.sleep(1 / 300)
    assert succeeded(await asyncio.gather(*waits)) == 300
    # Ten are looked at by themselves at first, and there are three rounds of two or three lists.
    assert len(server.singles) < 30
    assert len(server.lists) + len(server.singles) < 50


async def test_one_wait_never_reads_a_list(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """A wait alone reads its remote task by itself."""
    server = serve(1, seconds=0.2)
    assert succeeded(await ended(client, server.uuids)) == 1
    assert server.lists == []


async def test_waits_of_threads_and_loops_share_requests(
    serve: Callable[..., Server], clock: LeapingClock
) -> None:
    """Waits of blocking clients in threads and of other event loops share the same requests."""
    server = serve(60, seconds=0.8)
    key = secret()
    found: list[Any] = []

    def wait(uuids: list[str]) -> None:
        client = AsyncGeoboxClient("http://geobox.test", apikey=key, clock=clock)
        found.extend(asyncio.run(ended(client, uuids, interval=0.3)))
        client.close()

    threads = [
        threading.Thread(target=wait, args=(server.uuids[start : start + 10],))
        for start in range(0, 60, 10)
    ]

    async def have_begun() -> None:
        async with AsyncGeoboxClient("http://geobox.test", apikey=key, clock=clock) as observer:
            await until_async(lambda: observer.shared_session().poller.waits == 60)

    with clock.held():
        for thread in threads:
            thread.start()
        await io_thread().arun(have_begun())
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert succeeded(found) == 60
    assert len(server.lists) + len(server.singles) < 40


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(400, json={"detail": "bad q"}), "refuses the filter"),
        (reply(422, json={"detail": "bad q"}), "refuses the filter"),
        (reply(404, json={"detail": "none"}), "refuses the filter"),
        (reply(json=[]), "with nothing"),
    ],
    ids=["400", "422", "404", "nothing"],
)
async def test_refused_filter_is_replaced_by_pages(
    client: AsyncGeoboxClient,
    serve: Callable[..., Server],
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    said: str,
) -> None:
    """Where the server refuses the filter, pages of the list are read, which is logged once."""
    server = serve(100, until=lambda server: bool(server.asked("order_by", "accepted_at D")))
    server.list_answer = lambda params: answer(None) if "q" in params else None
    with caplog.at_level(logging.INFO, "prefect_geobox"):
        assert succeeded(await ended(client, server.uuids)) == 100
    assert sum(said in record.getMessage() for record in caplog.records) == 1
    assert len(server.lists) + len(server.singles) < 60
    assert server.asked("order_by", "accepted_at D")


async def test_ignored_filter_is_replaced_by_pages(
    client: AsyncGeoboxClient, serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """Where a list has rows that were not asked for, its filter is not used any more."""
    server = serve(100, until=lambda server: any("q" not in each for each in server.lists))

    def answer(params: dict[str, str]) -> httpx.Response | None:
        rows = [server.row(uuid) for uuid in [*FOREIGN, *server.uuids[:5]]]
        return json_answer(rows) if "q" in params else None

    server.list_answer = answer
    with caplog.at_level(logging.INFO, "prefect_geobox"):
        assert succeeded(await ended(client, server.uuids)) == 100
    assert any("ignores the filter" in record.getMessage() for record in caplog.records)
    assert len(server.lists) + len(server.singles) < 80


async def test_smaller_page_limit_is_followed(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """A server that gives fewer rows than asked for is asked for as many as it gives."""
    server = serve(200, seconds=0.8, until=lambda server: len(server.lists) > 8)
    server.list_answer = lambda params: json_answer(server.filtered(params)[:40])
    assert succeeded(await ended(client, server.uuids, interval=0.2)) == 200
    sizes = [params["q"].count("'") // 2 for params in server.lists]
    # Some are on their way while the first short answer comes.
    assert 1 <= sum(size > 40 for size in sizes) <= 4
    assert max(sizes[-3:]) <= 40
    assert len(server.singles) < 40


@pytest.mark.parametrize("limit", [10, 30])
async def test_pages_smaller_than_asked_for(
    client: AsyncGeoboxClient, serve: Callable[..., Server], limit: int
) -> None:
    """Pages are read on where the server cuts them to a size of its own."""
    server = serve(90, seconds=0.5)
    server.list_answer = lambda params: (
        reply(400)(None) if "q" in params else json_answer(server.filtered(params)[:limit])
    )
    assert succeeded(await ended(client, server.uuids)) == 90
    assert len(server.singles) < 100


async def test_order_that_is_ignored(
    client: AsyncGeoboxClient, serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """Where the list cannot be ordered, it is read by state, and all waits end all the same."""
    server = serve(60, until=lambda server: bool(server.asked("state", "PROGRESS")))

    def answer(params: dict[str, str]) -> httpx.Response | None:
        if "q" in params:
            return reply(400)(None)
        return json_answer(server.filtered({**params, "order_by": ""}))

    server.list_answer = answer
    with caplog.at_level(logging.INFO, "prefect_geobox"):
        assert succeeded(await ended(client, server.uuids)) == 60
    assert any("cannot be ordered" in record.getMessage() for record in caplog.records)
    assert server.asked("state", "PROGRESS")


async def test_useless_list_is_replaced_by_single_reads(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """Where no list is answered, each remote task is read by itself."""
    server = serve(30)
    server.list_answer = lambda _: reply(403, json={"detail": "no lists"})(None)
    assert succeeded(await ended(client, server.uuids)) == 30
    assert len(server.lists) == 1


@pytest.mark.parametrize(
    "body",
    [{"tasks": []}, [1, None, "x"], [{"uuid": 5}], [{"state": "SUCCESS"}], {"detail": "error"}, 7],
)
async def test_invalid_list_harms_no_wait(
    client: AsyncGeoboxClient, serve: Callable[..., Server], body: Any
) -> None:
    """After an invalid list the waits end as single reads say."""
    server = serve(12, seconds=0.2)
    server.list_answer = lambda _: json_answer(body)
    assert succeeded(await ended(client, server.uuids, outage=20)) == 12


async def test_missing_row_is_confirmed(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """A remote task that a list does not contain is read by itself."""
    server = serve(50)
    hidden, gone = server.uuids[3], server.uuids[7]
    server.gone.add(gone)

    def answer(params: dict[str, str]) -> httpx.Response:
        return json_answer([r for r in server.filtered(params) if r["uuid"] != hidden])

    server.list_answer = answer
    ends = await ended(client, server.uuids)
    assert succeeded(ends) == 49
    assert isinstance(ends[7], NotFoundError)
    assert hidden in server.singles
    assert gone in server.singles


async def test_row_without_its_result_is_read_by_itself(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """A list that leaves out the results does not hide the outputs."""
    server = serve(20)

    def answer(params: dict[str, str]) -> httpx.Response:
        rows = server.filtered(params)
        return json_answer([{k: v for k, v in row.items() if k != "result"} for row in rows])

    server.list_answer = answer
    ends = await ended(client, server.uuids)
    assert all("result" in end.data for end in ends)
    assert set(server.singles) >= set(server.uuids)


async def test_rows_that_contradict_each_other(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """Of two rows that disagree neither is believed."""
    server = serve(10, seconds=0.3)
    first = server.uuids[0]

    def answer(params: dict[str, str]) -> httpx.Response:
        failed = {**server.row(first), "state": "FAILURE"}
        return json_answer([*server.filtered(params), failed])

    server.list_answer = answer
    assert succeeded(await ended(client, server.uuids)) == 10


async def test_short_waits_are_not_starved(
    serve: Callable[..., Server], clock: LeapingClock
) -> None:
    """Among many waits at a low rate a short one is polled at least once in two rounds."""
    server = serve(
        40, seconds=FOREVER, until=lambda server: server.singles.count(server.uuids[-1]) >= 4
    )
    server.list_answer = lambda _: reply(403)(None)
    short = server.uuids[-1]
    server.seconds[short] = 0
    client = AsyncGeoboxClient(
        "http://geobox.test", apikey=secret(), requests_per_second=40, clock=clock
    )
    others = asyncio.gather(
        *(
            client.wait_for_task(uuid, progress_bar=False, on_cancel="leave")
            for uuid in server.uuids[:-1]
        )
    )
    await in_time(client.wait_for_task(short, interval=0.2, progress_bar=False))
    polls_of_short = [place for place, uuid in enumerate(server.singles) if uuid == short]
    assert len(polls_of_short) >= 4
    assert max(later - sooner for sooner, later in pairwise(polls_of_short)) <= 2 * 40
    others.cancel()
    with pytest.raises(asyncio.CancelledError):
        await others
    client.close()


def test_the_cap_is_never_passed() -> None:
    """In no second more requests are sent than the rate allows, and fewer after a 429."""
    limiter, now = RateLimiter(20), 100.0
    times: list[float] = []
    for _ in range(200):
        now = max(now, limiter.next_at(now))
        limiter.take(now)
        times.append(now)
    assert max(sum(0 <= other - start < 1 for other in times) for start in times) == 20
    limiter.slow_down(now, None)
    slow: list[float] = []
    for _ in range(20):
        now = max(now, limiter.next_at(now))
        limiter.take(now)
        slow.append(now)
    assert max(sum(0 <= other - start < 1 for other in slow) for start in slow) == 5
    assert limiter.next_at(now, is_urgent=True) <= limiter.next_at(now)


async def test_failures_are_kept_apart(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """Waits that share requests end each with the state of its own remote task."""
    server = serve(30)
    plain_row = server.row

    def row(uuid: str) -> dict[str, Any]:
        found = plain_row(uuid)
        if found["state"] == "SUCCESS" and UUID(uuid).int % 3 == 0:
            found |= {"state": "FAILURE", "result": {"detail": {"msg": uuid}}}
        return found

    server.row = row  # type: ignore[method-assign]
    for number, end in enumerate(await ended(client, server.uuids), start=1):
        if number % 3 == 0:
            assert isinstance(end, TaskFailedError)
            assert server.uuids[number - 1] in str(end)
        else:
            assert end.succeeded


async def test_ten_thousand_subscriptions_leave_nothing(
    client: AsyncGeoboxClient, serve: Callable[..., Server]
) -> None:
    """Waits that are cancelled at once leave neither entries nor objects behind."""
    server = serve(1, seconds=60)
    (uuid,) = server.uuids
    await client.get_task(uuid)

    async def cycle(times: int) -> list[Any]:
        from prefect_geobox.client.polling.policy import WaitPolicy

        poller = client.shared_session().poller
        kept = poller.subscribe(uuid, WaitPolicy(), began=0.0, on_end=lambda *_: None)
        gone = []
        for number in range(times):
            subscription = poller.subscribe(uuid, WaitPolicy(), began=0.0, on_end=lambda *_: None)
            if number % 1000 == 0:
                gone.append(weakref.finalize(subscription, lambda: None))
                await asyncio.sleep(0)
            poller.unsubscribe(subscription)
        assert poller.waits == 1
        assert len(poller._schedule._entries) < 200
        poller.unsubscribe(kept)
        assert poller.waits == 0
        assert poller._timer is None
        return gone

    gone = await io_thread().arun(cycle(10_000))
    await asyncio.sleep(0.05)
    gc.collect()
    assert not any(finalizer.alive for finalizer in gone)
