"""Uploads that a server, or a proxy before it, refuses before it has read them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from prefect_geobox.client import ApiRequestError, GeoboxClient, GeoboxError
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import secret
from tests.kit.raw_server import raw_server

EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
TOO_LARGE = (
    b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\n"
    b"Content-Length: 4\r\nConnection: close\r\n\r\n<h1>"
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
    path.write_bytes(bytes(20_000_000))
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
