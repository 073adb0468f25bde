"""The state of a waiting run is read seldom while events would tell of its changes."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime, task
from prefect.client.orchestration import get_client
from prefect.events.clients import get_events_subscriber
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from prefect_geobox import TaskState, wait_for_task
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.ownership import event_subscription, run_events
from prefect_geobox.ownership.event_subscription import websocket_of
from tests.kit.events_gate import EventsGate
from tests.kit.until import FOREVER, HANGING, until

OPTIONS: dict[str, Any] = {"interval": 0.2, "max_interval": 0.2, "progress_bar": False}

DEFAULTS = {
    "read": run_events._READ_SECONDS,
    "listening": run_events._LISTENING_READ_SECONDS,
    "after": run_events._LISTEN_AFTER_SECONDS,
}


@pytest.fixture
def gate(prefect_server: None) -> Iterator[EventsGate]:
    """The way to the Prefect server that this process takes."""
    with (
        EventsGate(PREFECT_API_URL.value() or "") as proxy,
        temporary_settings({PREFECT_API_URL: proxy.url}),
    ):
        yield proxy
        proxy.is_refusing = proxy.is_mute = False
        # What Prefect still has to send takes this way, and its sender would try without an end.
        EventsWorker.drain_all(timeout=30)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listens at once, and reads no state meanwhile if no event says so."""
    for name, value in {
        "_READ_SECONDS": 0.3,
        "_LISTENING_READ_SECONDS": FOREVER,
        "_LISTEN_AFTER_SECONDS": 0.0,
        "_BACKOFF_SECONDS": 0.3,
        "_LONGEST_BACKOFF_SECONDS": 0.6,
    }.items():
        monkeypatch.setattr(run_events, name, value)
    monkeypatch.setattr(event_subscription, "_SETTLE_SECONDS", 0.3)


def is_listening() -> bool:
    """Whether all monitored runs rely on events now."""
    reads = [
        reads for listener in list(run_events._listeners.values()) for reads in listener._reads
    ]
    return bool(reads) and all(
        one._listener is not None
        and one._listener.covers(one.run_ids)
        and not one._listener._is_reopening
        and not one._needed
        and not one._is_urgent
        for one in reads
    )


class Waiting:
    """A flow run with a submitted wait, and what a test does meanwhile, in a thread.

    Args:
        credentials: For the emulator.
        emulator: Where its remote task runs.
    """

    def __init__(self, credentials: Any, emulator: Any) -> None:
        self.credentials = credentials
        self.emulator = emulator
        self.remote = emulator.add_task(name="long", seconds=HANGING)
        self.run_id: UUID | None = None
        self.failure: BaseException | None = None
        self._context = contextvars.copy_context()

    def polls(self) -> int:
        """How often the remote task was polled."""
        return len(self.emulator.requests)

    def cancel(self) -> None:
        """Cancels the flow run as the user interface does."""
        assert self.run_id is not None
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(self.run_id, Cancelling(), force=True)

    def end(self) -> None:
        """Ends the remote task, and with it the wait, without a change of the flow run."""
        with self.credentials.get_client() as client:
            client.abort_task(self.remote)

    def meanwhile(self, act: Callable[[], None]) -> None:
        """Runs the flow; `act` ends its wait."""

        def acting() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - raised in the test
                self.failure = error
                self.end()

        thread = threading.Thread(target=self._context.copy().run, args=(acting,))

        @flow
        def waiting() -> None:
            self.run_id = UUID(runtime.flow_run.id)
            future = wait_for_task.submit(self.credentials, self.remote, **OPTIONS)
            thread.start()
            future.result()

        with suppress(BaseException):
            waiting()
        thread.join()
        if self.failure is not None:
            raise self.failure

    @property
    def is_aborted(self) -> bool:
        """Whether the remote task was aborted."""
        with self.credentials.get_client() as client:
            return client.get_task(self.remote).state is TaskState.ABORTED


@pytest.fixture
def waiting(credentials: Any, geobox_emulator: Any, gate: EventsGate) -> Waiting:
    """A flow run with a submitted wait."""
    return Waiting(credentials, geobox_emulator)


