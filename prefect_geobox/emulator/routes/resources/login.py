"""`auth/token/`: an access token for a user and a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.emulator.http.access import TOKEN_PATH
from prefect_geobox.emulator.http.errors import ApiError
from prefect_geobox.emulator.http.parameters import required
from prefect_geobox.emulator.http.request_body import body_of
from prefect_geobox.emulator.state.emulator_state import state_of

if TYPE_CHECKING:
    from starlette.requests import Request


async def log_in(request: Request) -> Response:
    """`POST auth/token/`."""
    body = body_of(request)
    username, password = required(body, "username"), required(body, "password")
    token = state_of(request).access.log_in(username, password)
    if token is None:
        raise ApiError(401, "Incorrect username or password")
    return JSONResponse({"access_token": token, "token_type": "bearer"})


ROUTES = [Route(TOKEN_PATH, log_in, methods=["POST"])]
