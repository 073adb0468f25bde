"""Each fault as a plain HTTP client sees it, and the plans that give faults out."""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import re
import socket
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator, RecordedRequest, faults
from prefect_geobox.emulator.faults import (
    Fault,
    Plan,
    always,
    body,
    changed,
    close,
    delay,
    drip,
    either,
    first,
    half_body,
    hang,
    json_body,
    kinds as fault_kinds,
    on,
    plans,
    progress,
    repeated,
    reset,
    result,
    sequence,
    share,
    state,
    status,
    without,
)
from tests.kit.plain_api import http_client
from tests.kit.sample_data import ROOT
from tests.kit.until import HANGING, until

DOCS = ROOT / "docs" / "emulator.md"


@pytest.fixture
def geobox() -> Iterator[GeoboxEmulator]:
    """A running emulator of its own."""
    with GeoboxEmulator(seconds=0) as emulator:
        yield emulator


@pytest.fixture
def http(geobox: GeoboxEmulator) -> Iterator[httpx.Client]:
    """A client with the emulator's key."""
    with http_client(geobox.url, params={"apikey": geobox.apikey}) as client:
        yield client


def asking(geobox: GeoboxEmulator) -> socket.socket:
    """A socket over which a request for the tasks has been sent."""
    url = urlsplit(geobox.url)
    connection = socket.create_connection((url.hostname, url.port), timeout=HANGING)
    line = f"GET /v1/tasks/?apikey={geobox.apikey} HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.sendall(line.encode())
    return connection


def raw(
    geobox: GeoboxEmulator, *, first: float = HANGING, then: float = HANGING
) -> tuple[bytes, type[Exception] | None]:
    """What comes over a socket in answer to a request for the tasks, and how it ends.

    Args:
        geobox: Whom to ask.
        first: Seconds to wait for the first byte.
        then: Seconds to wait for more.
    """
    received = b""
    with asking(geobox) as connection:
        while True:
            connection.settimeout(then if received else first)
            try:
                part = connection.recv(65536)
            except OSError as error:
                return received, type(error)
            if not part:
                return received, None
            received += part


def asked(
    method: str = "GET", path: str = "/v1/tasks/", plan: Any = None, times: int = 1
) -> list[str | None]:
    """The names of the faults that a plan gives to some requests."""
    request = RecordedRequest(method, path, [], None, None, 0.0)
    return [fault and fault.name for fault in (plan(request) for _ in range(times))]


def test_reset_before_an_answer_is_a_tcp_reset(geobox: GeoboxEmulator) -> None:
    """A reset comes before any byte of an answer."""
    geobox.faults = always(reset())
    assert raw(geobox) == (b"", ConnectionResetError)
    assert [request.status for request in geobox.requests] == [None]


def test_reset_in_the_body_comes_after_half_of_it(geobox: GeoboxEmulator) -> None:
    """A reset in the body lets the head and half of the body pass."""
    geobox.add_task()
    geobox.faults = always(reset(in_body=True))
    received, end = raw(geobox)
    head, _, part = received.partition(b"\r\n\r\n")
    assert end is ConnectionResetError
    promised = int(re.search(rb"content-length: (\d+)", head)[1])
    assert len(part) == promised // 2


def test_close_gives_no_answer(geobox: GeoboxEmulator) -> None:
    """A closed connection ends in order, without a byte."""
    geobox.faults = always(close())
    assert raw(geobox) == (b"", None)


def test_half_body_promises_more_than_it_sends(geobox: GeoboxEmulator) -> None:
    """Half a body ends in order, though its length was promised."""
    geobox.add_task()
    geobox.faults = always(half_body())
    received, end = raw(geobox)
    head, _, part = received.partition(b"\r\n\r\n")
    assert end is None
    assert len(part) == int(re.search(rb"content-length: (\d+)", head)[1]) // 2


def test_hang_sends_nothing(geobox: GeoboxEmulator) -> None:
    """A server that hangs keeps the connection and sends nothing."""
    geobox.faults = always(hang())
    assert raw(geobox, first=0.2) == (b"", TimeoutError)


