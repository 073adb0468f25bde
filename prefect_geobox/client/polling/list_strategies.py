"""The ways to read many remote tasks with one request, each with what it learns of the server.

A strategy reads, and checks the answers. It does not fall back by itself: it reports a `Problem`,
and `BatchReader` decides what to do about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final

from typing_extensions import override

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.model.errors import GeoboxError, InvalidResponseError
from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.client.polling.task_rows import Row, match_rows, normalized_uuid

#: Remote tasks that one filter names at most. It keeps the URL under 7 kB.
CHUNK: Final = 145

#: The smallest chunk that is worth a request of its own kind.
_SMALLEST: Final = 10

#: Rows requested with a page of the list.
PAGE: Final = 500

#: Pages of one read at most.
_MAX_PAGES: Final = 40

#: Seconds from which a list counts as slow, and fewer rows are requested.
_SLOW: Final = 3.0

#: Seconds by which a list may lag behind single reads.
_LAG: Final = 10.0

#: Statuses by which a server refuses a URL as too long.
_TOO_LONG: Final = frozenset({413, 414, 431})

#: Awaited before each request.
Turn = Callable[[], Awaitable[None]]

#: Sends one request for the task list, with these filters.
RequestRows = Callable[[Turn, Mapping[str, str | int]], Awaitable[list[Row]]]

#: Logs a text, once for each key.
LogOnce = Callable[[str, str], None]


class Way(Enum):
    """The ways to read the states of many remote tasks, in the order of preference."""

    FILTER = "the list, filtered by uuid"
    PAGES = "pages of the list"
    SINGLE = "single reads"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a way of reading does not work with the server, or only with fewer rows.

    Attributes:
        reason: What the list does, to follow 'The list of remote tasks'.
        fallback: Which way to use instead; None where the same way works with fewer rows.
    """

    reason: str
    fallback: Way | None = None


@dataclass(slots=True)
class Reading:
    """The result of one read of the list.

    Attributes:
        rows: The rows of the requested remote tasks, by uuid.
        missing: The requested ones without a row.
        is_final: Whether another read of this kind would not find the missing ones either.
        is_void: Whether the answer is not trusted, so that it says nothing of the missing ones.
        error: Why nothing, or not all, was read.
        problem: Why this way of reading does not work with the server, if it does not.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    is_final: bool = False
    is_void: bool = False
    error: GeoboxError | None = None
    problem: Problem | None = None


class ListStrategy(ABC):
    """One way to read many remote tasks."""

    way: ClassVar[Way]

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many remote tasks one read may ask for; 0 where it cannot read many."""

    @abstractmethod
    def reset(self) -> None:
        """Forgets the limits of the server, so that they are probed again."""

    @abstractmethod
    async def read(self, uuids: Collection[str], turn: Turn) -> Reading:
        """Reads the states of remote tasks.

        Args:
            uuids: Those of interest; no more than `capacity`.
            turn: Awaited before each request.
        """

    @abstractmethod
    def problem_of_refusal(self, status_code: int) -> Problem:
        """What it means that the server has refused a read for good."""

    @abstractmethod
    def problem_of_duration(self, seconds: float) -> Problem | None:
        """What it means that a read took so long, if anything."""


