"""What the fault tests share: every fault in a table, servers, clocks and counts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from prefect_geobox.client import AsyncGeoboxClient, GeoboxError
from prefect_geobox.client.api import session
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    Fault,
    body,
    changed,
    close,
    delay,
    drip,
    half_body,
    hang,
    json_body,
    repeated,
    reset,
    status,
)
from tests.unit.client.kit import FakeClock, raw_server

#: Seconds for one request where a test lets the server hang; a healthy answer takes less, even on a
#: busy machine.
SHORT = 0.5

#: What many small steps of a clock may lack of their sum.
ROUNDING = 1e-6

#: Seconds that nothing on this machine should ever take.
LONG = 60.0

#: The statuses that another attempt may mend.
PASSING = (408, 425, 429, 500, 502, 503, 504)

#: What Retry-After may say that makes no sense.
ABSURD = {
    "negative": -1,
    "huge": 10**9,
    "garbage": "soon",
    "empty": "",
    "nan": "nan",
    "infinite": "1e999",
    "past": timedelta(hours=-5),
    "in years": timedelta(days=3650),
    "no date": "Fri, 99 Foo 2024 25:61:61 GMT",
    "long number": "9" * 5000,
}

#: Each way in which an answer to a read can fail for a while.
FAULTS: dict[str, Fault] = {
    "reset": reset(),
    "reset in body": reset(in_body=True),
    "close": close(),
    "half body": half_body(),
    "hang": hang(),
    "hang in body": hang(in_body=True),
    "drip": drip(0.02),
    "delay beyond the timeout": delay(LONG),
    **{f"{code}": status(code) for code in PASSING},
    **{f"{code} html": status(code, html=True) for code in PASSING},
    "503 retry-after seconds": status(503, retry_after=2),
    "429 retry-after date": status(429, retry_after=timedelta(seconds=3)),
    **{f"retry-after {name}": status(503, retry_after=value) for name, value in ABSURD.items()},
    "200 html": body("<html>maintenance</html>"),
    "200 empty": body(b""),
    "200 truncated": body('{"uuid": "12345678-1234-', content_type="application/json"),
    "200 binary": body(b"\xff\xfe\x00\x80", content_type="application/json"),
    "200 null": json_body(None),
    "200 number": json_body(7),
    "200 text": json_body("SUCCESS"),
    "200 list": json_body([]),
    "200 other shape": json_body({"tasks": []}),
    "200 wrong types": changed(lambda _: {"uuid": 5, "state": ["SUCCESS"], "result": {}}),
    "200 error": json_body({"detail": {"msg": "internal", "type": "geobox.InternalError"}}),
    "204 empty": body(b"", code=204),
}

#: Faults that take a request's whole timeout.
SLOW_FAULTS = {"hang", "hang in body", "drip", "delay beyond the timeout"}

__all__ = [
    "ABSURD",
    "FAULTS",
    "LONG",
    "PASSING",
    "ROUNDING",
    "SHORT",
    "SLOW_FAULTS",
    "FakeClock",
    "HookClock",
    "Reads",
    "all_seen",
    "count",
    "cutting_proxy",
    "leave",
    "outcome",
    "refused_url",
    "repeated",
    "seen",
    "timeout_for",
    "until",
]


class HookClock(FakeClock):
    """A fake clock that does something before each sleep."""

    def __init__(self, hook: Callable[[int], None]) -> None:
        super().__init__()
        self._hook = hook

    async def sleep(self, seconds: float) -> None:
        """Calls the hook with the number of the sleep, from 1, and moves the time."""
        self._hook(len(self.slept) + 1)
        await super().sleep(seconds)


def timeout_for(name: str) -> float:
    """Seconds for one request under this fault: short only where all of it is used up."""
    return SHORT if name in SLOW_FAULTS else 5.0


def seen(geobox: GeoboxEmulator) -> list[str]:
    """Method and path below the version of each request at the server."""
    return [f"{r.method} {r.path.removeprefix('/v1/')}" for r in geobox.requests]


async def all_seen(geobox: GeoboxEmulator, least: int) -> list[str]:
    """The same, once there are so many: a server may notice late that a client has given up."""
    await until(lambda: len(geobox.requests) >= least)
    return seen(geobox)


def count(geobox: GeoboxEmulator, line: str) -> int:
    """How many requests at the server had this method and path."""
    return seen(geobox).count(line)


async def until(condition: Callable[[], bool]) -> None:
    """Lets others run until something holds, and fails if it never does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.005)


async def outcome(work: Any) -> Any:
    """What came of an awaitable: its value or its `GeoboxError`."""
    try:
        return await work
    except GeoboxError as error:
        return error


def leave(client: Any) -> None:
    """Closes a client and its connections now, without the time for which they would be kept."""
    joined = client if isinstance(client, AsyncGeoboxClient) else client.aio

    async def close() -> None:
        found = joined._session
        await joined._leave()
        if found is not None and found.users <= 0:
            await session._close(found)

    io_thread().run(close())


def refused_url() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


class Reads:
    """A plan that remembers which requests it was asked about, in the order in which they came.

    Args:
        plan: Decides.
    """

    def __init__(self, plan: Callable[[Any], Fault | None] = lambda _: None) -> None:
        self._plan = plan
        self.given: list[tuple[str, str, Fault | None]] = []

    def __call__(self, request: Any) -> Fault | None:
        """The fault that the plan has for a request."""
        fault = self._plan(request)
        self.given.append((request.method, request.path, fault))
        return fault

    def carried_out(self, method: str, path: str) -> int:
        """How many requests to a path got through to the server's own work."""
        return sum(
            (seen_method, seen_path) == (method, path) and (fault is None or fault.carries_out)
            for seen_method, seen_path, fault in self.given
        )


@contextmanager
def cutting_proxy(url: str, after: int) -> Iterator[str]:
    """A way to a server that breaks its first connection after so many bytes; yields its URL.

    Later connections pass untouched.
    """
    target, cuts = urlsplit(url), iter([after])

    def serve(connection: socket.socket) -> None:
        left = next(cuts, None)
        with socket.create_connection((target.hostname, target.port)) as behind:
            back = threading.Thread(target=_pass_on, args=(behind, connection), daemon=True)
            back.start()
            while part := connection.recv(4096 if left is None else min(4096, left)):
                behind.sendall(part)
                if left is not None and (left := left - len(part)) <= 0:
                    break
            behind.shutdown(socket.SHUT_RDWR)
            back.join(5)

    with raw_server(serve) as proxy:
        yield proxy


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
