"""Keys, tokens and passwords show up nowhere: not in logs, errors, reprs or tracebacks."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from prefect_geobox.client import AsyncGeoboxClient, ConfigurationError, GeoboxClient, RetryPolicy
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import TASK, secret, task
from tests.kit.raw_server import raw_server, reset
from tests.kit.until import HANGING
from tests.kit.wire import Wire, reply

TOKEN = "tok-Hd83kPlainlyHidden.bought.with.a.password"
LOGGERS = ("httpx", "httpcore", "tenacity", "asyncio", "prefect_geobox", "geobox")
CREDENTIALS = ["apikey", "access_token", "password"]
FAILURES: list[Any] = [
    reply(401, json={"detail": "no"}),
    reply(403, json={"detail": "no"}),
    reply(404, text="<html>"),
    reply(500),
    reply(302, headers={"Location": "https://elsewhere.test/"}),
    reply(text="no json"),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("illegal"),
]


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that anybody logs, at the lowest level."""
    with caplog.at_level(logging.NOTSET):
        levels = {name: logging.getLogger(name).level for name in LOGGERS}
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.DEBUG)
        yield caplog
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def credential(kind: str) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a client, and the secrets that must not be seen."""
    hidden = secret(kind)
    if kind == "password":
        return {"username": "ann", "password": hidden}, [hidden, TOKEN]
    return {kind: hidden}, [hidden]


def records_of(logs: pytest.LogCaptureFixture) -> str:
    """All that was logged, with everything that hangs on it."""
    return "\n".join(
        f"{entry.getMessage()} {entry.args!r} {vars(entry)!r}" for entry in logs.records
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it was raised from or after."""
    seen: set[int] = set()
    left = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            left += [found.__cause__, found.__context__]


def own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame of the package on: the caller knows its own secrets."""
    while trace is not None and "/prefect_geobox/" not in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


async def failure_of(client: Any, verb: str, *arguments: Any) -> BaseException:
    """The error that a verb raises."""
    try:
        await Caller(client)(verb, *arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must hide the secret
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("client_kind", [GeoboxClient, AsyncGeoboxClient])
@pytest.mark.parametrize("failure", FAILURES)
async def test_failures_hide_the_credential(
    make: Callable[..., Any],
    wire: Wire,
    logs: pytest.LogCaptureFixture,
    kind: str,
    client_kind: type,
    failure: Any,
) -> None:
    """Neither logs nor errors nor what errors were raised from hold the credential."""
    options, hidden = credential(kind)
    wire.on("POST", "auth/token/", {"access_token": TOKEN})
    wire.on("GET", f"tasks/{TASK}/", failure)
    wire.lists()
    wire.on("POST", "x/", failure)
    client = make(client_kind, retry=RetryPolicy(attempts=2), **options)
    errors = [
        await failure_of(client, "get_task", TASK),
        await failure_of(client, "wait_for_task", TASK),
        await failure_of(client, "start_task", "POST", "x/"),
    ]
    shown = [records_of(logs), repr(client), repr(client.settings), str(client.settings)]
    for error in errors:
        for found in chain(error):
            shown += [str(found), repr(found), repr(vars(found)), repr(found.args)]
            # What a traceback says of each, without the source of all frames in between.
            shown += traceback.format_exception_only(found)
        shown.append(pickle.dumps(error).decode("latin-1"))
    sent = [
        f"{seen.url}{seen.headers.multi_items()!r}{parse_qsl(seen.content)}" for seen in wire.seen
    ]
    for text in hidden:
        assert any(text in request for request in sent)
        for place in shown:
            assert text not in place


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("failure", [FAILURES[0], FAILURES[3], FAILURES[5], FAILURES[6]])
async def test_tracebacks_with_locals_hide_the_credential(
    make: Callable[..., Any], wire: Wire, kind: str, failure: Any
) -> None:
    """Error trackers that record local variables find no credential in the package's frames."""
    options, hidden = credential(kind)
    wire.on("POST", "auth/token/", {"access_token": TOKEN})
    wire.on("GET", f"tasks/{TASK}/", failure)
    error = await failure_of(make(retry=RetryPolicy(attempts=1), **options), "get_task", TASK)
    assert leaks(error, hidden) == []


@pytest.mark.parametrize("failure", [FAILURES[0], FAILURES[3], FAILURES[5], FAILURES[6]])
async def test_tracebacks_of_a_failed_login_hide_the_password(
    make: Callable[..., Any], wire: Wire, failure: Any
) -> None:
    """The frames of a failed login hold no local variable with the password in it."""
    options, hidden = credential("password")
    wire.on("POST", "auth/token/", failure)
    error = await failure_of(make(**options), "get_task", TASK)
    assert leaks(error, hidden) == []