class FilteredList(ListStrategy):
    """Reads the list with a filter that names the remote tasks.

    Args:
        request: Sends a request for the list.
        clock: Measures the lag of the list.
    """

    way: ClassVar = Way.FILTER

    def __init__(self, request: RequestRows, clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._chunk = CHUNK
        self._has_failed_once = False
        self._ended: dict[str, float] = {}

    @property
    @override
    def capacity(self) -> int:
        """How many remote tasks one filter may name."""
        return self._chunk

    @override
    def reset(self) -> None:
        """Names as many remote tasks as at the beginning."""
        self._chunk = CHUNK

    def note_ended(self, uuid: str, now: float) -> None:
        """Records that a single read has seen this one end: a list must not contradict that."""
        self._ended[uuid] = now
        while len(self._ended) > 3:
            self._ended.pop(next(iter(self._ended)))

    def forget_ended(self) -> None:
        """Stops checking the list against single reads."""
        self._ended.clear()

    @override
    async def read(self, uuids: Collection[str], turn: Turn) -> Reading:
        """Reads the states of remote tasks, and checks that the list honours the filter."""
        wanted = list(uuids)
        now = self._clock.monotonic()
        # A list may lag a little behind.
        checked = [
            uuid for uuid, since in self._ended.items() if now - since >= _LAG and uuid not in uuids
        ]
        names = wanted + checked
        quoted = ",".join(f"'{uuid}'" for uuid in names)
        rows = await self._request(
            turn, {"q": f"uuid IN ({quoted})", "skip": 0, "limit": len(names)}
        )
        found, has_foreign = match_rows(rows, wanted, checked)
        reading = Reading(found, missing=set(wanted) - set(found))
        if has_foreign:
            reading.is_void = True
            reading.problem = self._second_failure("ignores the filter by uuid")
        elif self._is_stale(rows, checked):
            problem = Problem("still shows as running what has ended", Way.SINGLE)
            return Reading(missing=set(wanted), is_final=True, problem=problem)
        else:
            reading.is_void = not reading.rows
            reading.problem = self._problem_of_length(len(reading.rows), len(wanted))
        return reading

    @override
    def problem_of_refusal(self, status_code: int) -> Problem:
        """A URL that is too long can be shortened; otherwise the filter cannot be used."""
        if status_code in _TOO_LONG and self._chunk > _SMALLEST:
            return self._shrunk(self._chunk // 2, f"was refused as too long ({status_code})")
        return Problem(f"refuses the filter ({status_code})", Way.PAGES)

    @override
    def problem_of_duration(self, seconds: float) -> Problem | None:
        """From a slow list fewer rows are requested; if it is slow even then, none."""
        if seconds < _SLOW:
            return None
        if self._chunk > 2 * _SMALLEST:
            return self._shrunk(self._chunk // 2, f"took {seconds:.1f} s")
        return Problem(f"took {seconds:.1f} s even for a few", Way.SINGLE)

    def _is_stale(self, rows: Sequence[Row], checked: Collection[str]) -> bool:
        states = {row["uuid"]: row.get("state") for row in rows if row["uuid"] in checked}
        for uuid, state in states.items():
            self._ended.pop(uuid, None)
            if state in (TaskState.PENDING, TaskState.PROGRESS):
                return True
        return False

    def _problem_of_length(self, found: int, wanted: int) -> Problem | None:
        if found:
            self._has_failed_once = False
        if wanted - found <= max(2, wanted // 20):
            return None
        if found == 0:
            return self._second_failure("answers the filter by uuid with nothing")
        reason = f"gave {found} rows of {wanted}"
        if found < _SMALLEST <= self._chunk // 2:
            return self._shrunk(_SMALLEST, reason)
        if found < _SMALLEST:
            return Problem(reason, Way.PAGES)
        return self._shrunk(found, reason) if found < self._chunk else None

    def _second_failure(self, reason: str) -> Problem | None:
        # One such answer may be an accident on the way.
        is_second = self._has_failed_once
        self._has_failed_once = not is_second
        return Problem(reason, Way.PAGES) if is_second else None

    def _shrunk(self, chunk: int, reason: str) -> Problem:
        self._chunk = max(_SMALLEST, chunk)
        return Problem(reason)


class PagedList(ListStrategy):
    """Reads the list page by page: the newest first, or by state where that finds too little.

    Args:
        request: Sends a request for the list.
        log_once: Logs what is learned of the list.
    """

    way: ClassVar = Way.PAGES

    def __init__(self, request: RequestRows, log_once: LogOnce) -> None:
        self._request = request
        self._log_once = log_once
        self._page = PAGE
        self._by_state = False

    @property
    @override
    def capacity(self) -> int:
        """How many remote tasks the pages of one read can hold."""
        return _MAX_PAGES * self._page

    @override
    def reset(self) -> None:
        """Requests pages as large, and in the order, as at the beginning."""
        self._page, self._by_state = PAGE, False

    @override
    async def read(self, uuids: Collection[str], turn: Turn) -> Reading:
        """Reads pages until all remote tasks are found, or no more pages are worth it."""
        reading = Reading(missing=set(uuids), is_final=True)
        by_normalized = {normalized_uuid(uuid): uuid for uuid in uuids}
        # More pages than this would cost more than single reads.
        pages = min(_MAX_PAGES, max(2, len(reading.missing) // 2))
        if self._by_state:
            for state in (TaskState.PROGRESS, TaskState.PENDING):
                async for rows in self._pages(turn, pages, {"state": state.value}):
                    _add_rows(rows, by_normalized, reading)
        else:
            await self._read_newest(turn, pages, by_normalized, reading)
        if self._by_state and not reading.rows and len(uuids) > _SMALLEST:
            reading.problem = Problem("names none of the remote tasks waited for", Way.SINGLE)
        return reading

    @override
    def problem_of_refusal(self, status_code: int) -> Problem:
        """Without pages, only single reads are left."""
        return Problem(f"refuses to be paged ({status_code})", Way.SINGLE)

    @override
    def problem_of_duration(self, seconds: float) -> Problem | None:
        """Pages are read one after the other; how long that takes says nothing."""
        return None

    async def _read_newest(
        self, turn: Turn, pages: int, by_normalized: Mapping[str, str], reading: Reading
    ) -> None:
        last = ""
        async for rows in self._pages(turn, pages, {"order_by": "accepted_at D"}):
            for row in rows:
                accepted = str(row.get("accepted_at") or "")
                if last and accepted > last:
                    self._by_state = True
                last = accepted or last
            _add_rows(rows, by_normalized, reading)
            if not reading.missing:
                break
        if self._by_state:
            self._log_once(
                "order", "The list of remote tasks cannot be ordered; reading it by state."
            )
        elif len(reading.missing) > len(reading.rows):
            self._by_state = True
            self._log_once(
                "deep", "Many remote tasks are far down in the list; reading it by state."
            )

    async def _pages(
        self, turn: Turn, pages: int, filters: Mapping[str, str]
    ) -> AsyncIterator[list[Row]]:
        """The rows page by page; where the server limits a page, its limit is kept to."""
        skip, before = 0, None
        for _ in range(pages):
            rows = await self._request(turn, {**filters, "skip": skip, "limit": self._page})
            if not rows:
                return
            if rows[0]["uuid"] == before:
                raise InvalidResponseError("the list of remote tasks ignores `skip`")
            before = rows[0]["uuid"]
            yield rows
            skip += len(rows)
            if len(rows) < self._page:
                if len(rows) % 10:
                    # A server would not limit pages to such a number: the list ends here.
                    return
                self._limit_page(len(rows))

    def _limit_page(self, rows: int) -> None:
        self._log_once("page", f"Pages of the list of remote tasks have {rows} rows at most.")
        self._page = rows


class SingleReads(ListStrategy):
    """Reads no list: each remote task is read by itself."""

    way: ClassVar = Way.SINGLE

    @property
    @override
    def capacity(self) -> int:
        """None can be read together."""
        return 0

    @override
    def reset(self) -> None:
        """There is nothing to probe."""

    @override
    async def read(self, uuids: Collection[str], turn: Turn) -> Reading:
        """Sends nothing: all are left to single reads."""
        return Reading(missing=set(uuids), is_final=True)

    @override
    def problem_of_refusal(self, status_code: int) -> Problem:
        """Nothing is sent that could be refused."""
        return Problem(f"is refused ({status_code})", Way.SINGLE)

    @override
    def problem_of_duration(self, seconds: float) -> Problem | None:
        """Nothing is sent that could take long."""
        return None


def _add_rows(rows: Sequence[Row], by_normalized: Mapping[str, str], reading: Reading) -> None:
    for row in rows:
        uuid = by_normalized.get(normalized_uuid(row["uuid"]))
        if uuid in reading.missing:
            reading.rows[uuid] = row
            reading.missing.discard(uuid)
