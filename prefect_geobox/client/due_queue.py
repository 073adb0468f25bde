"""The due times of all waits, in order."""

from __future__ import annotations

import heapq
from typing import Final

from prefect_geobox.client.watch import Watch

#: Entries that are passed over at most to find others that may be pulled forward.
_PASSED_OVER: Final = 150

#: Entries that are no longer true and are put up with in a short queue.
_STALE: Final = 64

#: Due time, a number that breaks ties, and the ticket by which an entry is known to be true still.
_Entry = tuple[float, int, int, Watch]


class DueQueue:
    """Waits in the order in which they are due.

    A wait whose due time changes is put in again; its earlier entry is passed over from then on, as
    is that of a wait which is being read or has ended.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, watch: Watch) -> None:
        """Puts a wait in at its due time."""
        self._count += 1
        heapq.heappush(self._entries, (watch.due, self._count, watch.ticket, watch))

    def clear(self) -> None:
        """Takes all out."""
        self._entries.clear()

    def tidy(self, waits: int) -> None:
        """Takes out what is no longer true, where that is much more than there are waits."""
        if len(self._entries) > _STALE + 2 * waits:
            self._entries = [entry for entry in self._entries if _is_true(entry)]
            heapq.heapify(self._entries)

    def first(self) -> Watch | None:
        """The wait that is due first; it stays in."""
        while self._entries and not _is_true(self._entries[0]):
            heapq.heappop(self._entries)
        return self._entries[0][3] if self._entries else None

    def due(self, now: float) -> list[Watch]:
        """All that are due; they stay in."""
        return [entry[3] for entry in self._entries if entry[0] <= now and _is_true(entry)]

    def take_nearly_due(self, most: int, now: float) -> list[Watch]:
        """Takes out those that are due or may be pulled forward, and that lists may tell about.

        Args:
            most: How many at most.
            now: The moment of the clock.
        """
        chosen: list[Watch] = []
        others: list[_Entry] = []
        # Slack differs, so that behind one with little there may be many with more.
        while self._entries and len(chosen) < most and len(others) < _PASSED_OVER:
            entry = heapq.heappop(self._entries)
            if not _is_true(entry):
                continue
            watch = entry[3]
            if watch.due - watch.slack <= now and watch.single_until <= now:
                chosen.append(watch)
            else:
                others.append(entry)
        for entry in others:
            heapq.heappush(self._entries, entry)
        return chosen


def _is_true(entry: _Entry) -> bool:
    watch = entry[3]
    return not (watch.is_over or watch.is_reading) and watch.ticket == entry[2]
