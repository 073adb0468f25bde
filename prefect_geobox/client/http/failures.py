"""The errors for requests that were not answered, and what a failure proves about a write.

A server that refuses an upload by its headers may close the connection while the body is still
sent. The answer that it has sent is lost then. So an upload that broke in its body is begun once
more, and the answer is read before more is sent than its beginning.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpcore
import httpx

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.http.tls_and_proxy import proxy_for
from prefect_geobox.client.model.errors import (
    TRANSIENT_STATUS_CODES,
    ApiRequestError,
    GeoboxConnectionError,
    GeoboxError,
    NotFoundError,
)
from prefect_geobox.client.model.text import error_text

#: Makes headers and body for one sending of an upload.
MakeUpload = Callable[[], tuple[Mapping[str, str], httpx.AsyncByteStream]]

#: Seconds that the beginning of an upload waits for the answer to it.
EARLY_ANSWER_TIME: Final = 3.0

#: Statuses that prove that a write was not carried out, so that it may be sent again.
_NOT_CARRIED_OUT: Final = frozenset({408, 425, 429, 503})


def failure_without_answer(
    error: Exception, settings: ConnectionSettings, method: str, path: str
) -> GeoboxConnectionError:
    """The error for a request that was not answered.

    Args:
        error: Of the HTTP library; its own text may hold a URL.
        settings: The server.
        method: The HTTP method.
        path: Below the base URL.
    """
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        waited_for_connection = isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout))
        return GeoboxConnectionError(
            f"{settings.host} did not answer {method} {path} within {settings.timeout:g} s.",
            reached=not waited_for_connection,
        )
    if isinstance(error, httpx.ConnectError):
        return _not_reached(settings.host, str(error))
    if isinstance(error, httpx.ProxyError):
        return _refused_by_proxy(settings, str(error))
    return GeoboxConnectionError(
        f"The connection to {settings.host} broke during {method} {path} ({type(error).__name__})."
    )


def was_not_carried_out(error: GeoboxError) -> bool:
    """Whether a failed write provably changed nothing, so that it can be sent again."""
    if not error.is_sent:
        # The login has its own retries.
        return False
    if isinstance(error, GeoboxConnectionError):
        return not error.reached and error.transient
    if isinstance(error, NotFoundError):
        # What it is about is new, and not visible yet.
        return error.transient
    return isinstance(error, ApiRequestError) and error.status_code in _NOT_CARRIED_OUT


def _refused_by_proxy(settings: ConnectionSettings, text: str) -> GeoboxConnectionError:
    """The error for a proxy that answered itself, before the server was reached.

    Args:
        settings: The server.
        text: The message of the HTTP library, with the status of the proxy in front if it sent one.
    """
    proxy = proxy_for(httpx.URL(settings.base_url))
    named = f"the proxy in {proxy.source}" if proxy else "the proxy"
    status = text[:3]
    is_refused = status.isdigit() and int(status) not in TRANSIENT_STATUS_CODES
    return GeoboxConnectionError(
        f"{settings.host} was not reached: {named} answered {error_text(text) or 'nothing'}. Check "
        "the user and password of the proxy and what it allows, or add the host to NO_PROXY.",
        reached=False,
        transient=not is_refused,
    )


def _not_reached(host: str, text: str) -> GeoboxConnectionError:
    """The error for a connection that could not be made.

    Args:
        host: The host.
        text: The message of the HTTP library.
    """
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in text:
        return GeoboxConnectionError(
            f"The TLS certificate of {host} was not accepted. Set verify to the path of the CA "
            "file that signed it.",
            reached=False,
            transient=False,
        )
    return GeoboxConnectionError(
        f"{host} was not reached: {error_text(text) or 'no connection'}. Check the host, the "
        "network and any proxy.",
        reached=False,
    )


class ObservedUpload:
    """An upload of which is known whether its body was sent to the end.

    Args:
        make_body: Makes its headers and body for one sending.
    """

    def __init__(self, make_body: MakeUpload) -> None:
        self._make_body = make_body
        self._is_sent = False
        self._open: list[AsyncIterator[bytes]] = []

    def whole(self) -> tuple[Mapping[str, str], httpx.AsyncByteStream]:
        """Headers and body for one sending."""
        headers, body = self._make_body()
        return headers, self._kept(self._observed(body))

    def beginning(self) -> tuple[Mapping[str, str], httpx.AsyncByteStream]:
        """The same headers and the first part of the body, after which the answer is read."""
        headers, body = self._make_body()
        return headers, self._kept(_begun(body))

    async def aclose(self) -> None:
        """Closes the file of a body that was not sent to its end."""
        while self._open:
            await _close(self._open.pop())

    def _kept(self, chunks: AsyncIterator[bytes]) -> _Body:
        self._open.append(chunks)
        return _Body(chunks)

    def is_cut_off(self, error: GeoboxError) -> bool:
        """Whether the connection of the last sending broke within its body."""
        return isinstance(error, GeoboxConnectionError) and error.reached and not self._is_sent

    async def _observed(self, body: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
        self._is_sent = False
        async with _closing(body) as chunks:
            async for chunk in chunks:
                yield chunk
        self._is_sent = True


async def _begun(body: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async with _closing(body) as chunks:
        async for chunk in chunks:
            yield chunk
            break
    # After this error, as after one of the network, the HTTP library reads what has arrived.
    raise httpcore.WriteError("the rest is not sent")


@asynccontextmanager
async def _closing(body: httpx.AsyncByteStream) -> AsyncIterator[AsyncIterator[bytes]]:
    """The chunks of a body, whose file is closed even if they are not all taken."""
    chunks = aiter(body)
    try:
        yield chunks
    finally:
        await _close(chunks)


async def _close(chunks: AsyncIterator[bytes]) -> None:
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks
