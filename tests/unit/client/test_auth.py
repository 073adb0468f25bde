"""Credentials on the wire, and the login that a password buys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    AsyncGeoboxClient,
    AuthenticationError,
    GeoboxClient,
    GeoboxError,
    InvalidResponseError,
)
from prefect_geobox.client.http.auth import Authenticator, PreencodedUrl
from prefect_geobox.client.http.encoding import encoded_query
from prefect_geobox.client.http.settings import Credential
from tests.kit.clients import Caller
from tests.kit.payloads import OTHER, TASK, secret, task
from tests.kit.wire import Wire, form, query, reply

LOGIN = "POST auth/token/"
READ = f"GET tasks/{TASK}/"
Make = Callable[..., Any]


async def test_token_goes_into_the_header(make: Make, wire: Wire) -> None:
    """A token travels as a Bearer header and nowhere else."""
    token = secret("token")
    wire.on("GET", f"tasks/{TASK}/", task())
    await make(access_token=token).get_task(TASK)
    (request,) = wire.seen
    assert request.headers["authorization"] == f"Bearer {token}"
    assert query(request) == []


async def test_key_goes_into_the_query(make: Make, wire: Wire) -> None:
    """A key travels in the query, beside what else is there, and nowhere else."""
    key = secret("key") + "&x=/+%"
    wire.on("GET", "tasks/", [])
    await make(apikey=key).list_tasks(search="a&b")
    (request,) = wire.seen
    assert "authorization" not in request.headers
    assert [value for name, value in query(request) if name == "apikey"] == [key]
    assert ("search", "a&b") in query(request)


def test_no_text_of_a_signed_request_has_the_key() -> None:
    """A signed request has its key in what is sent, and in no text that may be logged."""
    key = secret("key")
    credential = Credential("apikey", "apikey", key)
    plain = httpx.Request("GET", "https://geobox.test/v1/tasks/", params={"q": "a 'b' & c"})
    signed = Authenticator(credential, lambda: None).sign(plain)  # type: ignore[arg-type]
    assert signed.url.raw_path == plain.url.raw_path + f"&apikey={key}".encode()
    assert key not in f"{signed.url} {signed.url!r} {signed!r} {signed.url.query!r}"
    assert plain.url.raw_path == b"/v1/tasks/?q=a+%27b%27+%26+c"


@pytest.mark.parametrize(
    "params", [{}, {"q": "uuid IN ('a','b')"}, {"a": "", "b": "ü & 100 %", "c": "x+y/z?#=~-_.%27"}]
)
@pytest.mark.parametrize("base", ["https://geobox.test/v1/tasks/", "http://geobox.test:8/a?z=c+d"])
def test_a_sent_url_says_what_one_of_httpx_would(base: str, params: dict[str, str]) -> None:
    """A query that is written once is the same, on the wire and in texts, as if httpx wrote it."""
    sent = PreencodedUrl(httpx.URL(base), encoded_query(list(params.items())))
    whole = httpx.URL(base).copy_merge_params(params) if params else httpx.URL(base)
    assert (str(sent), sent.raw_path, sent.query) == (str(whole), whole.raw_path, whole.query)
    assert list(sent.params.multi_items()) == list(whole.params.multi_items())
    assert sent == str(whole)


async def test_key_goes_along_with_every_method(make: Make, wire: Wire) -> None:
    """POSTs with and without a body carry the key like reads do."""
    key = secret("key")
    wire.lists()
    wire.on("POST", "x/", {"task_id": TASK})
    wire.on("POST", f"tasks/{TASK}/abort/", reply(204))
    wire.on("GET", f"tasks/{TASK}/", task("ABORTED"))
    client = make(apikey=key)
    await client.start_task("POST", "x/", form={"a": 1})
    await client.abort_task(TASK)
    assert len(wire.work) == 4
    for request in wire.seen:
        assert ("apikey", key) in query(request)
        assert key.encode() not in request.content


async def test_precedence_on_the_wire(make: Make, wire: Wire) -> None:
    """Of token, key and password only the first is sent, without a login."""
    wire.on("GET", f"tasks/{TASK}/", task())
    others = {"apikey": "k", "username": "u", "password": "p"}
    await make(access_token=secret("token"), **others).get_task(TASK)
    assert wire.lines == [READ]
    assert wire.seen[0].headers["authorization"].startswith("Bearer token-")
    assert query(wire.seen[0]) == []


async def test_password_buys_a_token_once(call: Caller, make: Make, wire: Wire) -> None:
    """A password is exchanged by one form POST; the token that it buys is used from then on."""
    password = secret("pässword &=")
    wire.on("POST", "auth/token/", {"access_token": "tok-1", "token_type": "bearer"})
    wire.on("GET", f"tasks/{TASK}/", task())
    client = Caller(make(type(call.client), username="ann", password=password))
    assert wire.lines == []
    for _ in range(3):
        await client("get_task", TASK)
    assert wire.lines == [LOGIN, READ, READ, READ]
    login, *reads = wire.seen
    assert form(login) == [("username", "ann"), ("password", password)]
    assert "authorization" not in login.headers
    assert (query(login), login.headers["accept"]) == ([], "*/*")
    assert {read.headers["authorization"] for read in reads} == {"Bearer tok-1"}


async def test_clients_with_the_same_password_share_a_login(make: Make, wire: Wire) -> None:
    """Two clients of the same account, one blocking and one not, log in once between them."""
    account = {"username": "ann", "password": secret("password")}
    wire.on("POST", "auth/token/", {"access_token": "tok-1"})
    wire.on("GET", f"tasks/{TASK}/", task())
    await make(**account).get_task(TASK)
    make(GeoboxClient, **account).get_task(TASK)
    assert wire.count(LOGIN) == 1


def tokens(wire: Wire, lives: dict[str, bool]) -> None:
    """Serves logins that give out tok-1, tok-2 …; `lives` says which are accepted."""

    def log_in(_: httpx.Request) -> httpx.Response:
        token = f"tok-{wire.count(LOGIN)}"
        lives.setdefault(token, True)
        return httpx.Response(200, json={"access_token": token})

    wire.on("POST", "auth/token/", log_in)


def guarded(lives: dict[str, bool], *answers: Any) -> Callable[[httpx.Request], httpx.Response]:
    """Answers those whose token is accepted, and refuses the others."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if not lives[token]:
            return httpx.Response(401, json={"detail": "token has expired"})
        return httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0])

    return answer


