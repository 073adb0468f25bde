"""What each answer becomes: errors by status and body, and answers that are not what they seem."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from prefect_geobox.client import (
    ApiRequestError,
    AsyncGeoboxClient,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    GeoboxConnectionError,
    InvalidResponseError,
    LostContactError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    ValidationError,
)
from prefect_geobox.client.http.transport import IN_FLIGHT
from tests.kit.clients import Caller
from tests.kit.payloads import TASK, task
from tests.kit.wire import Wire, reply

STATUSES: dict[int, type[ApiRequestError]] = {
    400: ValidationError,
    401: AuthenticationError,
    402: ApiRequestError,
    403: AuthorizationError,
    404: NotFoundError,
    405: ApiRequestError,
    408: ApiRequestError,
    409: ConflictError,
    410: ApiRequestError,
    412: ApiRequestError,
    413: ApiRequestError,
    418: ApiRequestError,
    422: ValidationError,
    425: ApiRequestError,
    429: RateLimitError,
    500: ServerError,
    501: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
HTML = {"headers": {"Content-Type": "text/html; charset=utf-8"}, "content": b"<html>oops</html>"}
BODIES: list[tuple[dict[str, Any], str]] = [
    ({"json": {"detail": "the reason"}}, "the reason"),
    ({"json": {"detail": {"msg": "the reason", "type": "geobox.X"}}}, "the reason"),
    ({"json": {"message": "the reason"}}, "the reason"),
    ({"json": {"code": 5}}, "code: 5"),
    ({"json": [1, 2]}, "1; 2"),
    ({"json": {"detail": ["x", "y"]}}, "x; y"),
    (HTML, "no reason given (text/html, 17 bytes)"),
    ({}, "no reason given (no content type, 0 bytes)"),
    ({"json": {}}, "no reason given"),
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("body", "detail"), BODIES, ids=[detail for _, detail in BODIES])
async def test_error_by_status_and_body(
    make: Any, wire: Wire, status: int, body: dict[str, Any], detail: str
) -> None:
    """Each status has its class with reason, method and path, whatever the body is."""
    wire.on("GET", f"tasks/{TASK}/", reply(status, **body))
    client: AsyncGeoboxClient = make(retry=RetryPolicy(attempts=1))
    with pytest.raises(ApiRequestError) as caught:
        await client.get_task(TASK)
    error = caught.value
    assert type(error) is STATUSES[status]
    assert (error.status_code, error.detail) == (status, detail)
    assert (error.method, error.path) == ("GET", f"tasks/{TASK}/")
    for unwanted in ("apikey=", "?", "http"):
        assert unwanted not in str(error)
    assert "\n" not in str(error)


async def test_null_is_no_reason(client: AsyncGeoboxClient, wire: Wire) -> None:
    """An error whose body is null has a message that no reason was given."""
    wire.lists()
    wire.on("POST", "x/", reply(409, content=b"null"))
    with pytest.raises(ConflictError, match="no reason given"):
        await client.start_task("POST", "x/", form={})


DETAILS: list[tuple[Any, tuple[str, ...]]] = [
    ([{"loc": ["body", "name"], "msg": "field required", "type": "x"}], ("field required", "name")),
    ([{"loc": ["body"], "msg": "field required"}], ("field required",)),
    ([{"msg": "one"}, {"msg": "two"}], ("one", "two")),
    ({"msg": "only this", "code": "x"}, ("only this",)),
    ({"type": "geobox.X"}, ("geobox.X",)),
    ("plain", ("plain",)),
    ([None, 5, {"a": []}], ("5",)),
    ("line\nbreak\x1b[31m\0", ("line break",)),
    ("long " * 1000, ("long long",)),
]


@pytest.mark.parametrize(("detail", "words"), DETAILS)
async def test_reasons_of_validation_errors(
    client: AsyncGeoboxClient, wire: Wire, detail: Any, words: tuple[str, ...]
) -> None:
    """Every shape of `detail` becomes one printable line of bounded length."""
    wire.lists()
    wire.on("POST", "x/", reply(422, json={"detail": detail}))
    with pytest.raises(ValidationError) as caught:
        await client.start_task("POST", "x/", form={})
    assert all(word in caught.value.detail for word in words)
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 500


async def test_deeply_nested_error_is_still_an_api_error(
    client: AsyncGeoboxClient, wire: Wire
) -> None:
    """An error body that is nested without end keeps its status instead of crashing."""
    for depth in (300, 600, 100_000):
        wire.lists()
        wire.on("POST", f"x{depth}/", reply(409, text="[" * depth + "]" * depth))
        with pytest.raises(ConflictError):
            await client.start_task("POST", f"x{depth}/", form={})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://evil.test/v1/tasks/", "/elsewhere/", "http://[", ""])
async def test_redirects_are_not_followed(
    call: Caller, wire: Wire, status: int, target: str
) -> None:
    """A redirect is an error that names its target, and is not followed."""
    wire.on("GET", f"tasks/{TASK}/", reply(status, headers={"Location": target}))
    with pytest.raises(ApiRequestError, match="redirect") as caught:
        await call("get_task", TASK)
    assert caught.value.status_code == status
    assert len(wire.seen) == 1
    assert ("evil.test" in str(caught.value)) == ("evil" in target)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("https://geobox.test/v1/tasks/?apikey=x", "set host to https://geobox.test,"),
        ("//geobox.test:8443/v1/tasks/", "set host to http://geobox.test:8443,"),
        ("https://me:pw@gis.example.org/", "set host to https://gis.example.org,"),
        ("/v2/tasks/", "another path of the same server"),
    ],
)
async def test_a_redirect_names_scheme_and_port(
    client: AsyncGeoboxClient, wire: Wire, target: str, text: str
) -> None:
    """The error says what to set host to, with scheme and port, and nothing secret."""
    wire.on("GET", f"tasks/{TASK}/", reply(308, headers={"Location": target}))
    with pytest.raises(ApiRequestError, match=text) as caught:
        await client.get_task(TASK)
    assert "apikey=" not in str(caught.value)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_number_that_json_does_not_know_is_read_as_null(
    call: Caller, wire: Wire, number: str
) -> None:
    """A remote task whose result holds NaN has ended, and its wait with it."""
    body = json.dumps(task(result={"raster_uuid": "x", "mean": "?"})).replace('"?"', number)
    wire.on("GET", f"tasks/{TASK}/", reply(content=body.encode()))
    ended = await call("wait_for_task", TASK, progress_bar=False)
    assert ended.succeeded
    assert ended.result == {"raster_uuid": "x", "mean": None}


async def test_answers_that_cannot_be_used_are_not_called_silence(call: Caller, wire: Wire) -> None:
    """A server that answers, but never as the API does, is not said to be out of contact."""
    wire.on("GET", f"tasks/{TASK}/", reply(**HTML))
    with pytest.raises(LostContactError, match=r"No usable answer from geobox\.test for"):
        await call("wait_for_task", TASK)


JSON_TYPE = {"Content-Type": "application/json"}
NOT_JSON: list[dict[str, Any]] = [
    HTML,
    {},
    {"content": b"null", "headers": JSON_TYPE},
    {"content": b"[]", "headers": JSON_TYPE},
    {"content": b"{", "headers": JSON_TYPE},
    {"content": b"NaN", "headers": JSON_TYPE},
    {"content": b"\xff\xfe\0", "headers": JSON_TYPE},
    {"content": b"[" * 100_000, "headers": JSON_TYPE},
    {"content": b'{"uuid": "x"}', "headers": JSON_TYPE},
    {"content": b'{"uuid": "x"}', "headers": {"Content-Type": "application/json; charset=base64"}},
    {"content": b'{"uuid": "x"}', "headers": {"Content-Type": "application/json; charset=rot13"}},
    {"content": b'{"uuid": "x"}', "headers": {"Content-Type": "application/json; charset=no-such"}},
]


@pytest.mark.parametrize("answer", NOT_JSON)
async def test_answer_that_is_not_the_expected_json(
    make: Any, wire: Wire, answer: dict[str, Any]
) -> None:
    """A 200 that is not the JSON expected is an InvalidResponseError that names the request."""
    wire.on("GET", f"tasks/{TASK}/", reply(**answer))
    with pytest.raises(InvalidResponseError, match=f"GET tasks/{TASK}/ was answered 200, but"):
        await make(retry=RetryPolicy(attempts=1)).get_task(TASK)


@pytest.mark.parametrize("charset", ["base64", "rot13", "idna", "no-such"])
async def test_error_with_an_odd_charset_keeps_its_status(
    client: AsyncGeoboxClient, wire: Wire, charset: str
) -> None:
    """An error with an unknown charset keeps its status."""
    headers = {"Content-Type": f"application/json; charset={charset}"}
    wire.on("GET", f"tasks/{TASK}/", reply(404, content=b'{"detail": "none"}', headers=headers))
    with pytest.raises(NotFoundError):
        await client.get_task(TASK)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", ""])
async def test_json_counts_under_any_content_type(
    client: AsyncGeoboxClient, wire: Wire, content_type: str
) -> None:
    """JSON is read as such, whatever content type the server gives it."""
    body = f'{{"uuid": "{TASK}", "state": "SUCCESS", "name": "x\\ud800y"}}'
    headers = {"Content-Type": content_type}
    wire.on("GET", f"tasks/{TASK}/", reply(content=body.encode(), headers=headers))
    seen = await client.get_task(TASK)
    assert seen.name == "x?y"
    assert seen.model_validate_json(seen.model_dump_json()) == seen


async def test_certificate_that_is_not_accepted_is_not_tried_again(
    client: AsyncGeoboxClient, wire: Wire
) -> None:
    """A refused TLS certificate is not retried, and the error names the option to set."""
    failure = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    wire.on("GET", f"tasks/{TASK}/", failure)
    with pytest.raises(GeoboxConnectionError, match="Set verify"):
        await client.get_task(TASK)
    assert len(wire.seen) == 1


async def test_requests_in_flight_are_bounded(client: AsyncGeoboxClient, wire: Wire) -> None:
    """Of many reads at once only so many are under way together, and all are answered."""
    under_way, most = 0, 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1
        return httpx.Response(200, json=task())

    wire.on("GET", f"tasks/{TASK}/", answer)
    seen = await asyncio.gather(*(client.get_task(TASK) for _ in range(5 * IN_FLIGHT)))
    assert len(seen) == len(wire.seen) == 5 * IN_FLIGHT
    assert most == IN_FLIGHT
