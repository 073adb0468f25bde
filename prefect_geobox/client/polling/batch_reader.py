"""Reading many remote tasks with one request, from a list that is never trusted blindly.

What a live server makes of the filter and of the pages of its list is not known beforehand. It is
learned from its answers, said once in the log, adapted to, and tried again later.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from prefect_geobox.client.http.encoding import Params
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import ApiRequestError, GeoboxError, InvalidResponseError
from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.client.polling.task_rows import Row, parse_rows, plain

logger = logging.getLogger(__name__)

#: Remote tasks that one filter names at most. It keeps the URL under 7 kB.
CHUNK: Final = 145

#: The smallest chunk that is worth a request of its own kind.
_SMALLEST: Final = 10

#: Rows asked for with a page of the list.
PAGE: Final = 500

#: Pages of one sweep at most.
_MOST_PAGES: Final = 40

#: Seconds that a list may take; a single read has the whole request timeout.
LIST_TIME: Final = 10.0

#: Seconds from which a list counts as slow, and is asked for less.
_SLOW: Final = 3.0

#: Seconds after which what did not work is tried again; doubles each time.
_PROBE_PAUSE: Final = 60.0
_LONGEST_PROBE_PAUSE: Final = 960.0

#: Seconds by which a list may lag behind single reads.
_LAG: Final = 10.0

#: Failures in a row from which single reads are asked whether only the list fails, and from which
#: they are believed.
_DOUBTFUL: Final = 3
_HOPELESS: Final = 5

#: Seconds after which a list that failed is tried again; doubles each time.
_FAILURE_PAUSE: Final = 5.0


class Tier(Enum):
    """A way to read many, in the order of preference."""

    FILTER = "the list, filtered by uuid"
    PAGES = "pages of the list"
    SINGLE = "single reads"


@dataclass(slots=True)
class Reading:
    """What one read of the list has told.

    Attributes:
        rows: The rows of those asked for, by uuid.
        missing: Those asked for that no row was about.
        is_final: Whether what is missing will not come with another read of this kind.
        is_void: Whether the answer is not believed, so that it tells nothing of what is missing.
        error: Why nothing, or not all, was read.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    is_final: bool = False
    is_void: bool = False
    error: GeoboxError | None = None


