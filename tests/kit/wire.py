"""A scripted server in place of all connections, and what a request sent."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

#: Each answer that a route gives: JSON, an error to raise, or a function of the request.
Answer = Any


class Wire:
    """A scripted server below the transport; keeps what was really sent."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.seen: list[httpx.Request] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        # One route for all: the router compares each new one with every other.
        router.route().mock(side_effect=self._answer)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Answers requests to a path below the version one by one; the last answer stays."""
        self._answers[method, httpx.URL(f"/v1/{path}").path] = list(answers)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        left = self._answers.get((request.method, request.url.path))
        if left is None:
            raise AssertionError(f"nothing is served at {request.method} {request.url.path}")
        self.seen.append(request)
        found = left.pop(0) if len(left) > 1 else left[0]
        if callable(found):
            found = found(request)
            if inspect.isawaitable(found):
                found = await found
        if isinstance(found, BaseException):
            raise found
        return found if isinstance(found, httpx.Response) else json_answer(found)

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
