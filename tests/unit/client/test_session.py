"""Connections are shared by a process, and outlive loops, closes and forks."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from prefect_geobox.client import AsyncGeoboxClient, AuthenticationError, GeoboxClient
from tests.kit.clients import Caller
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import TASK, secret, task
from tests.kit.raw_server import raw_server
from tests.kit.wire import Wire, reply

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"uuid": "'
    + TASK.encode()
    + b'", "state": "SUCCESS"}'
)


async def test_client_works_on_after_close(call: Caller, wire: Wire) -> None:
    """A client that was closed, even twice, can be used again."""
    wire.on("GET", f"tasks/{TASK}/", task())
    assert (await call("get_task", TASK)).succeeded
    call.client.close()
    call.client.close()
    assert (await call("get_task", TASK)).succeeded
    assert (await call("wait_for_task", TASK)).succeeded


async def test_unused_client_can_be_closed(make: Callable[..., Any]) -> None:
    """A client that never sent anything can be closed and used as a context manager."""
    with make(GeoboxClient) as client:
        client.close()
    async with make(AsyncGeoboxClient) as client:
        client.close()
    assert client.requests == 0


async def test_close_of_one_client_leaves_the_other(make: Callable[..., Any], wire: Wire) -> None:
    """Of two clients of one account one may close while the other waits."""
    key = secret("key")
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), task("PENDING"), task())
    first, second = make(apikey=key), make(apikey=key)

    def leave(_: Any) -> None:
        second.close()

    await second.get_task(TASK)
    assert (await first.wait_for_task(TASK, progress_bar=False, on_update=leave)).succeeded
    assert first.requests == 3


def test_async_client_lives_on_two_loops(wire: Wire, make: Callable[..., Any]) -> None:
    """One asyncio client is used on two event loops, one after the other."""
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"), task(), task("PENDING"), task())
    client = make()
    for _ in range(2):
        assert asyncio.run(client.wait_for_task(TASK, progress_bar=False)).succeeded
    assert len(wire.seen) == 4


def test_clients_of_one_account_share_a_connection() -> None:
    """Reads of several clients, sync and async, go over one TCP connection."""
    connections: list[Any] = []
    body = ANSWER % (len(ANSWER) - ANSWER.index(b"{"))

    def serve(connection: Any) -> None:
        connections.append(connection)
        while connection.recv(65536):
            connection.sendall(body)

    with raw_server(serve) as url:
        key = secret("key")
        for _ in range(2):
            with GeoboxClient(url, apikey=key) as client:
                assert client.get_task(TASK).succeeded
            other = AsyncGeoboxClient(url, apikey=key)
            assert asyncio.run(other.get_task(TASK)).succeeded
            other.close()
        assert len(connections) == 1
        with GeoboxClient(url, apikey=secret("key")) as client:
            client.get_task(TASK)
        assert len(connections) == 2


async def test_right_password_after_a_wrong_one(
    make: Callable[..., Any], wire: Wire, clock: FakeClock
) -> None:
    """A new client may try again with a password that was refused for an older one."""
    account = {"username": "ann", "password": secret("password")}
    wire.on("POST", "auth/token/", reply(401), {"access_token": "tok"})
    wire.on("GET", f"tasks/{TASK}/", task())
    with pytest.raises(AuthenticationError):
        await make(**account).get_task(TASK)
    assert (await make(**account).get_task(TASK)).succeeded
    assert wire.count("POST auth/token/") == 2


async def test_client_survives_pickle(call: Caller, wire: Wire, clock: FakeClock) -> None:
    """A client that has been used survives pickle and connects again where it is needed."""
    wire.on("GET", f"tasks/{TASK}/", task())
    await call("get_task", TASK)
    back = Caller(pickle.loads(pickle.dumps(call.client)))
    assert back.client.settings == call.client.settings
    assert (await back("get_task", TASK)).succeeded
    back.client.close()


def test_unverified_tls_is_warned_of_once_and_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """Clients that do not verify certificates warn, once for each host, and name the way out."""
    for _ in range(2):
        GeoboxClient("https://unverified.test", apikey="key-of-the-test", verify=False)
        GeoboxClient("http://plain.test", apikey="key-of-the-test", verify=False)
        GeoboxClient("https://verified.test", apikey="key-of-the-test")
    warnings = [record for record in caplog.records if "NOT VERIFIED" in record.getMessage()]
    assert [record.levelname for record in warnings] == ["WARNING"]
    assert "unverified.test" in warnings[0].getMessage()
    assert "CA file" in warnings[0].getMessage()