def test_hang_in_the_body_stops_half_way(geobox: GeoboxEmulator) -> None:
    """A server that hangs in the body has sent half of it."""
    geobox.add_task()
    geobox.faults = always(hang(in_body=True))
    received, end = raw(geobox, then=0.2)
    assert end is TimeoutError
    assert received.startswith(b"HTTP/1.1 200")


def test_drip_sends_the_real_answer(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A drip ends in the real answer."""
    geobox.faults = always(drip(0.01))
    assert http.get("tasks/", params={"return_count": "true", "limit": "1"}).status_code == 200
    assert http.get("nowhere/").status_code == 404


def test_delay_is_late_and_right(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A delayed answer is the real one."""
    geobox.faults = always(delay(0.1))
    assert http.get("tasks/").json() == []
    assert geobox.faults.given.total() == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
def test_status_as_json_and_as_html(geobox: GeoboxEmulator, http: httpx.Client, code: int) -> None:
    """A status comes as JSON with a reason, or as a page."""
    geobox.faults = sequence(status(code, detail="busy"), status(code, html=True))
    answer = http.get("tasks/")
    assert (answer.status_code, answer.json()) == (code, {"detail": "busy"})
    page = http.get("tasks/")
    assert (page.status_code, page.headers["content-type"]) == (code, "text/html")
    assert page.text.startswith("<!doctype html>")


@pytest.mark.parametrize("value", [0, 7, -1, 10**9, 0.5, "soon", ""])
def test_retry_after_says_what_it_is_told(
    geobox: GeoboxEmulator, http: httpx.Client, value: Any
) -> None:
    """Retry-After may be any number or text."""
    geobox.faults = always(status(503, retry_after=value))
    assert http.get("tasks/").headers["retry-after"] == str(value)


@pytest.mark.parametrize("seconds", [90, -90])
def test_retry_after_as_a_date_counts_from_the_answer(
    geobox: GeoboxEmulator, http: httpx.Client, seconds: int
) -> None:
    """A duration becomes a date so far from the moment of the answer."""
    geobox.faults = always(status(429, retry_after=timedelta(seconds=seconds)))
    headers = http.get("tasks/").headers
    until = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    assert abs(until.total_seconds() - seconds) <= 2


def test_any_body(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A 200 may carry HTML, nothing, broken JSON, or JSON of another shape."""
    geobox.faults = sequence(
        body("<html>"), body(b""), body('{"a', content_type="application/json"), json_body([None])
    )
    answers = [http.get("tasks/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.text for answer in answers] == ["<html>", "", '{"a', "[null]"]
    assert answers[2].headers["content-type"] == "application/json"


def test_changes_of_a_task(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """State, result and progress can be changed; the rest of the real answer stays."""
    uuid = geobox.add_task(name="real", seconds=60)
    geobox.faults = sequence(
        state("A NEW ONE"), result([1]), progress(150, 100), changed(lambda task: task["name"])
    )
    assert http.get(f"tasks/{uuid}/").json()["state"] == "A NEW ONE"
    task = http.get(f"tasks/{uuid}/").json()
    assert (task["result"], task["name"], task["state"]) == ([1], "real", "PENDING")
    assert http.get(f"tasks/{uuid}/status/").json() == {"current": 150, "total": 100}
    assert http.get(f"tasks/{uuid}/").json() == "real"


def test_changes_of_a_list(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A list can name items twice or lack one."""
    one, other = geobox.add_task(), geobox.add_task()
    geobox.faults = sequence(repeated(), without(one))
    uuids = [[task["uuid"] for task in http.get("tasks/").json()] for _ in range(2)]
    assert uuids == [[other, one] * 2, [other]]


def test_a_change_leaves_errors_and_other_shapes_alone(
    geobox: GeoboxEmulator, http: httpx.Client
) -> None:
    """An answer that is not a 200, or of another shape, is left as it is."""
    geobox.faults = sequence(state("X"), state("X"), repeated())
    assert http.get("tasks/nobody/").status_code == 404
    assert http.get("tasks/").json() == []
    assert http.get("tasks/", params={"return_count": "true"}).json() == 0


@pytest.mark.parametrize("fault", [status(502), close(), reset(), hang(), body("<html>")])
def test_instead_and_after(geobox: GeoboxEmulator, http: httpx.Client, fault: Fault) -> None:
    """A fault stands in place of a request, or loses the answer to one that was carried out."""
    uuid = geobox.add_task(seconds=60)

    def ask() -> str:
        # Of a request that hangs nothing comes back, so that its client goes before it is read.
        with contextlib.suppress(httpx.TransportError):
            http.post(f"tasks/{uuid}/abort/", timeout=0.2 if "hang" in fault.name else HANGING)
        assert until(lambda: geobox.requests and geobox.requests[-1].method == "POST")
        return http.get(f"tasks/{uuid}/").json()["state"]

    geobox.faults = on(sequence(fault, fault.after()), method="POST")
    assert ask() == "PENDING"
    assert ask() == "ABORTED"
    assert geobox.faults.given == {fault.name: 1, f"{fault.name} after": 1}


def test_a_fault_is_for_one_request_and_the_connection_goes_on(
    geobox: GeoboxEmulator, http: httpx.Client
) -> None:
    """After a status or a changed answer the same connection serves the next request."""
    geobox.faults = first(2, status(503))
    assert [http.get("tasks/").status_code for _ in range(3)] == [503, 503, 200]
    geobox.faults = None
    assert http.get("tasks/").status_code == 200
    assert [request.status for request in geobox.requests] == [503, 503, 200, 200]


def test_outage_refuses_and_ends(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """In an outage connections are refused; after it all is as before, even after an error."""
    uuid, url = geobox.add_task(), geobox.url

    def fail() -> None:
        with geobox.outage():
            http.get("tasks/")

    with pytest.raises(httpx.ConnectError):
        fail()
    assert geobox.url == url
    assert http.get(f"tasks/{uuid}/").json()["uuid"] == uuid


def test_key_is_withdrawn_and_issued_again(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A withdrawn key opens nothing until it is issued again; a token goes on."""
    login = {"username": geobox.username, "password": geobox.password}
    token = http.post("auth/token/", data=login).json()["access_token"]
    geobox.withdraw_apikey()
    assert http.get("tasks/").status_code == 401
    bearer = {"Authorization": f"Bearer {token}"}
    assert http.get("tasks/", headers=bearer).status_code == 200
    geobox.reissue_apikey()
    assert http.get("tasks/").status_code == 200


@pytest.mark.parametrize("fault", [hang(), hang(in_body=True), drip(60), delay(60)])
def test_stop_ends_what_hangs(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    """Stopping ends all connections quietly, and leaves neither thread nor socket."""
    threads = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with GeoboxEmulator(seconds=0) as geobox, ThreadPoolExecutor() as pool:
            geobox.faults = always(fault)
            clients = [pool.submit(raw, geobox) for _ in range(5)]
            assert until(lambda: geobox.most_in_flight == 5)
            geobox.stop()
            for client in clients:
                _, end = client.result(timeout=2 * HANGING)
                assert end is not TimeoutError
    assert threading.active_count() == threads
    assert caplog.records == []
    assert len(geobox.requests) == 5


def test_a_client_that_gives_up_ends_its_hang(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A request that hangs is over once its client has gone."""
    geobox.faults = on(hang(), path="tasks")
    with asking(geobox):
        assert until(lambda: geobox.most_in_flight == 1)
    # A request counts if it takes its time.
    geobox.faults = always(delay(0.1))

    def is_alone() -> bool:
        geobox.clear_requests()
        http.get("tasks/")
        return geobox.most_in_flight == 1

    assert until(is_alone)


async def test_most_in_flight(geobox: GeoboxEmulator) -> None:
    """The most requests at once are counted, until the count is cleared."""
    geobox.faults = always(delay(0.1))
    async with httpx.AsyncClient(params={"apikey": geobox.apikey}, timeout=HANGING) as http:
        await asyncio.gather(*(http.get(f"{geobox.url}/v1/tasks/") for _ in range(6)))
    assert geobox.most_in_flight == 6
    geobox.clear_requests()
    assert geobox.most_in_flight == 0


def test_plans_choose_by_method_and_path() -> None:
    """`on` asks its plan only about the requests that it is for."""
    plan = on(first(1, reset()), method="post", path="tasks/*/abort")
    assert asked("GET", "/v1/tasks/x/abort/", plan) == [None]
    assert asked("POST", "/v1/tasks/x/", plan) == [None]
    assert asked("POST", "/v1/tasks/", plan) == [None]
    assert asked("POST", "/v1/tasks/x/abort/", plan, times=2) == ["reset", None]
    every = on(reset(), path="/tasks/")
    assert asked("GET", "/v1/tasks", every) == ["reset"]
    assert asked("GET", "/v1/tasks/x/", every) == [None]


def test_plans_in_turn_and_either() -> None:
    """A sequence goes through faults, plans and gaps; `either` takes the first that has one."""
    plan = sequence(reset(), None, always(close()))
    assert asked(plan=plan, times=4) == ["reset", None, "close", None]
    both = either(first(1, reset()), None, first(2, close()))
    assert asked(plan=both, times=4) == ["reset", "close", "close", None]
    assert both.given == {"reset": 1, "close": 2}


def test_share_is_reproducible_and_near_its_share() -> None:
    """The same seed gives the same faults; another one does not."""
    choices = [reset(), close(), hang()]
    runs = [asked(plan=share(0.3, choices, seed=seed), times=1000) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {None, "reset", "close", "hang"}
    assert 250 < 1000 - runs[0].count(None) < 350
    for wrong in ((1.5, choices), (-0.1, choices), (0.3, [])):
        with pytest.raises(ValueError, match="share needs"):
            share(*wrong, seed=1)


def test_plans_are_safe_in_threads() -> None:
    """A plan that several servers share gives out no fault too many."""
    plan = first(500, reset())
    with ThreadPoolExecutor(8) as pool:
        given = [name for names in pool.map(lambda _: asked(plan=plan, times=200), range(8))
                 for name in names]  # fmt: skip
    assert given.count("reset") == plan.given.total() == 500


def test_a_function_is_a_plan_and_other_things_are_not(
    geobox: GeoboxEmulator, http: httpx.Client
) -> None:
    """Any function of a request will do; a bare fault is refused at once."""
    geobox.faults = lambda request: status(418) if ("limit", "7") in request.query else None
    assert http.get("tasks/", params={"limit": 7}).status_code == 418
    assert http.get("tasks/").status_code == 200
    with pytest.raises(TypeError, match="always"):
        geobox.faults = reset()
    plan = Plan(geobox.faults)
    geobox.faults = plan
    http.get("tasks/", params={"limit": 7})
    assert plan.given == {"status 418": 1}


@pytest.mark.parametrize("module", [faults, fault_kinds, plans])
def test_examples_of_the_docstrings(module: Any) -> None:
    """The examples run and show what comes out."""
    attempted, failed = 0, 0
    for found in doctest.DocTestFinder().find(module, extraglobs=vars(faults)):
        done = doctest.DocTestRunner(verbose=False).run(found)
        attempted, failed = attempted + done.attempted, failed + done.failed
    assert attempted
    assert not failed


def test_example_of_the_documentation() -> None:
    """The example of a fault plan runs."""
    (example,) = re.findall(r"```py\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "docs/emulator.md", "exec"), {})


def test_the_documentation_names_every_fault_and_plan() -> None:
    """The tables of faults and plans are complete."""
    text = DOCS.read_text(encoding="utf-8")
    for name in set(faults.__all__) - {"Fault", "Plan"}:
        assert f"`{name}(" in text, name
