"""Lists that are longer than one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Items in one request.
_PAGE: Final = 100

#: What the API sends where no number is asked for. No server sends fewer while there are more.
_SHORTEST_PAGE: Final = 10


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
