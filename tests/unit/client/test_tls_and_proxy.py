"""Proxies and CA files that the environment names."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    ApiRequestError,
    ConfigurationError,
    GeoboxClient,
    GeoboxConnectionError,
    RetryPolicy,
)
from prefect_geobox.client.http import rate_limit
from prefect_geobox.client.http.tls_and_proxy import proxy_for
from tests.kit.payloads import TASK, secret
from tests.kit.raw_server import raw_server

SERVER = "http://geobox.invalid"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"uuid": "11112222", "state": "SUCCESS"}'


def once(**options: Any) -> GeoboxClient:
    """A client that makes one attempt."""
    return GeoboxClient(
        **{"host": SERVER, "apikey": secret("key"), "retry": RetryPolicy(attempts=1), **options}
    )


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_without_a_scheme_is_an_http_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    """The request goes through the proxy, with and without a scheme."""
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(ANSWER)

    with raw_server(serve) as url, once() as client:
        monkeypatch.setenv(variable, scheme + url.removeprefix("http://"))
        assert client.get_task(TASK).succeeded
    assert asked[0].startswith(b"GET http://geobox.invalid/v1/tasks/")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("socks4://me:hunter22@127.0.0.1:1", "the scheme 'socks4' is unknown"),
        ("http://me:hunter22@127.0.0.1:99999", "host or port is invalid"),
        ("http://me:hunter22@[::1", "host or port is invalid"),
        ("me:hunter22@127.0.0.1:port", "host or port is invalid"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    """The error names the variable and the fault, and never the password; reads and waits alike."""
    monkeypatch.setenv("http_proxy", value)
    with once() as client:
        for verb in (client.get_task, client.wait_for_task):
            with pytest.raises(ConfigurationError, match=f"http_proxy cannot .*{problem}") as error:
                verb(TASK)
            assert "hunter22" not in str(error.value)
    assert "hunter22" not in repr(proxy_for(httpx.URL(SERVER)))


def test_a_session_that_cannot_begin_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate of a connection that was never made counts for no other."""
    monkeypatch.setenv("http_proxy", "socks4://127.0.0.1:1")
    with once(host="http://nobody.invalid") as client, pytest.raises(ConfigurationError):
        client.get_task(TASK)
    assert not [host for host, *_ in rate_limit._limits if host == "nobody.invalid"]


def test_a_socks_proxy_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package for SOCKS the error says how to install it."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:1080")
    with once() as client, pytest.raises(ConfigurationError, match=r"prefect-geobox\[socks\]"):
        client.get_task(TASK)


def test_a_socks_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra, requests go through a SOCKS proxy, which resolves the name itself."""
    pytest.importorskip("socksio")
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(b"\x05\x00")
        asked.append(connection.recv(512))
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        connection.recv(65536)
        connection.sendall(ANSWER)

    with raw_server(serve) as url, once() as client:
        monkeypatch.setenv("all_proxy", url.replace("http", "socks5h"))
        assert client.get_task(TASK).succeeded
    assert b"geobox.invalid" in asked[0]


@pytest.mark.parametrize(
    ("exceptions", "url", "is_direct"),
    [
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("example.org, 192.168.0.0/16", "http://192.168.7.9:8080/", True),
        ("::1", "http://[::1]/", True),
        ("[::1]", "http://[::1]:8080/", True),
        ("[::1]:8080", "http://[::1]:8080/", True),
        ("[::1]:8081", "http://[::1]:8080/", False),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("::1", "http://[::2]/", False),
        ("example.org", "http://gis.example.org/", True),
        (".example.org", "http://gis.example.org/", True),
        ("example.org:8080", "http://example.org:8080/", True),
        ("ample.org", "http://example.org/", False),
        ("127.0.0.1", "http://127.0.0.1:4242/", True),
        ("*", "http://[::1]/", True),
        ("", "http://example.org/", False),
        ("not/a/network, , [", "http://10.0.0.1/", False),
    ],
)
def test_hosts_that_are_reached_directly(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, is_direct: bool
) -> None:
    """NO_PROXY takes names, domains, addresses and networks, of IPv6 too, with and without port."""
    monkeypatch.setenv("http_proxy", "127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(httpx.URL(url)) is None) is is_direct


@pytest.mark.parametrize(("status", "attempts"), [("407 Proxy Authentication Required", 1)])
def test_a_proxy_that_refuses_a_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, status: str, attempts: int
) -> None:
    """The error names the variable and the answer; a refusal is not repeated."""
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    with (
        raw_server(serve) as url,
        once(host="https://geobox.invalid", retry=RetryPolicy(attempts=3)) as client,
    ):
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(GeoboxConnectionError, match=f"https_proxy answered {status}") as error:
            client.get_task(TASK)
    assert not error.value.reached
    assert len(asked) == attempts


def test_a_proxy_that_wants_a_password_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 407 on plain HTTP is explained as the answer of a proxy."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")

    with raw_server(serve) as url, once() as client:
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises(ApiRequestError, match=r"answered 407.*into http_proxy"):
            client.get_task(TASK)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_bundle_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    """The error names the variable that names the CA file."""
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with (
        once(host="https://127.0.0.1:1") as client,
        pytest.raises(ConfigurationError, match="SSL_CERT_FILE names a file"),
    ):
        client.get_task(TASK)
