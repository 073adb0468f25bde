"""Reads many remote tasks with one request, from a list that is checked against single reads.

How a server treats the filter and the pages of its list is not known beforehand. It is learned from
the answers and logged once; what does not work is avoided and tried again later.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final

from prefect_geobox.client.http.encoding import Params
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import ApiRequestError, GeoboxError
from prefect_geobox.client.polling.list_strategies import (
    CHUNK,
    FilteredList,
    ListStrategy,
    PagedList,
    Problem,
    Reading,
    SingleReads,
    Turn,
    Way,
)
from prefect_geobox.client.polling.task_rows import Row, parse_rows

logger = logging.getLogger(__name__)

#: Seconds that a list may take; a single read has the whole request timeout.
LIST_TIME: Final = 10.0

#: Seconds after which what did not work is tried again; doubles each time.
_PROBE_PAUSE: Final = 60.0
_LONGEST_PROBE_PAUSE: Final = 960.0

#: Failures in a row from which a single read is to show whether only the list fails, and from which
#: the single reads are believed.
_DOUBTFUL: Final = 3
_HOPELESS: Final = 5

#: Seconds after which a list that failed is tried again; doubles each time.
_FAILURE_PAUSE: Final = 5.0


class BatchReader:
    """Reads the list of remote tasks of one connection in the best way that the server supports.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._filtered = FilteredList(self._request_rows, transport.clock)
        self._strategies: dict[Way, ListStrategy] = {
            Way.FILTER: self._filtered,
            Way.PAGES: PagedList(self._request_rows, self._log_once),
            Way.SINGLE: SingleReads(),
        }
        self._way = Way.FILTER
        self._probe_at = 0.0
        self._probe_pause = _PROBE_PAUSE
        self._before_probe: Way | None = None
        self._failures = 0
        self._logged: set[str] = set()

    @property
    def is_doubtful(self) -> bool:
        """Whether it has failed so often that a single read should show whether all reads fail."""
        return self._failures >= _DOUBTFUL

    @property
    def reads_all(self) -> bool:
        """Whether one read covers all remote tasks, so that two at once are one too many."""
        return self._way is Way.PAGES

    def capacity(self, now: float) -> int:
        """How many remote tasks the next read may ask for; 0 where lists cannot be used."""
        is_limited = self._way is not Way.FILTER or self._filtered.capacity < CHUNK
        if is_limited and now >= self._probe_at:
            if self._way is not Way.FILTER:
                self._before_probe = self._way
            self._way = Way.FILTER
            for strategy in self._strategies.values():
                strategy.reset()
            self._postpone_probe(now)
        return self._strategies[self._way].capacity

    def note_ended(self, uuid: str, now: float) -> None:
        """Records that a single read has seen this one end: a list must not contradict that."""
        self._filtered.note_ended(uuid, now)

    def note_control_read(self, *, succeeded: bool, now: float) -> None:
        """Records what a single read shows of a list in doubt: only the list fails, or all does."""
        if not succeeded:
            self._failures = 0
        elif self._failures >= _HOPELESS:
            self._failures = 0
            if self._before_probe is None:
                self._probe_pause = _FAILURE_PAUSE
            self._fall_back(Way.SINGLE, "fails while single reads succeed", now)

    async def read(self, uuids: Collection[str], turn: Turn) -> Reading:
        """Reads the states of remote tasks from the list; never raises.

        Args:
            uuids: Those of interest; no more than `capacity`.
            turn: Awaited before each request.
        """
        strategy, began = self._strategies[self._way], self._clock.monotonic()
        try:
            reading = await strategy.read(uuids, turn)
        except GeoboxError as error:
            return self._failed(error, strategy, set(uuids))
        except Exception as error:  # noqa: BLE001 - a failed batch read never ends a wait
            now = self._clock.monotonic()
            self._fall_back(Way.SINGLE, f"cannot be read ({type(error).__name__})", now)
            return Reading(missing=set(uuids), is_final=True)
        now = self._clock.monotonic()
        self._failures = 0
        self._handle(reading.problem, now)
        self._handle(strategy.problem_of_duration(now - began), now)
        if self._way is strategy.way is Way.FILTER and self._before_probe is not None:
            self._before_probe = None
            self._probe_pause = _PROBE_PAUSE
            self._logged.clear()
            logger.info("Lists of remote tasks are read filtered by uuid again.")
        return reading

    def _failed(self, error: GeoboxError, strategy: ListStrategy, uuids: set[str]) -> Reading:
        if error.transient:
            self._failures += 1
            return Reading(missing=uuids, error=error)
        code = error.status_code if isinstance(error, ApiRequestError) else 0
        if code in (401, 403):
            problem = Problem(f"is refused ({code})", Way.SINGLE)
        else:
            problem = strategy.problem_of_refusal(code)
        self._handle(problem, self._clock.monotonic())
        return Reading(missing=uuids, is_void=True)

    async def _request_rows(self, turn: Turn, filters: Mapping[str, str | int]) -> list[Row]:
        params: Params = [
            ("f", "json"),
            ("return_count", "False"),
            ("shared", "False"),
            *((name, str(value)) for name, value in filters.items()),
        ]
        await turn()
        return await self._transport.attempt_json(
            "GET",
            "tasks/",
            parse_rows,
            params=params,
            within=min(LIST_TIME, self._transport.settings.timeout),
        )

    def _handle(self, problem: Problem | None, now: float) -> None:
        if problem is None:
            return
        if problem.fallback is not None:
            self._fall_back(problem.fallback, problem.reason, now)
            return
        self._probe_at = max(self._probe_at, now + self._probe_pause)
        self._log_once(
            "chunk",
            f"The list of remote tasks {problem.reason}; requesting {self._filtered.capacity} "
            "at once.",
        )

    def _fall_back(self, way: Way, reason: str, now: float) -> None:
        if self._before_probe is not None:
            # The probe has failed: back to the way that was used before it.
            way = self._before_probe if way is Way.PAGES else way
            self._before_probe = None
        self._way = way
        self._filtered.forget_ended()
        self._postpone_probe(now)
        self._log_once(reason, f"The list of remote tasks {reason}; using {way.value} instead.")

    def _postpone_probe(self, now: float) -> None:
        self._probe_at = now + self._probe_pause
        self._probe_pause = min(2 * self._probe_pause, _LONGEST_PROBE_PAUSE)

    def _log_once(self, key: str, text: str) -> None:
        if key not in self._logged:
            self._logged.add(key)
            logger.info(text)