async def test_refused_token_is_renewed_once(call: Caller, make: Make, wire: Wire) -> None:
    """A token that is refused in the middle of a wait is renewed once, and the wait goes on."""
    lives: dict[str, bool] = {}
    tokens(wire, lives)
    read = guarded(lives, task("PENDING"), task("PROGRESS"), task("PROGRESS"), task())

    def expiring(request: httpx.Request) -> httpx.Response:
        if wire.count(READ) == 3:
            lives["tok-1"] = False
        return read(request)

    wire.on("GET", f"tasks/{TASK}/", expiring)
    client = Caller(make(type(call.client), username="ann", password=secret("password")))
    assert (await client("wait_for_task", TASK, progress_bar=False)).succeeded
    assert wire.lines == [LOGIN, READ, READ, READ, LOGIN, READ, READ]


async def test_two_waits_share_one_renewal(make: Make, wire: Wire) -> None:
    """Two waits that are refused at the same moment lead to one login."""
    lives: dict[str, bool] = {}
    tokens(wire, lives)
    both_here = asyncio.Event()
    arrived = 0

    async def refuse_together(_: httpx.Request) -> httpx.Response:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            lives["tok-1"] = False
            both_here.set()
        await both_here.wait()
        return httpx.Response(401, json={"detail": "expired"})

    for uuid in (TASK, OTHER):
        wire.on("GET", f"tasks/{uuid}/", refuse_together, guarded(lives, task("SUCCESS", uuid)))
    client = make(username="ann", password=secret("password"))
    ended = await asyncio.gather(client.wait_for_task(TASK), client.wait_for_task(OTHER))
    assert [seen.uuid for seen in ended] == [TASK, OTHER]
    assert wire.count(LOGIN) == 2
    assert len(wire.seen) == 6


async def test_token_that_is_refused_right_after_a_login(make: Make, wire: Wire) -> None:
    """A request that is refused with a fresh token too raises after that one renewal."""
    tokens(wire, {})
    wire.on("GET", f"tasks/{TASK}/", reply(401, json={"detail": "no"}))
    with pytest.raises(AuthenticationError, match="no"):
        await make(username="ann", password=secret("password")).get_task(TASK)
    assert wire.lines == [LOGIN, READ, LOGIN, READ]


