"""The one client of a process for Prefect's API; its calls tolerate an outage of the server.

A new client of Prefect gives up on the first `ConnectError`; one that has connected before retries
for a minute. All code of this package therefore shares one client, with a budget of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from prefect_geobox.client.http.io_thread import on_stop
from prefect_geobox.client.model.errors import GeoboxError
from prefect_geobox.ownership.run_context import run_logger

logger = logging.getLogger(__name__)

#: Seconds of an unbroken outage of Prefect's API that a call tolerates.
_OUTAGE_SECONDS: Final = 300.0

#: Answers of a server, or of a proxy in front of it, that a later call may not get.
_TRANSIENT_STATUSES: Final = frozenset({408, 429, 502, 503, 504})


class PrefectApiError(GeoboxError):
    """Prefect's API could not be reached for too long; the message names the server."""


class AccountKey(NamedTuple):
    """The server and the account that Prefect's settings name. Contains secrets."""

    url: str | None
    api_key: str | None
    auth_string: str | None

    def __repr__(self) -> str:
        return type(self).__name__


def account_key() -> AccountKey:
    """The server and the account of the calling code."""
    return AccountKey(
        PREFECT_API_URL.value(), PREFECT_API_KEY.value(), PREFECT_API_AUTH_STRING.value()
    )


#: The connected clients: of each address and account that the settings name, the one that the I/O
#: thread uses. Usually there is one.
_clients: dict[AccountKey, PrefectClient] = {}

if hasattr(os, "register_at_fork"):
    # A child does not use the connections of its parent.
    os.register_at_fork(after_in_child=_clients.clear)


async def prefect_client() -> PrefectClient:
    """The client of this process, as Prefect makes it. Lives on the I/O thread."""
    key = account_key()
    client = _clients.get(key)
    if client is None or client.loop is not asyncio.get_running_loop():
        # Settings of its own keep Prefect from handing out the client of the current flow run.
        client = get_client(httpx_settings={})
        _clients[key] = client
        await client.__aenter__()
    return client


async def prefect_api(outage: float | None = None) -> PrefectClient:
    """The client of this process; each call of it is repeated while the server is away.

    Must be called on the I/O thread.

    Args:
        outage: Seconds of an unbroken outage that a call tolerates; 300 by default.

    Raises:
        PrefectApiError: By each call: the server was away for longer.
    """
    api = _TolerantApi(await prefect_client(), _OUTAGE_SECONDS if outage is None else outage)
    # It has all methods of the client, by delegation.
    return cast("PrefectClient", api)


@dataclass(frozen=True)
class _TolerantApi:
    """A Prefect client whose calls are repeated while the server cannot be reached."""

    client: PrefectClient
    outage: float

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.client, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return functools.partial(self._call, attribute)

    async def _call(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_delay(self.outage),
            wait=wait_random_exponential(multiplier=0.5, max=5.0),
            before_sleep=self._log_outage,
            reraise=True,
        )
        try:
            result: Any = await retrying(method, *args, **kwargs)
        except Exception as error:
            if not _is_transient(error):
                raise
            failure = _brief(error)
        else:
            if (retrying.statistics.get("attempt_number") or 1) > 1:
                run_logger().info("The Prefect server answers again.")
            return result
        raise PrefectApiError(
            f"The Prefect server at {self._address()} could not be reached for {self.outage:g} s: "
            f"{failure}. Check that it runs and that PREFECT_API_URL names it; a retry of the run "
            "continues where this one stopped."
        )

    def _log_outage(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number != 1 or error is None:
            return
        if isinstance(error, PrefectHTTPStatusError) and error.response.status_code == 429:
            run_logger().warning(
                "The Prefect server at %s limits the requests of this account (HTTP 429); retrying "
                "for up to %g s. Let fewer runs and steps go on at the same time, or ask for a "
                "higher limit.",
                self._address(),
                self.outage,
            )
        else:
            run_logger().warning(
                "The Prefect server at %s cannot be reached; retrying for up to %g s. %s",
                self._address(),
                self.outage,
                _brief(error),
            )

    def _address(self) -> str:
        url = self.client.api_url
        return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")


async def put_artifact(
    prefect: PrefectClient,
    artifact_id: UUID | None,
    content: Mapping[str, Any],
    fixed: Mapping[str, Any],
) -> UUID:
    """Creates an artifact or replaces its content; one that someone has deleted is created again.

    Calls `POST artifacts/` or `PATCH artifacts/{id}`. The methods of Prefect's client would send
    the whole content as an event too.

    Args:
        prefect: Writes.
        artifact_id: The artifact; None for a new one.
        content: Its data, and what else may change.
        fixed: What only a new one is given: its type, its key, its runs.

    Returns:
        The id of the artifact.
    """
    if artifact_id is not None:
        try:
            await prefect.request(
                "PATCH",
                "/artifacts/{id}",
                path_params={"id": artifact_id},
                json=dict(content),
            )
            return artifact_id
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 404:
                raise
    answer = await prefect.request("POST", "/artifacts/", json={**fixed, **content})
    return UUID(answer.json()["id"])


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code in _TRANSIENT_STATUSES
    return isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.UnsupportedProtocol
    )


def _brief(error: BaseException) -> str:
    if isinstance(error, PrefectHTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _close_clients() -> None:
    clients = list(_clients.values())
    _clients.clear()
    for client in clients:
        # Those of a loop that has been closed cannot be closed any more.
        with contextlib.suppress(Exception):
            await client.__aexit__(None, None, None)


on_stop(_close_clients)
