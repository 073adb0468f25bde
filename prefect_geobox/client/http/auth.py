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

from prefect_geobox.client.http.settings import Credential
from prefect_geobox.client.model.errors import AuthenticationError, GeoboxError

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
        hidden = b""
        if self._token is not None:
            signed.headers["Authorization"] = f"Bearer {self._token}"
        elif self._credential.kind == "apikey":
            hidden = urlencode({"apikey": self._credential.secret}).encode("ascii")
        added = request.url.added if isinstance(request.url, SentUrl) else b""
        signed.url = SentUrl(request.url, added, hidden)
        return signed

    def scrub(self, text: str) -> str:
        """Takes the secrets out of a text that the server sent back."""
        for secret in (self._credential.secret, self._token):
            if secret and len(secret) >= _SHORTEST_SCRUBBED and secret in text:
                text = text.replace(secret, "***")
        return text


class SentUrl(httpx.URL):
    """A URL with a query that is written once, as it is sent.

    httpx writes, checks and quotes a query several times over, which takes a millisecond where it
    names many remote tasks.

    Args:
        url: All else.
        added: What comes to the query of that, encoded.
        hidden: What comes to it on the wire only, encoded, and stands in no text.
    """

    def __init__(self, url: httpx.URL, added: bytes = b"", hidden: bytes = b"") -> None:
        super().__init__(url)
        self.added = added
        self._hidden = hidden

    @property
    def raw_path(self) -> bytes:
        """Path and query, as they are sent."""
        path, _, query = super().raw_path.partition(b"?")
        return b"?".join(filter(None, [path, _joined(query, self.added, self._hidden)]))

    @property
    def query(self) -> bytes:
        """The query, encoded, without what is hidden."""
        return _joined(super().query, self.added)

    @property
    def params(self) -> httpx.QueryParams:
        """The query, decoded, without what is hidden."""
        return httpx.QueryParams(self.query.decode("ascii"))

    def __str__(self) -> str:
        """The URL, without what is hidden."""
        text, _, query = super().__str__().partition("?")
        return "?".join(filter(None, [text, _joined(query.encode(), self.added).decode("ascii")]))


def _joined(*parts: bytes) -> bytes:
    return b"&".join(part for part in parts if part)


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
