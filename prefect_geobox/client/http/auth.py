"""Adds the credential to requests, below everything that logs or keeps them.

HTTP libraries write request URLs to their logs and attach requests to their exceptions, and the API
expects a key in the URL. So the requests that those libraries see carry no credential; it is added
in the transport underneath, to a copy that nothing else references.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import httpx

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.encoding import encoded_body
from prefect_geobox.client.http.responses import ResponseReader, parse_token
from prefect_geobox.client.http.retry import RetryPolicy, retry_read
from prefect_geobox.client.http.settings import Credential
from prefect_geobox.client.model.errors import AuthenticationError, GeoboxError

#: A shorter text is too common to be treated as a secret wherever it occurs.
_SHORTEST_REDACTED = 8

LOGIN_PATH: Final = "auth/token/"


class Authenticator:
    """The credential of one connection, and the token that its password was exchanged for.

    Args:
        credential: The credential.
        login: Exchanges the password for a token by `POST auth/token/`.
    """

    def __init__(self, credential: Credential, login: Callable[[], Awaitable[str]]) -> None:
        self._credential = credential
        self._login = login
        self._token = credential.secret if credential.kind == "access_token" else None
        self._logins = 0
        self._refused: GeoboxError | None = None
        self._lock = asyncio.Lock()

    @property
    def logins(self) -> int:
        """How often it has logged in: identifies the token of a request without naming it."""
        return self._logins

    @property
    def can_log_in(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._credential.kind == "password"

    @property
    def is_refused(self) -> bool:
        """Whether the password was refused."""
        return self._refused is not None

    async def ensure_token(self) -> None:
        """Logs in, if the credential is a password and there is no token yet."""
        if self.can_log_in and self._token is None:
            await self.renew(self._logins)

    async def renew(self, logins: int) -> None:
        """Replaces a token that was refused; once for all requests that were refused with it.

        A password that was refused is not sent again by this connection: accounts can lock.

        Args:
            logins: `logins` at the time of the refused request.

        Raises:
            AuthenticationError: The password was refused, now or earlier.
        """
        async with self._lock:
            if self._refused is not None:
                raise copy.copy(self._refused)
            if self._logins != logins:
                return
            try:
                self._token = await self._login()
                self._logins += 1
            except GeoboxError as error:
                error.is_sent = False
                if isinstance(error, AuthenticationError):
                    self._refused = error
                raise

    def sign(self, request: httpx.Request) -> httpx.Request:
        """A copy of the request that carries the credential."""
        headers = request.headers.copy()
        signed = httpx.Request(
            request.method,
            request.url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        secret_query = b""
        if self._token is not None:
            signed.headers["Authorization"] = f"Bearer {self._token}"
        elif self._credential.kind == "apikey":
            secret_query = urlencode({"apikey": self._credential.secret}).encode("ascii")
        url = request.url
        query = url.encoded_query if isinstance(url, PreencodedUrl) else b""
        signed.url = PreencodedUrl(url, query, secret_query)
        return signed

    def redact(self, text: str) -> str:
        """Removes the secrets from a text that the server has sent back."""
        for secret in (self._credential.secret, self._token):
            if secret and len(secret) >= _SHORTEST_REDACTED and secret in text:
                text = text.replace(secret, "***")
        return text


async def log_in(
    credential: Credential,
    send: Callable[[Mapping[str, str], bytes | None], Awaitable[httpx.Response | GeoboxError]],
    responses: ResponseReader,
    clock: Clock,
) -> str:
    """Exchanges a password for a token, with the retries of a read.

    Args:
        credential: The user and the password.
        send: Sends headers and body to the login; returns failures, so that no chained exception
            holds them.
        responses: Makes errors.
        clock: Measures the budget.

    Raises:
        GeoboxError: The password was refused, or the server did not answer.
    """

    def body() -> tuple[dict[str, str], bytes | None]:
        # Made within the call, so that no frame that can raise has the password as a local.
        form = {"username": credential.username, "password": credential.secret}
        headers, content = encoded_body(form, None)
        return {**headers, "Accept": "*/*"}, content

    async def attempt() -> str:
        answer = await send(*body())
        if isinstance(answer, GeoboxError):
            raise answer
        if answer.is_success:
            return parse_token(answer)
        error = responses.to_error(answer, "POST", LOGIN_PATH)
        if error.status_code in (400, 401, 403, 422):
            # Whatever the status, the server has rejected this user and password.
            error = AuthenticationError(401, error.detail, "POST", LOGIN_PATH)
            error.add_advice(
                f"Rejected credential: {credential}. It was sent once and is not sent again, as "
                "accounts can lock."
            )
        raise error

    return await retry_read(attempt, RetryPolicy(), clock)


class PreencodedUrl(httpx.URL):
    """A URL whose query is encoded once, as it is sent.

    httpx encodes and checks a query several times, which takes a millisecond where it names many
    remote tasks.

    Args:
        url: The rest of the URL.
        encoded_query: Appended to its query.
        secret_query: Appended on the wire only; part of no text.
    """

    def __init__(
        self, url: httpx.URL, encoded_query: bytes = b"", secret_query: bytes = b""
    ) -> None:
        super().__init__(url)
        self.encoded_query = encoded_query
        self._secret_query = secret_query

    @property
    def raw_path(self) -> bytes:
        """Path and query, as they are sent."""
        path, _, query = super().raw_path.partition(b"?")
        return b"?".join(
            filter(None, [path, _joined(query, self.encoded_query, self._secret_query)])
        )

    @property
    def query(self) -> bytes:
        """The query, encoded, without the secret part."""
        return _joined(super().query, self.encoded_query)

    @property
    def params(self) -> httpx.QueryParams:
        """The query, decoded, without the secret part."""
        return httpx.QueryParams(self.query.decode("ascii"))

    def __str__(self) -> str:
        """The URL, without the secret part."""
        text, _, query = super().__str__().partition("?")
        return "?".join(
            filter(None, [text, _joined(query.encode(), self.encoded_query).decode("ascii")])
        )


def _joined(*parts: bytes) -> bytes:
    return b"&".join(part for part in parts if part)


class SigningTransport(httpx.AsyncBaseTransport):
    """Adds the credential to the requests to one origin and passes them on.

    Args:
        inner: Sends the signed requests.
        origin: The URL whose scheme, host and port may see the credential.
        authenticator: Adds the credential.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, origin: httpx.URL, authenticator: Authenticator
    ) -> None:
        self._inner = inner
        self._origin = _origin(origin)
        self._authenticator = authenticator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a signed copy; the request itself stays without a credential."""
        if _origin(request.url) == self._origin and not request.extensions.get("geobox_unsigned"):
            request = self._authenticator.sign(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._inner.aclose()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
