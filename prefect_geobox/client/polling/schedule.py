"""The due times of all waits, in order."""

from __future__ import annotations

import heapq
from typing import Any, Final

from prefect_geobox.client.polling.subscription import Subscription

#: Entries that are passed over at most to find others that may be pulled forward.
_PASSED_OVER: Final = 150

#: Entries that are no longer true and are put up with in a short queue.
_STALE: Final = 64

#: Due time, a number that breaks ties, the ticket by which an entry is known to be true still, and
#: the wait; none once it has been taken out.
_Entry = list[Any]


class PollSchedule:
    """Waits in the order in which they are due.

    A wait whose due time changes is put in again; its earlier entry is passed over from then on, as
    is that of a wait which is being read or has ended.

    An entry that is taken out serves its wait again. With a new one for each look, thousands of
    waits would have the garbage collector look through all objects of the process again and again.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._deadlines: list[tuple[float, int, Subscription]] = []
        self._count = 0

    def begin(self, subscription: Subscription) -> None:
        """Puts a new wait in, whose deadline is minded from now on."""
        self.put(subscription)
        if subscription.deadline is not None:
            heapq.heappush(self._deadlines, (subscription.deadline, self._count, subscription))

    def put(self, subscription: Subscription) -> None:
        """Puts a wait in at its due time."""
        self._count += 1
        entry, subscription.entry = subscription.entry, None
        if entry is None:
            entry = [0.0, 0, 0, None]
        entry[:] = subscription.due, self._count, subscription.ticket, subscription
        heapq.heappush(self._entries, entry)

    def clear(self) -> None:
        """Takes all out."""
        self._entries.clear()
        self._deadlines.clear()

    def tidy(self, waits: int) -> None:
        """Takes out what is no longer true, where that is much more than there are waits."""
        if len(self._entries) > _STALE + 2 * waits:
            self._entries = [entry for entry in self._entries if _is_true(entry)]
            heapq.heapify(self._entries)
            self._deadlines = [entry for entry in self._deadlines if not entry[2].is_over]
            heapq.heapify(self._deadlines)

    def first(self) -> Subscription | None:
        """The wait that is due first; it stays in."""
        while self._entries and not _is_true(self._entries[0]):
            heapq.heappop(self._entries)
        if not self._entries:
            return None
        found: Subscription = self._entries[0][3]
        return found

    def has_due(self, number: int, now: float) -> bool:
        """Whether so many are due, or nearly so many: what has ended is not told apart."""
        found, places = 0, [0]
        # What is below an entry of the heap is due no sooner than that.
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
        self, most: int, now: float, *, is_sparse: bool = False
    ) -> list[Subscription]:
        """Takes out those that are due or may be pulled forward, and that lists may tell about.

        Args:
            most: How many at most.
            now: The moment of the clock.
            is_sparse: Whether the request would hold few otherwise.
        """
        chosen: list[Subscription] = []
        others: list[_Entry] = []
        # Slack differs, so that behind one with little there may be many with more.
        while self._entries and len(chosen) < most and len(others) < _PASSED_OVER:
            entry = heapq.heappop(self._entries)
            if not _is_true(entry):
                continue
            subscription: Subscription = entry[3]
            if (
                subscription.may_be_at(is_sparse=is_sparse) <= now
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


def _is_true(entry: _Entry) -> bool:
    subscription: Subscription = entry[3]
    return not (subscription.is_over or subscription.is_reading) and subscription.ticket == entry[2]