def test_a_cancel_is_seen_by_its_event(waiting: Waiting, gate: EventsGate):
    """While the next read of the state is an hour away, an event of the cancel brings it about."""
    before = []

    def act() -> None:
        assert until(is_listening)
        before.append(gate.state_reads())
        waiting.cancel()

    waiting.meanwhile(act)
    assert waiting.is_aborted
    # One at the event, and one more as the event comes before the state is committed.
    assert gate.state_reads() - before[0] <= 3
    assert gate.opened_streams() == 1
    assert until(lambda: gate.streams == 0)
    assert not run_events._listeners


def test_no_state_is_read_while_events_would_tell_of_a_change(waiting: Waiting, gate: EventsGate):
    """However often a remote task is polled, the state of its run is not read meanwhile."""
    counted = []

    def act() -> None:
        assert until(is_listening)
        counted.append(gate.state_reads())
        polled = waiting.polls()
        assert until(lambda: waiting.polls() >= polled + 20)
        counted.append(gate.state_reads())
        waiting.end()

    waiting.meanwhile(act)
    assert counted[0] == counted[1]


def test_a_long_wait_costs_a_state_request_a_minute():
    """With events, the state is read once a minute, from a few seconds of waiting on."""
    assert (DEFAULTS["read"], DEFAULTS["listening"], DEFAULTS["after"]) == (2.0, 60.0, 10.0)


def test_without_events_the_cancel_is_read(waiting: Waiting, gate: EventsGate, caplog):
    """A server that refuses the stream of events is asked for the state; the log has one line."""
    gate.is_refusing = True
    run_events._reported.clear()

    def act() -> None:
        assert until(lambda: gate.opened_streams() >= 3)
        waiting.cancel()

    with caplog.at_level(logging.DEBUG, logger="prefect_geobox"):
        waiting.meanwhile(act)
    assert waiting.is_aborted
    lines = [r for r in caplog.records if r.name.endswith(("run_events", "event_subscription"))]
    expected = "No events of the Prefect server (HTTP 403); the states of flow runs are read every"
    assert [(r.levelno, r.getMessage()) for r in lines] == [(logging.DEBUG, f"{expected} 0.3 s.")]
    loud = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert not [r for r in loud if r.name.startswith(("websockets", "prefect.events"))]


def test_a_lost_connection_is_made_again(waiting: Waiting, gate: EventsGate):
    """Without its connection the state is read as before; the next connection ends that."""
    counted = []

    def act() -> None:
        assert until(is_listening)
        gate.is_refusing = True
        gate.close_streams()
        read = gate.state_reads()
        assert until(lambda: gate.state_reads() >= read + 5)
        gate.is_refusing = False
        assert until(is_listening)
        counted.append(gate.state_reads())
        polled = waiting.polls()
        assert until(lambda: waiting.polls() >= polled + 10)
        counted.append(gate.state_reads())
        waiting.cancel()

    waiting.meanwhile(act)
    assert counted[0] == counted[1]
    assert waiting.is_aborted


def test_a_cancel_without_its_connection_is_read(waiting: Waiting, gate: EventsGate):
    """A cancel while the connection is lost is seen by a read."""

    def act() -> None:
        assert until(is_listening)
        gate.is_refusing = True
        gate.close_streams()
        waiting.cancel()

    waiting.meanwhile(act)
    assert waiting.is_aborted


def test_a_closed_connection_costs_one_read(waiting: Waiting, gate: EventsGate):
    """A connection that is closed and made again at once costs one read, after which it counts."""
    counted = []

    def act() -> None:
        assert until(is_listening)
        counted.append(gate.state_reads())
        gate.close_streams()
        assert until(lambda: gate.opened_streams() == 2)
        assert until(is_listening)
        counted.append(gate.state_reads())
        waiting.cancel()

    waiting.meanwhile(act)
    assert counted[1] - counted[0] <= 2
    assert waiting.is_aborted


def test_a_silent_connection_is_given_up(
    waiting: Waiting, gate: EventsGate, monkeypatch: pytest.MonkeyPatch
):
    """A connection that passes nothing on, and does not end either, does not count for long."""
    monkeypatch.setattr(event_subscription, "_PING_SECONDS", 0.2)
    monkeypatch.setattr(event_subscription, "_PONG_SECONDS", 1.0)
    found = []

    def act() -> None:
        assert until(is_listening)
        (listener,) = run_events._listeners.values()
        found.append(listener._subscription)
        gate.is_mute = True
        waiting.cancel()

    waiting.meanwhile(act)
    assert waiting.is_aborted
    # The websocket library closes it too, but much later.
    assert (found[0].has_ended, found[0].was_closed) == (True, False)


