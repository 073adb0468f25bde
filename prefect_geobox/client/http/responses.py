"""Values and errors from the answers of a server, which are checked before anything uses them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from prefect_geobox.client.http.settings import Credential
from prefect_geobox.client.model.errors import (
    ApiRequestError,
    AuthenticationError,
    InvalidResponseError,
    error_for_status,
)
from prefect_geobox.client.model.text import error_text

T = TypeVar("T")


class ResponseReader:
    """Makes values and errors from the answers to requests with one credential.

    Args:
        credential: The credential of the requests, for messages; its secret is in none of them.
        redact: Removes secrets from what the server has sent back.
    """

    def __init__(self, credential: Credential, redact: Callable[[str], str]) -> None:
        self._credential = credential
        self._redact = redact

    def parse(
        self, response: httpx.Response, parse: Callable[[Any], T], method: str, path: str
    ) -> T:
        """The value in a successful answer.

        Args:
            response: The answer.
            parse: Makes the value from the decoded JSON.
            method: The HTTP method, for messages.
            path: Below the base URL, for messages.

        Raises:
            InvalidResponseError: It is not in the answer.
        """
        problem: str
        try:
            text = self._redact(body_text(response))
            return parse(parse_json(text))
        except InvalidResponseError as error:
            problem = str(error)
        except (ValueError, RecursionError):
            problem = f"the body is not JSON ({content_kind(response)})"
        raise InvalidResponseError(
            f"{method} {path} was answered {response.status_code}, but {problem}."
        )

    def to_error(self, response: httpx.Response, method: str, path: str) -> ApiRequestError:
        """The error for an answer that is not a success. Arguments as of `parse`."""
        detail = _redirect_text(response) if response.is_redirect else self._detail(response)
        error = error_for_status(response.status_code, detail, method, path)
        if isinstance(error, AuthenticationError):
            error.add_advice(f"Rejected credential: {self._credential}.")
        error.retry_after = parse_retry_after(response)
        return error

    def _detail(self, response: httpx.Response) -> str:
        try:
            body = json.loads(body_text(response))
            detail = body.get("detail") or body.get("message") if isinstance(body, dict) else None
            text = error_text(detail or body) if detail or body else ""
        except (ValueError, RecursionError):
            return f"no reason given ({content_kind(response)})"
        return self._redact(text) or "no reason given"


def _redirect_text(response: httpx.Response) -> str:
    """Where a redirect leads. Without path and query of the target, which may repeat a secret."""
    target = response.headers.get("location", "")
    if not is_url(target):
        return "a redirect without a usable target"
    asked = response.request.url
    url = asked.join(target)
    origin = f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
    if url.netloc == asked.netloc and url.scheme == asked.scheme:
        return (
            "a redirect to another path of the same server, which is not followed with a "
            "credential; check the path in host, and the version"
        )
    return (
        f"a redirect to {origin}, which is not followed with a credential; set host to "
        f"{origin}, with the path of the API if it has one"
    )


def parse_token(response: httpx.Response) -> str:
    """The token in the answer to a login.

    Raises:
        InvalidResponseError: There is no token, or it cannot be sent in a header.
    """
    token = _found_token(response)
    if token is None:
        raise InvalidResponseError("POST auth/token/ was answered 200, but without a usable token.")
    return token


def _found_token(response: httpx.Response) -> str | None:
    try:
        payload = json.loads(body_text(response))
    except (ValueError, RecursionError):
        return None
    token = payload.get("access_token") if isinstance(payload, dict) else None
    is_usable = isinstance(token, str) and token.isascii() and token.isprintable() and token
    return token if is_usable else None


def parse_retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait, in either form of the header; None if it does not."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        # The server's own clock is the reference, in case the local clock is wrong.
        now = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError, TypeError):
        now = datetime.now(timezone.utc)
    try:
        return (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def body_text(response: httpx.Response) -> str:
    """The body as text."""
    # JSON is UTF-8, whatever encoding a header claims.
    return response.content.decode("utf-8", "replace")


def is_url(text: str) -> bool:
    """Whether a text is a URL."""
    try:
        httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return bool(text)


def content_kind(response: httpx.Response) -> str:
    """The type and size of a body, for messages."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    return f"{error_text(kind) or 'no content type'}, {len(response.content)} bytes"


def parse_json(text: str) -> Any:
    """The JSON of an answer, without numbers and characters that JSON cannot hold or text encode.

    NaN, infinities and numbers beyond all floats, which some servers send, are read as null: the
    rest of the answer is good.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    payload = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    if payload is None and text.strip() != "null":
        raise ValueError("a number that JSON does not know, and nothing else")
    return _without_surrogates(payload) if "\\u" in text else payload


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _no_number(name: str) -> None:  # noqa: ARG001 - NaN, Infinity or -Infinity
    return None


def _without_surrogates(value: Any) -> Any:
    """Replaces lone surrogates, which JSON can contain but UTF-8 cannot encode."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
