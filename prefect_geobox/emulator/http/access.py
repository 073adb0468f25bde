"""Authentication: one user with a password, one API key, and the tokens that were issued."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from prefect_geobox.emulator.http.recording import apikey_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_PATH = "/v1/auth/token"  # noqa: S105
_TOKEN_LIFETIME = 24 * 3600


class Access:
    """The credentials of the emulator's one user.

    Args:
        username: The user; a random one if None.
        password: The password; a random one if None.
        apikey: The API key; a random one if None.

    Attributes:
        is_key_withdrawn: Whether the key is invalid at present.
    """

    def __init__(self, username: str | None, password: str | None, apikey: str | None) -> None:
        self.username = username or f"demo-{secrets.token_hex(3)}"
        self.password = password or secrets.token_urlsafe(12)
        self.apikey = apikey or secrets.token_hex(20)
        self.is_key_withdrawn = False
        self._tokens: set[str] = set()

    def log_in(self, username: str, password: str) -> str | None:
        """Issues a token, or returns None if the user or password is wrong."""
        if not (_same(username, self.username) and _same(password, self.password)):
            return None
        token = _token(username)
        self._tokens.add(token)
        return token

    def revoke_tokens(self) -> None:
        """Makes every token issued so far invalid."""
        self._tokens.clear()

    def is_authorized(self, authorization: str | None, apikey: str | None) -> bool:
        """Whether the credentials of a request are valid.

        A guess: a wrong token is refused even if a valid key is sent with it.
        """
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return scheme.lower() == "bearer" and token in self._tokens
        return apikey is not None and _same(apikey, self.apikey) and not self.is_key_withdrawn


class Authentication:
    """ASGI middleware that answers 401 to a request without a valid token or key."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers 401."""
        if scope["type"] == "http" and scope["path"] != TOKEN_PATH:
            authorization = Headers(scope=scope).get("authorization")
            if not self._access.is_authorized(authorization, apikey_of(scope)):
                await JSONResponse(
                    {"detail": "Could not validate credentials"},
                    401,
                    headers={"WWW-Authenticate": "Bearer"},
                )(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def _token(username: str) -> str:
    # In the form of a JWT, because clients read `exp` from it. The last part is random.
    now = int(time.time())
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": username, "iat": now, "exp": now + _TOKEN_LIFETIME}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(32)])