def test_a_cancel_of_the_outermost_run_is_seen_in_its_subflows(
    credentials: Any, geobox_emulator: Any, gate: EventsGate
):
    """All runs of a process share one connection, which tells of their ancestor runs too."""
    outer, first, second = (Waiting(credentials, geobox_emulator) for _ in range(3))

    @flow
    def inner(which: int) -> None:
        wait_for_task.submit(credentials, (first, second)[which].remote, **OPTIONS).result()

    @task
    def subflow(which: int) -> None:
        inner(which)

    def act() -> None:
        assert until(
            lambda: sum(len(one._reads) for one in list(run_events._listeners.values())) == 3
        )
        assert until(is_listening)
        assert until(lambda: gate.streams == 1)
        outer.cancel()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(act,))

    @flow
    def whole() -> None:
        outer.run_id = UUID(runtime.flow_run.id)
        thread.start()
        futures = [wait_for_task.submit(credentials, outer.remote, **OPTIONS)]
        futures += [subflow.submit(which) for which in range(2)]
        for future in futures:
            future.wait()

    with suppress(BaseException):
        whole()
    thread.join()
    assert [one.is_aborted for one in (outer, first, second)] == [True] * 3
    # The runs of a subflow and its ancestors are read together.
    assert any(request == "POST /api/flow_runs/filter" for request in gate.requests)
    assert not run_events._listeners


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_no_listener(waiting: Waiting, gate: EventsGate):
    """A child of a fork listens to nothing, and its end leaves the connection of the parent."""
    codes = []

    def act() -> None:
        assert until(is_listening)
        child = os.fork()
        if child == 0:
            os._exit(len(run_events._listeners))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        waiting.cancel()

    waiting.meanwhile(act)
    assert codes == [0]
    assert waiting.is_aborted
    assert gate.opened_streams() == 1


@pytest.mark.parametrize("is_mute", [False, True])
def test_the_end_of_the_io_thread_closes_the_connection(
    gate: EventsGate, caplog: pytest.LogCaptureFixture, is_mute: bool
):
    """At the end of a process no connection is left, even if the server does not answer."""

    async def listen() -> run_events.StateReads:
        reads = run_events.StateReads()
        reads.begin()
        reads.succeed([uuid4()])
        return reads

    reads = io_thread().run(listen())
    assert until(lambda: reads._listener is not None and reads._listener.covers(reads.run_ids))
    assert gate.streams == 1
    gate.is_mute = is_mute
    # What happens at exit; it raises where the thread does not end in time.
    io_thread().stop()
    assert not run_events._listeners
    assert until(lambda: gate.streams == 0)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_the_websocket_of_a_subscriber_is_where_it_is_looked_for(prefect_server: None):
    """Prefect keeps the websocket of a connected subscriber in the attribute that is read."""

    async def look() -> bool:
        async with get_events_subscriber() as subscriber:
            websocket = websocket_of(subscriber)
            assert websocket is not None, "a connection that dies silently is noticed late"
            await (await websocket.ping())
            return websocket.transport is not None

    assert io_thread().run(look())


def test_no_credential_for_prefect_is_logged(
    waiting: Waiting, gate: EventsGate, caplog: pytest.LogCaptureFixture
):
    """At the level of DEBUG, too, no line about the connection has the password that it sends."""
    secret = "admin:swordfish"

    def act() -> None:
        assert until(is_listening)
        waiting.end()

    with (
        temporary_settings({PREFECT_API_AUTH_STRING: secret}),
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, logger="websockets.client"),
        caplog.at_level(logging.DEBUG, logger="prefect.events.clients"),
    ):
        waiting._context = contextvars.copy_context()
        waiting.meanwhile(act)
    ours = [r.getMessage() for r in caplog.records if r.threadName == "geobox-io"]
    assert ours
    assert not [line for line in ours if "swordfish" in line or secret in line]


def test_an_address_with_a_password_is_not_listened_on(
    credentials: Any, geobox_emulator: Any, gate: EventsGate
):
    """Prefect would log the address of the connection, so that the state is read instead."""
    address = gate.url.replace("://", "://admin:swordfish@")
    with temporary_settings({PREFECT_API_URL: address}):
        waiting = Waiting(credentials, geobox_emulator)

        def act() -> None:
            assert until(lambda: gate.state_reads() >= 5)
            waiting.cancel()

        waiting.meanwhile(act)
    assert waiting.is_aborted
    assert gate.opened_streams() == 0
