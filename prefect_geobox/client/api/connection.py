"""A client's own state: where it connects, and its share of the process's connections."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

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

_warned_of: set[str] = set()


def _warn_of_unverified(settings: ConnectionSettings) -> None:
    if settings.base_url.startswith("https:") and settings.host not in _warned_of:
        _warned_of.add(settings.host)
        logger.warning(
            "TLS CERTIFICATES OF %s ARE NOT VERIFIED: anybody on the way can read the credential "
            "and the data. Set verify to the path of a CA file instead of false.",
            settings.host,
        )


class AsyncConnection:
    """What all verbs stand on. See `AsyncGeoboxClient` for the arguments."""

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
        # Connections stay where they are; the copy joins those of its own process.
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
        """Gives the shared connections back. The client can still be used; it then rejoins.

        Returns at once and needs no event loop, so that it works in any clean-up.
        """
        io_thread().submit_if_running(self._leave())

    async def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.pid == os.getpid():
            await sessions.release(session)

    @property
    def requests(self) -> int:
        """Requests sent over the shared connection, by whichever client of the process."""
        return self._session.transport.requests if self._session else 0

    def joined(self) -> sessions.Session:
        """The shared connection. Only for code that runs on the I/O thread."""
        # After a fork, the session of the parent is not ours to use.
        if self._session is None or self._session.pid != os.getpid():
            self._session = sessions.acquire(self.settings, self.clock)
        return self._session

    def poller(self) -> TaskPoller:
        """The poller of the shared connection. Only for code that runs on the I/O thread."""
        return self.joined().poller

    async def before(self, submission: Submission[Found]) -> frozenset[str] | None:
        """What is there already, for a `submit` or a `find` that comes later."""

        async def read() -> frozenset[str] | None:
            return await self.joined().submissions.before(submission)

        return await io_thread().arun(read())

    async def submit(
        self, submission: Submission[Found], before: frozenset[str] | None = None
    ) -> Found:
        """Sends a submission so that it is carried out at most once.

        Args:
            submission: What to send.
            before: What `before` has returned; read first where it is not given.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
            GeoboxError: It was not carried out.
        """

        async def send() -> Found:
            return await self.joined().submissions.submit(submission, before)

        return await io_thread().arun(send())

    async def find(
        self, submission: Submission[Found], before: frozenset[str], *, is_alone: bool = True
    ) -> Found | None:
        """Finds what came of a submission whose sender is gone; None where nothing came of it.

        Args:
            submission: What was to be sent.
            before: What was there before that, or is known to have come of something else.
            is_alone: Whether nothing else of its kind was about to be sent when its sender ended.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
        """

        async def look() -> Found | None:
            submissions = self.joined().submissions
            return await submissions.find(submission, before, is_alone=is_alone)

        return await io_thread().arun(look())

    async def _read(
        self,
        path: str,
        parse: Callable[[Any], T],
        params: Params = (),
        retry: RetryPolicy | None = None,
    ) -> T:
        async def read() -> T:
            transport = self.joined().transport
            return await transport.read(path, parse, params=params, retry=retry or self._retry)

        return await io_thread().arun(read())
