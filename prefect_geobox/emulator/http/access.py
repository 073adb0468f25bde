"""Who may in: one user with a password, one API key, and the tokens given out."""

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
        username: The user; a random one where None.
        password: The password; a random one where None.
        apikey: The API key; a random one where None.

    Attributes:
        is_key_withdrawn: Whether the key is worthless at present.
    """

    def __init__(self, username: str | None, password: str | None, apikey: str | None) -> None:
        self.username = username or f"demo-{secrets.token_hex(3)}"
        self.password = password or secrets.token_urlsafe(12)
        self.apikey = apikey or secrets.token_hex(20)
        self.is_key_withdrawn = False
        self._tokens: set[str] = set()

    def log_in(self, username: str, password: str) -> str | None:
        """Gives out a token, or None where user and password are wrong."""
        if not (_same(username, self.username) and _same(password, self.password)):
            return None
        token = _token(username)
        self._tokens.add(token)
        return token

    def revoke_tokens(self) -> None:
        """Makes every token given out so far worthless."""
        self._tokens.clear()

    def admits(self, authorization: str | None, apikey: str | None) -> bool:
        """Whether a request may pass.

        A guess: a token that is there but wrong is not made good by a key.
        """
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return scheme.lower() == "bearer" and token in self._tokens
        return apikey is not None and _same(apikey, self.apikey) and not self.is_key_withdrawn


class Authentication:
    """ASGI middleware that answers 401 to whoever brings neither a token nor the key."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers 401."""
        if scope["type"] == "http" and scope["path"] != TOKEN_PATH:
            authorization = Headers(scope=scope).get("authorization")
            if not self._access.admits(authorization, apikey_of(scope)):
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
    # Looks like a JWT, because clients read `exp` from it. The last part is only random.
    now = int(time.time())
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": username, "iat": now, "exp": now + _TOKEN_LIFETIME}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(32)])
