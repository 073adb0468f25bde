"""Values that are read once and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ReadOnce(Generic[K, V]):
    """Values by key; one reading serves all that want the value, and one that fails is repeated.

    Args:
        most: How many values are kept; those that were read first make way.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._readings: OrderedDict[K, asyncio.Task[V]] = OrderedDict()

    async def get(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """Returns a value. Who is cancelled meanwhile does not end the reading for the others.

        Args:
            key: Which value.
            read: Reads it, the first time.
        """
        loop = asyncio.get_running_loop()
        reading = self._readings.get(key)
        # That of another event loop, such as the parent's after a fork, may never end.
        if reading is None or reading.get_loop() is not loop or _has_failed(reading):
            reading = self._readings[key] = loop.create_task(_run(read))
            while len(self._readings) > self._most:
                self._readings.popitem(last=False)
        return await asyncio.shield(reading)


async def _run(read: Callable[[], Awaitable[V]]) -> V:
    return await read()


def _has_failed(reading: asyncio.Task[V]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
