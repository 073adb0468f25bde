"""Uploads that a server, or a proxy before it, refuses before it has read them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from prefect_geobox.client import (
    ApiRequestError,
    AsyncGeoboxClient,
    AuthenticationError,
    GeoboxClient,
    GeoboxError,
)
from prefect_geobox.client.http import transport
from tests.kit.clients import Caller, close_now
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import ASSET, secret
from tests.kit.raw_server import raw_server
from tests.kit.until import HANGING

EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
TOO_LARGE = (
    b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\n"
    b"Content-Length: 4\r\nConnection: close\r\n\r\n<h1>"
)
#: Bytes that fit into no buffer of a socket.
LARGE = 20_000_000
UNAUTHORIZED = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


class Proxy:
    """Answers a POST after its head, and closes the connection on the rest.

    Args:
        answer: Its answer; empty where it closes only.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.posts = 0

    def __call__(self, connection: socket.socket) -> None:
        """Serves one connection."""
        if connection.recv(1024).startswith(b"GET"):
            connection.sendall(EMPTY_LIST)
            return
        self.posts += 1
        connection.sendall(self._answer)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that fits into no buffer of a socket."""
    path = tmp_path / "large.gpkg"
    path.write_bytes(bytes(LARGE))
    return path


def test_an_early_refusal_is_read(large: Path) -> None:
    """The answer of a proxy that takes no file of this size is raised, and explained."""
    proxy = Proxy(TOO_LARGE)
    with (
        raw_server(proxy) as url,
        GeoboxClient(url, apikey=secret("key")) as client,
        pytest.raises(ApiRequestError, match=r"answered 413.*size limit .* is likely") as caught,
    ):
        client.upload_file(large, progress_bar=False)
    assert caught.value.status_code == 413
    assert proxy.posts <= 2


def test_a_broken_upload_without_an_answer_stays_unclear(large: Path) -> None:
    """A connection that only breaks is looked up and sent again, as before."""
    proxy = Proxy(b"")
    with (
        raw_server(proxy) as url,
        GeoboxClient(url, apikey=secret("key"), clock=FakeClock()) as client,
        pytest.raises(GeoboxError, match="broke during POST files/"),
    ):
        client.upload_file(large, progress_bar=False)
    assert proxy.posts > 1


LOGIN_PATH = b"POST /v1/auth/token/"
UPLOADED = {"uuid": ASSET, "name": "large.gpkg"}


class ExpiringServer:
    """Accepts one token only, and refuses an upload with another one after its head.

    Args:
        valid: A part of the head of a request that it accepts.
        login_pause: Seconds that each login but the first takes.
    """

    def __init__(self, *, valid: bytes = b"token-2", login_pause: float = 0.0) -> None:
        self._valid = valid
        self._login_pause = login_pause
        self.logins = 0
        self.refused = 0
        self.bodies: list[int] = []
        #: Uploads that are refused at once, which need as many connections.
        self.together = threading.Barrier(1)

    def __call__(self, connection: socket.socket) -> None:
        """Serves one connection."""
        received = connection.recv(65536)
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        if head.startswith(LOGIN_PATH):
            self.logins += 1
            if self.logins > 1:
                time.sleep(self._login_pause)
            connection.sendall(_json({"access_token": f"token-{self.logins}-of-the-test"}))
        elif head.startswith(b"GET"):
            connection.sendall(EMPTY_LIST)
        elif self._valid not in head:
            self.refused += 1
            if self.refused <= self.together.parties:
                self.together.wait(HANGING)
            connection.sendall(UNAUTHORIZED)
        else:
            self._take(connection, head, len(body))

    def _take(self, connection: socket.socket, head: bytes, received: int) -> None:
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found
        while received < int(found[1]):
            received += len(connection.recv(1 << 20))
        self.bodies.append(received)
        connection.sendall(_json(UPLOADED))


def _json(value: object) -> bytes:
    text = json.dumps(value).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
    )


@pytest.mark.parametrize("client_class", [GeoboxClient, AsyncGeoboxClient])
async def test_a_token_that_is_refused_early_is_renewed(
    large: Path, monkeypatch: pytest.MonkeyPatch, client_class: type
) -> None:
    """An upload whose token has expired is sent again whole, however long the new login takes."""
    monkeypatch.setattr(transport, "EARLY_ANSWER_TIME", 1.0)
    server = ExpiringServer(login_pause=1.5)
    with raw_server(server) as url:
        client = client_class(url, username="me", password=secret("password"))
        call = Caller(client)
        try:
            file = await call("upload_file", large, progress_bar=False)
        finally:
            close_now(client)
    assert file.uuid == ASSET
    assert server.logins == 2
    assert [size > LARGE for size in server.bodies] == [True]


async def test_uploads_that_are_refused_early_share_a_login(large: Path) -> None:
    """Several uploads whose token has expired log in once, and each is sent whole."""
    server = ExpiringServer()
    server.together = threading.Barrier(3)
    with raw_server(server) as url:
        client = AsyncGeoboxClient(url, username="me", password=secret("password"))
        try:
            uploads = [client.upload_file(large, progress_bar=False) for _ in range(3)]
            files = await asyncio.gather(*uploads)
        finally:
            close_now(client)
    assert [file.uuid for file in files] == [ASSET] * 3
    assert server.logins == 2
    assert len(server.bodies) == 3


@pytest.mark.parametrize("client_class", [GeoboxClient, AsyncGeoboxClient])
@pytest.mark.parametrize("credential", ["apikey", "access_token"])
async def test_what_cannot_be_renewed_is_refused_early(
    large: Path, client_class: type, credential: str
) -> None:
    """An API key or a fixed token that is refused early is an AuthenticationError at once."""
    server = ExpiringServer()
    with raw_server(server) as url:
        client = client_class(url, **{credential: secret("key")})
        try:
            with pytest.raises(AuthenticationError, match="answered 401"):
                await Caller(client)("upload_file", large, progress_bar=False)
        finally:
            close_now(client)
    assert server.logins == 0
    assert server.refused <= 2


async def test_a_password_that_is_refused_early_is_sent_once(large: Path) -> None:
    """A server that goes on refusing after a new login is asked no third time."""
    server = ExpiringServer(valid=b"no token")
    with raw_server(server) as url:
        client = AsyncGeoboxClient(url, username="me", password=secret("password"))
        try:
            with pytest.raises(AuthenticationError, match="answered 401"):
                await client.upload_file(large, progress_bar=False)
        finally:
            close_now(client)
    assert server.logins == 2
    assert server.bodies == []
