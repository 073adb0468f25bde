"""The due times of all waits, in order."""

from __future__ import annotations

import heapq
from typing import Any, Final

from prefect_geobox.client.polling.subscription import Subscription

#: Entries that are skipped at most to find others that may be pulled forward.
_MAX_SKIPPED: Final = 150

#: Outdated entries that are tolerated in a short queue.
_MAX_OUTDATED: Final = 64

#: Due time, a number that breaks ties, the version of the due time, and the wait; None instead of
#: the wait once the entry has been taken out.
_Entry = list[Any]


class PollSchedule:
    """Waits in the order in which they are due.

    A wait whose due time changes is put in again; its earlier entry is outdated from then on and
    skipped, as is that of a wait which is being read or has ended.

    An entry that is taken out is reused for its wait. A new one for each poll, with thousands of
    waits, would cause frequent garbage collections of the whole process.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._deadlines: list[tuple[float, int, Subscription]] = []
        self._count = 0

    def begin(self, subscription: Subscription) -> None:
        """Adds a new wait, and its deadline."""
        self.put(subscription)
        if subscription.deadline is not None:
            heapq.heappush(self._deadlines, (subscription.deadline, self._count, subscription))

    def put(self, subscription: Subscription) -> None:
        """Adds a wait at its due time."""
        self._count += 1
        entry, subscription.entry = subscription.entry, None
        if entry is None:
            entry = [0.0, 0, 0, None]
        entry[:] = subscription.due, self._count, subscription.version, subscription
        heapq.heappush(self._entries, entry)

    def clear(self) -> None:
        """Removes all waits."""
        self._entries.clear()
        self._deadlines.clear()

    def tidy(self, waits: int) -> None:
        """Removes outdated entries, where there are many more of them than waits."""
        if len(self._entries) > _MAX_OUTDATED + 2 * waits:
            self._entries = [entry for entry in self._entries if _is_current(entry)]
            heapq.heapify(self._entries)
            self._deadlines = [entry for entry in self._deadlines if not entry[2].is_over]
            heapq.heapify(self._deadlines)

    def first(self) -> Subscription | None:
        """The wait that is due first; it is not taken out."""
        while self._entries and not _is_current(self._entries[0]):
            heapq.heappop(self._entries)
        if not self._entries:
            return None
        found: Subscription = self._entries[0][3]
        return found

    def has_due(self, number: int, now: float) -> bool:
        """Whether at least `number` are due; outdated entries are counted too."""
        found, places = 0, [0]
        # The children of an entry of the heap are due no sooner than the entry.
        while places and found < number:
            place = places.pop()
            if place < len(self._entries) and self._entries[place][0] <= now:
                found += 1
                places += (2 * place + 1, 2 * place + 2)
        return found >= number

    def at_deadline(self, now: float) -> tuple[list[Subscription], float]:
        """The waits that are due and whose deadline has come, and when the next deadline comes."""
        reached: list[tuple[float, int, Subscription]] = []
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].is_over):
            entry = heapq.heappop(self._deadlines)
            if not entry[2].is_over:
                reached.append(entry)
        coming = self._deadlines[0][0] if self._deadlines else float("inf")
        for entry in reached:
            heapq.heappush(self._deadlines, entry)
        subscriptions = (entry[2] for entry in reached)
        return [
            subscription
            for subscription in subscriptions
            if subscription.due <= now and not subscription.is_reading
        ], coming

    def take_nearly_due(
        self, most: int, now: float, *, is_small_batch: bool = False
    ) -> list[Subscription]:
        """Takes out those that are due or may be pulled forward, and that a batch may read.

        Args:
            most: How many at most.
            now: The moment of the clock.
            is_small_batch: Whether the batch would be small otherwise.
        """
        chosen: list[Subscription] = []
        others: list[_Entry] = []
        # Slack differs, so that behind one with little there may be many with more.
        while self._entries and len(chosen) < most and len(others) < _MAX_SKIPPED:
            entry = heapq.heappop(self._entries)
            if not _is_current(entry):
                continue
            subscription: Subscription = entry[3]
            if (
                subscription.earliest_poll(is_small_batch=is_small_batch) <= now
                and subscription.single_until <= now
            ):
                chosen.append(subscription)
                entry[3] = None
                subscription.entry = entry
            else:
                others.append(entry)
        for entry in others:
            heapq.heappush(self._entries, entry)
        return chosen


def _is_current(entry: _Entry) -> bool:
    subscription: Subscription = entry[3]
    return (
        not (subscription.is_over or subscription.is_reading) and subscription.version == entry[2]
    )
