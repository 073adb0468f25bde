"""What the tests of the client share: a clock, a scripted wire, and payloads."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from socket import SO_LINGER, SOL_SOCKET, create_server, socket
from struct import pack
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient

HOST = "http://geobox.test"
TASK = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
THIRD = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ASSET = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"

#: Each answer that a route gives: JSON, an error to raise, or a function of the request.
Answer = Any

_numbers = count(1)


class FakeClock:
    """A clock that moves only when somebody sleeps on it, or when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Its time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Moves its time and lets others run."""
        self.slept.append(seconds)
        if len(self.slept) > 20_000:
            raise AssertionError("somebody sleeps for ever on this clock")
        # No sleep takes no time at all; a rounding error must not stop the clock.
        self.now += max(1e-6, seconds)
        await asyncio.sleep(0)


class Wire:
    """A scripted server below the transport; keeps what was really sent."""

    def __init__(self, router: respx.MockRouter) -> None:
        self._router = router
        self.seen: list[httpx.Request] = []

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Answers requests to a path below the version one by one; the last answer stays."""
        left = list(answers)

        async def answer(request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            found = left.pop(0) if len(left) > 1 else left[0]
            if callable(found):
                found = found(request)
                if inspect.isawaitable(found):
                    found = await found
            if isinstance(found, BaseException):
                raise found
            return found if isinstance(found, httpx.Response) else json_answer(found)

        self._router.route(method=method, path=f"/v1/{path}").mock(side_effect=answer)

    @property
    def lines(self) -> list[str]:
        """Method and path of each request, below the version."""
        return [f"{seen.method} {seen.url.path.removeprefix('/v1/')}" for seen in self.seen]

    def lists(self) -> None:
        """Serves empty lists of remote tasks and files, which starts and uploads consult."""
        self.on("GET", "tasks/", [])
        self.on("GET", "files/", [])

    @property
    def work(self) -> list[httpx.Request]:
        """The requests that are not such a look into a list."""
        polls = ("/v1/tasks/", "/v1/files/")
        return [seen for seen in self.seen if seen.method != "GET" or seen.url.path not in polls]

    @property
    def work_lines(self) -> list[str]:
        """Method and path of those."""
        return [f"{seen.method} {seen.url.path.removeprefix('/v1/')}" for seen in self.work]

    def count(self, line: str) -> int:
        """How many requests had this method and path."""
        return self.lines.count(line)


def json_answer(payload: Any) -> httpx.Response:
    """A 200 with this JSON; httpx itself takes a null for no body at all."""
    headers = {"Content-Type": "application/json"}
    return httpx.Response(200, content=json.dumps(payload), headers=headers)


def reply(status: int = 200, **arguments: Any) -> Callable[[httpx.Request], httpx.Response]:
    """An answer that is no plain JSON 200; arguments as of `httpx.Response`."""
    return lambda request: httpx.Response(status, **arguments)


def query(request: httpx.Request) -> list[tuple[str, str]]:
    """The query of a request as it went over the wire, in order."""
    return parse_qsl(request.url.query.decode(), keep_blank_values=True)


def form(request: httpx.Request) -> list[tuple[str, str]]:
    """The fields of a form, in order."""
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return parse_qsl(request.content.decode(), keep_blank_values=True)


def task(state: str = "SUCCESS", uuid: str = TASK, **more: Any) -> dict[str, Any]:
    """The payload of a remote task."""
    return {"uuid": uuid, "id": 7, "name": "import", "state": state, "result": {}, **more}


def secret(kind: str = "secret") -> str:
    """A secret that no other test uses, so that no connection is shared with one."""
    return f"{kind}-Zq9x{next(_numbers):04d}-plainly-hidden"


class Caller:
    """One of the two clients, called alike."""

    def __init__(self, client: GeoboxClient | AsyncGeoboxClient) -> None:
        self.client = client

    async def __call__(self, verb: str, *args: Any, **options: Any) -> Any:
        """Calls a verb; blocks the test's event loop where the client is the blocking one."""
        outcome = getattr(self.client, verb)(*args, **options)
        return await outcome if inspect.isawaitable(outcome) else outcome


@contextmanager
def raw_server(serve: Callable[[socket], None]) -> Iterator[str]:
    """A TCP server in threads; yields its URL.

    Args:
        serve: Handles one connection; the socket is closed after it.
    """
    listener = create_server(("127.0.0.1", 0))
    open_sockets: list[socket] = []

    def handle(connection: socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(2)
        listener.close()
        for connection in open_sockets:
            connection.close()
        thread.join(2)


def hang(connection: socket) -> None:
    """Reads for ever and never answers."""
    while connection.recv(65536):
        pass


def reset(connection: socket) -> None:
    """Reads a request and breaks the connection."""
    connection.recv(65536)
    connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
