"""The state shared by the clients of a process: a connection and a poller per host and account."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Final

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.io_thread import on_stop
from prefect_geobox.client.http.rate_limit import HostRateLimits, join_limits, leave_limits
from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.polling.poller import TaskPoller
from prefect_geobox.client.submission import Submissions

#: Seconds for which an unused connection is kept, so that the next step can reuse it.
LINGER: Final = 10.0

_Key = tuple[ConnectionSettings, Clock]


@dataclass
class Session:
    """A shared connection with its poller. Made and closed on the I/O thread."""

    key: _Key
    transport: Transport
    poller: TaskPoller
    submissions: Submissions
    limits: HostRateLimits
    users: int = 0
    pid: int = field(default_factory=os.getpid)
    closing: asyncio.TimerHandle | None = None
    closed: asyncio.Task[None] | None = None


_sessions: dict[_Key, Session] = {}

#: The sessions of the process that this one was forked from. Kept, because destroying them would
#: close connections that this process has not opened, with a warning for each.
_inherited: list[Session] = []


def acquire(settings: ConnectionSettings, clock: Clock) -> Session:
    """Joins the session for these settings, or creates it. Runs on the I/O thread."""
    key = (settings, clock)
    session = _sessions.get(key)
    if session is None or session.transport.is_refused:
        limits = join_limits(settings.host, settings.requests_per_second, clock)
        try:
            transport = Transport(settings, clock, limits)
        except BaseException:
            leave_limits(limits)
            raise
        session = _sessions[key] = Session(
            key,
            transport,
            TaskPoller(transport, limits),
            Submissions(clock, transport.recent_names.note),
            limits,
        )
    session.users += 1
    if session.closing:
        session.closing.cancel()
        session.closing = None
    return session


async def release(session: Session) -> None:
    """Leaves the session; it is closed `LINGER` seconds after the last client has left."""
    session.users -= 1
    if session.users > 0:
        return
    if session.transport.is_refused:
        await _close(session)
        return
    loop = asyncio.get_running_loop()

    def close_now() -> None:
        # The event loop keeps only a weak reference to its tasks.
        session.closed = loop.create_task(_close(session))

    session.closing = loop.call_later(LINGER, close_now)


async def close_all() -> None:
    """Closes every session. Runs on the I/O thread."""
    for session in list(_sessions.values()):
        await _close(session)


async def _close(session: Session) -> None:
    if session.closing:
        session.closing.cancel()
    if _sessions.get(session.key) is session:
        del _sessions[session.key]
        leave_limits(session.limits)
    session.poller.close()
    await session.transport.aclose()


def _keep_inherited_after_fork() -> None:
    _inherited.extend(_sessions.values())
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited_after_fork)

on_stop(close_all)