def leaks(error: BaseException, hidden: list[str]) -> list[str]:
    """Functions of which a local variable shows a secret, anywhere in the chain of an error."""
    found = []
    for link in chain(error):
        trace = own_frames(link.__traceback__)
        if trace is None:
            continue
        summary = traceback.TracebackException(type(link), link, trace, capture_locals=True)
        found += [
            f"{frame.name}: {name}"
            for frame in summary.stack
            for name, value in (frame.locals or {}).items()
            if any(text in value for text in hidden)
        ]
    return found


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_good_requests_log_no_credential(
    geobox_emulator: GeoboxEmulator, logs: pytest.LogCaptureFixture, kind: str, tmp_path: Any
) -> None:
    """On a real connection, with asyncio's debug mode, good requests log no credential."""
    options: dict[str, Any] = {"apikey": geobox_emulator.apikey}
    if kind != "apikey":
        options = {"username": geobox_emulator.username, "password": geobox_emulator.password}
    if kind == "access_token":
        async with httpx.AsyncClient(timeout=HANGING) as http:
            login = await http.post(f"{geobox_emulator.url}/v1/auth/token/", data=options)
        options = {"access_token": login.json()["access_token"]}
        logs.clear()
    path = tmp_path / "towns.csv"
    path.write_text("x,y\n1,2\n")
    asyncio.get_running_loop().set_debug(True)
    async with AsyncGeoboxClient(geobox_emulator.url, **options) as client:
        await client.upload_file(path)
        await client.wait_for_task(geobox_emulator.add_task(), interval=0.01)
        await client.list_tasks()
    text = records_of(logs)
    assert "HTTP Request: GET" in text
    for hidden in (geobox_emulator.apikey, geobox_emulator.password, *options.values()):
        assert hidden == geobox_emulator.username or hidden not in text


async def test_broken_connection_hides_the_key(
    clock: FakeClock, logs: pytest.LogCaptureFixture
) -> None:
    """A real connection that breaks leaves no key in logs or errors."""
    key = secret("key")
    with raw_server(reset) as url:
        client = AsyncGeoboxClient(url, apikey=key, retry=RetryPolicy(attempts=2), clock=clock)
        error = await failure_of(client, "get_task", TASK)
        client.close()
    for found in chain(error):
        assert key not in f"{found!s}{found!r}{vars(found)!r}"
    assert key not in records_of(logs)


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_credential_that_the_server_repeats_is_taken_out(
    make: Callable[..., Any], wire: Wire, kind: str
) -> None:
    """A server that echoes the credential, in an error or in a result, does not make it known."""
    options, hidden = credential(kind)
    echo = " ".join(hidden)
    wire.on("POST", "auth/token/", {"access_token": TOKEN})
    wire.on("GET", f"tasks/{TASK}/", task(name=echo, result={"detail": echo}))
    wire.lists()
    wire.on("POST", "x/", reply(422, json={"detail": f"bad request by {echo}"}))
    client = make(**options)
    seen = await client.get_task(TASK)
    error = await failure_of(client, "start_task", "POST", "x/")
    for text in hidden:
        assert text not in f"{seen!r}{seen.model_dump_json()}{error}"
    assert "***" in str(error)


async def test_redirect_gets_no_credential(make: Callable[..., Any], wire: Wire) -> None:
    """A redirect that repeats the key in its target does not make it known."""
    options, (key,) = credential("apikey")
    wire.on("GET", "tasks/", reply(307, headers={"Location": f"https://e.test/?apikey={key}"}))
    error = await failure_of(make(**options), "list_tasks")
    assert key not in f"{error!s}{error!r}"
    assert len(wire.seen) == 1


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_settings_hide_the_credential(make: Callable[..., Any], kind: str) -> None:
    """The reprs of clients, settings and credentials hold no secret."""
    options, (hidden, *_) = credential(kind)
    for client in (make(**options), make(GeoboxClient, **options)):
        for shown in (client, client.settings, client.settings.credential):
            assert hidden not in f"{shown!r} {shown!s}"
        assert hidden not in client.settings.credential.principal


def test_refused_settings_hide_the_credential() -> None:
    """Settings that are refused for another field's sake do not show the credential."""
    hidden = secret("key")
    with pytest.raises(ConfigurationError) as caught:
        GeoboxClient("no-scheme.test", apikey=hidden)
    assert hidden not in f"{caught.value!s}{caught.value!r}"