@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_wrong_password_is_tried_once(
    call: Caller, make: Make, wire: Wire, status: int
) -> None:
    """A refused password is sent once, whatever is called on that client afterwards."""
    wire.on("POST", "auth/token/", reply(status, json={"detail": "Incorrect password"}))
    client = Caller(make(type(call.client), username="ann", password=secret("password")))
    for verb, arguments in (
        ("get_task", (TASK,)),
        ("list_tasks", ()),
        ("wait_for_task", (TASK,)),
        ("wait_for_tasks", ([TASK, OTHER],)),
        ("abort_task", (TASK,)),
        ("start_task", ("POST", "x/")),
    ):
        with pytest.raises(AuthenticationError, match="Incorrect password") as caught:
            await client(verb, *arguments)
        assert (caught.value.status_code, caught.value.path) == (401, "auth/token/")
    assert wire.lines == [LOGIN]


async def test_wrong_password_says_whose_and_that_it_is_not_tried_again(
    make: Make, wire: Wire
) -> None:
    """Each refusal of a password, the first and the later ones, names the user and the source."""
    wire.on("POST", "auth/token/", reply(401, json={"detail": "Incorrect password"}))
    client = make(username="ann", password=secret("password"))
    for _ in range(2):
        with pytest.raises(AuthenticationError, match=r"'ann' \(from the field password\)"):
            await client.get_task(TASK)


@pytest.mark.parametrize("kind", ["apikey", "access_token"])
async def test_refused_key_or_token_is_sent_once(
    call: Caller, make: Make, wire: Wire, kind: str
) -> None:
    """A key or token that is refused raises after one request and names its source."""
    wire.on("GET", f"tasks/{TASK}/", reply(401, json={"detail": "Invalid credentials"}))
    client = Caller(make(type(call.client), **{kind: secret(kind)}))
    for verb in ("get_task", "wait_for_task"):
        with pytest.raises(AuthenticationError, match=f"Invalid credentials.*the field {kind}"):
            await client(verb, TASK)
    assert wire.lines == [READ, READ]


@pytest.mark.parametrize(
    "failure", [reply(503), reply(502, text="<html>"), httpx.ReadError("reset"), reply(text="{")]
)
async def test_login_bears_passing_failures(make: Make, wire: Wire, failure: Any) -> None:
    """A login that fails in passing is repeated like any read."""
    wire.on("POST", "auth/token/", failure, failure, {"access_token": "tok"})
    wire.on("GET", f"tasks/{TASK}/", task())
    assert (await make(username="a", password=secret("password")).get_task(TASK)).succeeded
    assert wire.lines == [*[LOGIN] * 3, READ]


@pytest.mark.parametrize(
    "answer",
    [{}, None, [], {"access_token": None}, {"access_token": ""}, {"access_token": "a\nb"}],
)
async def test_login_without_a_usable_token(make: Make, wire: Wire, answer: Any) -> None:
    """A login that brings no usable token ends as an invalid response, not as a crash."""
    wire.on("POST", "auth/token/", answer)
    with pytest.raises(InvalidResponseError, match="auth/token/"):
        await make(username="a", password=secret("password")).get_task(TASK)


async def test_start_whose_login_fails_was_not_sent(make: Make, wire: Wire) -> None:
    """A start is never sent while the login before it fails, however long that takes."""
    wire.on("POST", "auth/token/", reply(500, json={"detail": "database down"}))
    wire.lists()
    wire.on("POST", "x/", {"task_id": TASK})
    with pytest.raises(GeoboxError, match="auth/token/"):
        await make(username="a", password=secret("password")).start_task("POST", "x/", form={})
    assert wire.count("POST x/") == 0


async def test_start_is_sent_again_after_a_renewal(make: Make, wire: Wire) -> None:
    """A start that is refused for its old token was not carried out, so it is sent again."""
    lives: dict[str, bool] = {}
    tokens(wire, lives)
    wire.lists()
    wire.on("POST", "x/", reply(401), {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    client = make(username="ann", password=secret("password"))
    assert (await client.start_task("POST", "x/", form={"a": 1})).uuid == TASK
    assert wire.work_lines == [LOGIN, "POST x/", LOGIN, "POST x/", READ]
    assert form(wire.work[1]) == form(wire.work[3]) == [("a", "1")]


async def test_environment_feeds_the_wire(
    monkeypatch: pytest.MonkeyPatch, make: Make, wire: Wire
) -> None:
    """A client without arguments takes host and key from the environment."""
    key = secret("key")
    monkeypatch.setenv("GEOBOX_HOST", "https://geobox.test/")
    monkeypatch.setenv("GEOBOX_APIKEY", key)
    wire.on("GET", f"tasks/{TASK}/", task())
    async with AsyncGeoboxClient() as client:
        await client.get_task(TASK)
    assert str(wire.seen[0].url) == f"https://geobox.test/v1/tasks/{TASK}/?apikey={key}"
