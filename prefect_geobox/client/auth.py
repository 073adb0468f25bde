"""Puts the credential on requests, below everything that logs or keeps them.

HTTP libraries write request URLs to their logs and hang requests on their exceptions. The API wants
a key in the URL. So the requests that those libraries see carry no credential; it is added in the
transport underneath, to a copy that nobody else holds.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import httpx

from prefect_geobox.client.errors import AuthenticationError, GeoboxError
from prefect_geobox.client.settings import Credential

#: Below this length a text is too common to be taken for a secret wherever it occurs.
_SHORTEST_SCRUBBED = 8


class Authenticator:
    """The credential of one connection, and the token that a password has bought.

    Args:
        credential: Who asks.
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
        """How often a token was bought: tells which one a request carried, without naming it."""
        return self._logins

    @property
    def can_log_in(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._credential.kind == "password"

    @property
    def is_refused(self) -> bool:
        """Whether the password was refused."""
        return self._refused is not None

    async def ready(self) -> None:
        """Logs in where that is needed and has not been done."""
        if self.can_log_in and self._token is None:
            await self.renew(self._logins)

    async def renew(self, logins: int) -> None:
        """Replaces a token that was refused; once for all who were refused with it.

        A password that was refused is not tried again by this connection: accounts lock.

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
        if self._token is not None:
            signed.headers["Authorization"] = f"Bearer {self._token}"
        elif self._credential.kind == "apikey":
            signed.url = _SignedUrl(request.url, {"apikey": self._credential.secret})
        return signed

    def scrub(self, text: str) -> str:
        """Takes the secrets out of a text that the server sent back."""
        for secret in (self._credential.secret, self._token):
            if secret and len(secret) >= _SHORTEST_SCRUBBED and secret in text:
                text = text.replace(secret, "***")
        return text


class _SignedUrl(httpx.URL):
    """A URL with a parameter that it has on the wire and in none of its texts.

    Nor is the rest of the query read and written anew for it, which takes a millisecond where the
    query names many remote tasks.
    """

    def __init__(self, url: httpx.URL, parameter: dict[str, str]) -> None:
        super().__init__(url)
        self._parameter = urlencode(parameter).encode()

    @property
    def raw_path(self) -> bytes:
        """Path and query, as they are sent."""
        path = super().raw_path
        return path + (b"&" if b"?" in path else b"?") + self._parameter


class SigningTransport(httpx.AsyncBaseTransport):
    """Signs the requests to one origin and sends them on.

    Args:
        inner: Sends for real.
        origin: The URL whose scheme, host and port may see the credential.
        authenticator: Signs.
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
