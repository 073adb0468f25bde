"""One websocket connection to Prefect that receives the state-change events of flow runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from prefect.events.clients import PrefectEventSubscriber, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import Event

from prefect_geobox.client.http.io_thread import io_thread

#: Seconds that a server may take to act on a filter that it has received.
_SETTLE_SECONDS: Final = 2.0

#: Seconds between two pings, and seconds that the answer may take: an unanswered one ends the
#: subscription within 5 s, where the websocket library would notice after 40 s.
_PING_SECONDS: Final = 2.0
_PONG_SECONDS: Final = 2.5

#: Seconds that the closing handshake may take.
_CLOSE_SECONDS: Final = 1.0

#: The prefix of the ids of flow runs as resources, and of the names of their events.
_FLOW_RUN: Final = "prefect.flow-run."

#: The types of the states that a monitor reacts to. A run that is out of time has failed.
_STATE_TYPES: Final = frozenset({"CANCELLING", "CANCELLED", "FAILED"})


class EventSubscription:
    """One connection that receives the state-change events of some flow runs.

    Args:
        run_ids: The flow runs.
        on_change: Called with the id of the flow run on each event that matters.
        on_end: Called when the connection has ended.
    """

    def __init__(
        self,
        run_ids: frozenset[UUID],
        on_change: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.run_ids = run_ids
        self.was_closed = False
        self._on_change = on_change
        self._on_end = on_end
        self._ended = asyncio.Event()
        self._subscriber: PrefectEventSubscriber | None = None
        self._websocket: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def has_ended(self) -> bool:
        """Whether it receives nothing any more."""
        return self._ended.is_set()

    async def open(self, seconds: float) -> None:
        """Connects, in a limited time."""
        _silence_frames()
        self._subscriber = get_events_subscriber(_filter(self.run_ids), reconnection_attempts=0)
        await asyncio.wait_for(self._subscriber.__aenter__(), seconds)
        self._websocket = websocket_of(self._subscriber)
        create_task = asyncio.get_running_loop().create_task
        self._tasks = [create_task(self._receive(self._subscriber)), create_task(self._ping())]

    async def settle(self) -> None:
        """Waits until the server has certainly acted on the filter.

        Raises:
            ConnectionError: It has closed the connection instead.
        """
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _SETTLE_SECONDS)
            raise ConnectionError

    async def close(self) -> None:
        """Ends the connection, in a limited time."""
        for task in self._tasks:
            task.cancel()
        if self._subscriber is None:
            return
        # An attempt that was cut short may have left one too.
        websocket = self._websocket or websocket_of(self._subscriber)
        try:
            with suppress(Exception):
                await asyncio.wait_for(self._subscriber.__aexit__(None, None, None), _CLOSE_SECONDS)
        finally:
            with suppress(Exception):
                websocket.transport.abort()

    async def _receive(self, subscriber: PrefectEventSubscriber) -> None:
        with suppress(Exception):
            async for event in subscriber:
                if _matters(event):
                    self._on_change(event.resource.id.removeprefix(_FLOW_RUN))
        if not self.has_ended:
            self.was_closed = True
            self._end()

    async def _ping(self) -> None:
        # Whatever else is raised: the connection is closed, which the receiver sees.
        with suppress(Exception):
            while self._websocket is not None:
                await asyncio.sleep(_PING_SECONDS)
                try:
                    await asyncio.wait_for(_pong(self._websocket), _PONG_SECONDS)
                except asyncio.TimeoutError:
                    self._end()
                    return

    def _end(self) -> None:
        self._ended.set()
        self._on_end()


def websocket_of(subscriber: PrefectEventSubscriber) -> Any:
    """The websocket of a subscriber that has connected; None if it cannot be found.

    Prefect keeps it in a private attribute. Without it, a connection that dies without being closed
    is noticed only by the websocket library, after 40 s.
    """
    websocket = getattr(subscriber, "_websocket", None)
    return websocket if hasattr(websocket, "ping") and hasattr(websocket, "transport") else None


async def _pong(websocket: Any) -> None:
    await (await websocket.ping())


def _filter(run_ids: frozenset[UUID]) -> EventFilter:
    return EventFilter(
        event=EventNameFilter(prefix=[_FLOW_RUN], exclude_prefix=[f"{_FLOW_RUN}heartbeat"]),
        resource=EventResourceFilter(id=[f"{_FLOW_RUN}{run_id}" for run_id in sorted(run_ids)]),
    )


def _matters(event: Event) -> bool:
    # Users may give states any name, so the type counts; an event without one is better heeded.
    return event.resource.get("prefect.state-type", "CANCELLING") in _STATE_TYPES


class _WithoutFrames(logging.Filter):
    """Drops what the websocket library logs of this package's connections: all headers and texts.

    Both contain the credentials for Prefect.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or not io_thread().is_current


_without_frames: Final = _WithoutFrames()


def _silence_frames() -> None:
    logging.getLogger("websockets.client").addFilter(_without_frames)
