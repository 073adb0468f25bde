"""The connection of a client, which it shares with the other clients of the process."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Any, Final, TypeVar

from typing_extensions import Self, Unpack

from prefect_geobox.client.api import session as sessions
from prefect_geobox.client.http.clock import SYSTEM_CLOCK, Clock
from prefect_geobox.client.http.encoding import Params
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.http.settings import (
    CONNECTION_DEFAULTS,
    ConnectionOptions,
    ConnectionSettings,
)
from prefect_geobox.client.model.options import complete_options
from prefect_geobox.client.polling.poller import TaskPoller
from prefect_geobox.client.submission import Found, Submission

T = TypeVar("T")


logger = logging.getLogger(__name__)

#: Items in one request.
_PAGE: Final = 100

#: What the API sends where no number is asked for. No server sends fewer while there are more.
_SHORTEST_PAGE: Final = 10

_warned_of: set[str] = set()


def _warn_of_unverified(settings: ConnectionSettings) -> None:
    if settings.base_url.startswith("https:") and settings.host not in _warned_of:
        _warned_of.add(settings.host)
        logger.warning(
            "TLS CERTIFICATES OF %s ARE NOT VERIFIED: anyone on the network path can read "
            "the credential and the data. Set verify to the path of a CA file instead of false.",
            settings.host,
        )


class Connection:
    """Connection state shared by all client methods. Arguments as of `AsyncGeoboxClient`."""

    def __init__(
        self,
        host: str | None = None,
        version: str | None = None,
        *,
        settings: ConnectionSettings | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        # A misspelled option is refused beside `settings` too, which replace the others.
        complete_options(CONNECTION_DEFAULTS, options)
        self.settings = settings or ConnectionSettings.resolve(host, version, **options)
        if self.settings.verify is False:
            _warn_of_unverified(self.settings)
        self.clock = clock
        self._retry = retry or RetryPolicy()
        self._session: sessions.Session | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Connections are not copied: the copy joins those of its own process.
        return {**self.__dict__, "_session": None}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.settings.base_url!r}, "
            f"{self.settings.credential.principal!r})"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the shared connection. The client can still be used; it then joins again.

        Returns at once and needs no event loop, so that it works in any cleanup.
        """
        io_thread().submit_if_running(self._leave())

    async def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.pid == os.getpid():
            await sessions.release(session)

    @property
    def requests(self) -> int:
        """Requests sent over the shared connection, by all clients of the process."""
        return self._session.transport.requests if self._session else 0

    def shared_session(self) -> sessions.Session:
        """The shared connection, which it joins. Only for code that runs on the I/O thread."""
        # After a fork, the session belongs to the parent process.
        if self._session is None or self._session.pid != os.getpid():
            self._session = sessions.acquire(self.settings, self.clock)
        return self._session

    def poller(self) -> TaskPoller:
        """The poller of the shared connection. Only for code that runs on the I/O thread."""
        return self.shared_session().poller

    async def existing(self, submission: Submission[Found]) -> frozenset[str] | None:
        """The uuids that exist already, for a later `submit` or `find`; None if unknown."""

        async def read() -> frozenset[str] | None:
            return await self.shared_session().submissions.existing(submission)

        return await io_thread().arun(read())

    async def submit(
        self, submission: Submission[Found], existing: frozenset[str] | None = None
    ) -> Found:
        """Sends a submission so that it is carried out at most once.

        Args:
            submission: What to send.
            existing: As `existing` returns it; read first where it is not given.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
            GeoboxError: It was not carried out.
        """

        async def send() -> Found:
            return await self.shared_session().submissions.submit(submission, existing)

        return await io_thread().arun(send())

    async def find(
        self,
        submission: Submission[Found],
        existing: frozenset[str],
        *,
        is_alone: bool = True,
        rivals: Collection[str] = (),
    ) -> Found | None:
        """Finds the result of a submission whose sender has ended; None where there is none.

        Args:
            submission: The submission, which may have been sent.
            existing: The uuids that existed before, or are known results of others.
            is_alone: Whether no other with its similarity key was about to be sent when its sender
                ended.
            rivals: The similarity keys of others of its kind that were, besides its own.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
        """

        async def find() -> Found | None:
            submissions = self.shared_session().submissions
            return await submissions.find(submission, existing, is_alone=is_alone, rivals=rivals)

        return await io_thread().arun(find())

    async def _read(
        self,
        path: str,
        parse: Callable[[Any], T],
        params: Params = (),
        retry: RetryPolicy | None = None,
        new: str | None = None,
    ) -> T:
        """Reads and parses on the I/O thread, with retries.

        Args:
            path: Below the base URL.
            parse: Makes the value.
            params: The query.
            retry: How long to tolerate failures; as the client's other reads by default.
            new: The identifier of what was made a moment ago, if that is what is read.
        """

        async def read() -> T:
            transport = self.shared_session().transport
            if new is not None:
                transport.recent_names.note(new)
            return await transport.read(path, parse, params=params, retry=retry or self._retry)

        return await io_thread().arun(read())


def page_params(skip: int) -> list[tuple[str, str]]:
    """The part of a query that asks for the items after the first `skip`."""
    return [("skip", str(skip)), ("limit", str(_PAGE))]


async def read_all(
    read_page: Callable[[int], Awaitable[list[T]]], key: Callable[[T], str]
) -> list[T]:
    """Reads a list to its end, whatever the server sends at once; each item once.

    Args:
        read_page: Reads the items after the first so many.
        key: Identifies an item.
    """
    found: dict[str, T] = {}
    skip = 0
    while True:
        page = await read_page(skip)
        known = len(found)
        found.update((key(item), item) for item in page)
        skip += len(page)
        # A server that does not know `skip` sends the same page again.
        if len(page) < _SHORTEST_PAGE or len(found) == known:
            return list(found.values())