class BatchReader:
    """The list of remote tasks of one connection, and what is known of its ways.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._tier = Tier.FILTER
        self._chunk = CHUNK
        self._page = PAGE
        self._by_state = False
        self._probe_at = 0.0
        self._probe_pause = _PROBE_PAUSE
        self._before_probe: Tier | None = None
        self._failures = 0
        self._is_struck = False
        self._said: set[str] = set()
        self._ended: dict[str, float] = {}

    @property
    def is_doubtful(self) -> bool:
        """Whether it has failed so often that a single read should tell if all fails."""
        return self._failures >= _DOUBTFUL

    @property
    def reads_all(self) -> bool:
        """Whether one read tells of all remote tasks, so that two at once are one too many."""
        return self._tier is Tier.PAGES

    def capacity(self, now: float) -> int:
        """How many remote tasks the next read may be asked for; 0 where lists are no use."""
        if now >= self._probe_at and (self._tier is not Tier.FILTER or self._chunk < CHUNK):
            if self._tier is not Tier.FILTER:
                self._before_probe = self._tier
            self._tier, self._chunk, self._page, self._by_state = Tier.FILTER, CHUNK, PAGE, False
            self._put_probe_off(now)
        if self._tier is Tier.SINGLE:
            return 0
        return self._chunk if self._tier is Tier.FILTER else _MOST_PAGES * self._page

    def is_known_ended(self, uuid: str, now: float) -> None:
        """Takes note that a single read has seen this one end: a list must not deny that."""
        self._ended[uuid] = now
        while len(self._ended) > 3:
            self._ended.pop(next(iter(self._ended)))

    def single_read_told(self, *, succeeded: bool, now: float) -> None:
        """Takes what a single read says of a list in doubt: it fails alone, or all does."""
        if not succeeded:
            self._failures = 0
        elif self._failures >= _HOPELESS:
            self._failures = 0
            if self._before_probe is None:
                self._probe_pause = _FAILURE_PAUSE
            self._give_up(Tier.SINGLE, "fails while single reads succeed", now)

    async def read(self, uuids: Collection[str], turn: Callable[[], Awaitable[None]]) -> Reading:
        """Reads what the list says of remote tasks.

        Args:
            uuids: Those of interest; no more than `capacity`.
            turn: Awaited before each request.
        """
        tier, began = self._tier, self._clock.monotonic()
        try:
            reading = await (
                self._read_filtered(uuids, turn)
                if tier is Tier.FILTER
                else self._read_pages(uuids, turn)
            )
        except GeoboxError as error:
            return self._failed(error, tier, set(uuids))
        except Exception as error:  # noqa: BLE001 - no trouble with a list harms a wait
            now = self._clock.monotonic()
            self._give_up(Tier.SINGLE, f"cannot be read ({type(error).__name__})", now)
            return Reading(missing=set(uuids), is_final=True)
        now = self._clock.monotonic()
        self._failures = 0
        self._check_speed(now - began, tier, now)
        if self._tier is Tier.FILTER and tier is Tier.FILTER and self._before_probe is not None:
            self._before_probe = None
            self._probe_pause = _PROBE_PAUSE
            self._said.clear()
            logger.info("Lists of remote tasks are read filtered by uuid again.")
        return reading

    def _failed(self, error: GeoboxError, tier: Tier, uuids: set[str]) -> Reading:
        now = self._clock.monotonic()
        if error.transient:
            self._failures += 1
            return Reading(missing=uuids, error=error)
        code = error.status_code if isinstance(error, ApiRequestError) else 0
        if tier is Tier.FILTER and code in (413, 414, 431) and self._chunk > _SMALLEST:
            self._shrink(self._chunk // 2, f"was refused as too long ({code})", now)
        elif code in (401, 403):
            self._give_up(Tier.SINGLE, f"is refused ({code})", now)
        elif tier is Tier.FILTER:
            self._give_up(Tier.PAGES, f"refuses the filter ({code})", now)
        else:
            self._give_up(Tier.SINGLE, f"refuses to be paged ({code})", now)
        return Reading(missing=uuids, is_void=True)

    # The first tier.

    async def _read_filtered(
        self, uuids: Collection[str], turn: Callable[[], Awaitable[None]]
    ) -> Reading:
        wanted = list(uuids)
        by_plain = {plain(uuid): uuid for uuid in wanted}
        now = self._clock.monotonic()
        # A list may lag a little behind.
        checked = [
            uuid for uuid, since in self._ended.items() if now - since >= _LAG and uuid not in uuids
        ]
        names = wanted + checked
        quoted = ",".join(f"'{uuid}'" for uuid in names)
        rows = await self._rows(turn, q=f"uuid IN ({quoted})", skip=0, limit=len(names))
        reading, foreign = Reading(missing=set(wanted)), 0
        conflicts: set[str] = set()
        for row in rows:
            uuid = row["uuid"]
            if uuid not in reading.missing:
                uuid = by_plain.get(plain(uuid), uuid)
            if uuid in reading.rows and reading.rows[uuid].get("state") != row.get("state"):
                conflicts.add(uuid)
            if uuid in reading.missing or uuid in reading.rows:
                reading.rows[uuid] = row
                reading.missing.discard(uuid)
            elif uuid not in checked:
                foreign += 1
        for uuid in conflicts:
            # Two rows that disagree are worth no more than none.
            del reading.rows[uuid]
            reading.missing.add(uuid)
        now = self._clock.monotonic()
        if foreign:
            reading.is_void = True
            self._strike("ignores the filter by uuid", now)
        elif not self._is_stale(rows, checked, now):
            reading.is_void = not reading.rows
            self._check_length(len(reading.rows), len(wanted), now)
        else:
            reading = Reading(missing=set(wanted), is_final=True)
        return reading

    def _is_stale(self, rows: Sequence[Row], checked: Collection[str], now: float) -> bool:
        states = {row["uuid"]: row.get("state") for row in rows if row["uuid"] in checked}
        for uuid, state in states.items():
            self._ended.pop(uuid, None)
            if state in (TaskState.PENDING, TaskState.PROGRESS):
                self._give_up(Tier.SINGLE, "still shows as running what has ended", now)
                return True
        return False

    def _check_length(self, found: int, wanted: int, now: float) -> None:
        if found:
            self._is_struck = False
        if wanted - found <= max(2, wanted // 20):
            return
        if found == 0:
            self._strike("answers the filter by uuid with nothing", now)
        elif found < _SMALLEST <= self._chunk // 2:
            self._shrink(_SMALLEST, f"gave {found} rows of {wanted}", now)
        elif found < _SMALLEST:
            self._give_up(Tier.PAGES, f"gave {found} rows of {wanted}", now)
        elif found < self._chunk:
            self._shrink(found, f"gave {found} rows of {wanted}", now)

    def _strike(self, reason: str, now: float) -> None:
        # Once may be an accident on the way.
        if self._is_struck:
            self._give_up(Tier.PAGES, reason, now)
        self._is_struck = not self._is_struck

    # The second tier.

    async def _read_pages(
        self, uuids: Collection[str], turn: Callable[[], Awaitable[None]]
    ) -> Reading:
        reading = Reading(missing=set(uuids), is_final=True)
        by_plain = {plain(uuid): uuid for uuid in uuids}
        # More pages than this would cost more than single reads.
        pages = min(_MOST_PAGES, max(2, len(reading.missing) // 2))
        if self._by_state:
            for state in (TaskState.PROGRESS, TaskState.PENDING):
                async for rows in self._pages(turn, pages, state=state.value):
                    self._take(rows, by_plain, reading)
        else:
            last = ""
            async for rows in self._pages(turn, pages, order_by="accepted_at D"):
                for row in rows:
                    accepted = str(row.get("accepted_at") or "")
                    if last and accepted > last:
                        self._by_state = True
                    last = accepted or last
                self._take(rows, by_plain, reading)
                if not reading.missing:
                    break
            if self._by_state:
                self._say("order", "The list of remote tasks cannot be ordered; reading by state.")
            elif len(reading.missing) > len(reading.rows):
                self._by_state = True
                self._say("deep", "Many remote tasks are deep in the list; reading it by state.")
        if self._by_state and not reading.rows and len(uuids) > _SMALLEST:
            now = self._clock.monotonic()
            self._give_up(Tier.SINGLE, "names none of the remote tasks waited for", now)
        return reading

    async def _pages(
        self, turn: Callable[[], Awaitable[None]], pages: int, **filters: str
    ) -> AsyncIterator[list[Row]]:
        """The rows page by page; smaller pages than asked for are noticed and lived with."""
        skip, before = 0, None
        for _ in range(pages):
            rows = await self._rows(turn, **filters, skip=skip, limit=self._page)
            if not rows:
                return
            if rows[0]["uuid"] == before:
                raise InvalidResponseError("the list of remote tasks ignores `skip`")
            before = rows[0]["uuid"]
            yield rows
            skip += len(rows)
            if len(rows) < self._page:
                if len(rows) % 10:
                    # No limit that anybody would set: the list ends here.
                    return
                self._limit_page(len(rows))

    def _limit_page(self, rows: int) -> None:
        self._say("page", f"Pages of the list of remote tasks have {rows} rows at most.")
        self._page = rows

    @staticmethod
    def _take(rows: Sequence[Row], by_plain: Mapping[str, str], reading: Reading) -> None:
        for row in rows:
            uuid = by_plain.get(plain(row["uuid"]))
            if uuid in reading.missing:
                reading.rows[uuid] = row
                reading.missing.discard(uuid)

    # What both share.

    async def _rows(self, turn: Callable[[], Awaitable[None]], **filters: str | int) -> list[Row]:
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

    def _check_speed(self, seconds: float, tier: Tier, now: float) -> None:
        if seconds < _SLOW or tier is not Tier.FILTER:
            return
        if self._chunk > 2 * _SMALLEST:
            self._shrink(self._chunk // 2, f"took {seconds:.1f} s", now)
        else:
            self._give_up(Tier.SINGLE, f"took {seconds:.1f} s even for a few", now)

    def _shrink(self, chunk: int, reason: str, now: float) -> None:
        self._chunk = max(_SMALLEST, chunk)
        self._probe_at = max(self._probe_at, now + self._probe_pause)
        self._say("chunk", f"The list of remote tasks {reason}; asking for {self._chunk} at once.")

    def _give_up(self, tier: Tier, reason: str, now: float) -> None:
        if self._before_probe is not None:
            # What was tried again still does not work; where that ended before, it ends now.
            tier = self._before_probe if tier is Tier.PAGES else tier
            self._before_probe = None
        self._tier = tier
        self._ended.clear()
        self._put_probe_off(now)
        self._say(reason, f"The list of remote tasks {reason}; going on with {tier.value}.")

    def _put_probe_off(self, now: float) -> None:
        self._probe_at = now + self._probe_pause
        self._probe_pause = min(2 * self._probe_pause, _LONGEST_PROBE_PAUSE)

    def _say(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.info(text)
