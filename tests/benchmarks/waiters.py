"""The two sides of a measurement: each waits for remote tasks in a process of its own.

Run as `python -m tests.benchmarks.waiters ours|sdk URL KEY`, with the uuids on standard input; it
prints the CPU seconds and the memory that waiting took, the longest gap of its event loop once all
waits had been started, and when each end was seen.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

#: Seconds between two beats of the event loop.
BEAT = 0.01

_Wait = Callable[[str], Awaitable[object]]


async def _all(uuids: list[str], wait: _Wait) -> dict[str, object]:
    seen: dict[str, float] = {}
    beats: list[float] = []

    async def one(uuid: str) -> None:
        await wait(uuid)
        seen[uuid] = time.time()

    async def beat() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(BEAT)

    before = _memory()
    work = [asyncio.create_task(one(uuid)) for uuid in uuids]
    await asyncio.sleep(2)
    memory = _memory() - before
    beating = asyncio.create_task(beat())
    await asyncio.gather(*work)
    beating.cancel()
    gap = max((later - sooner for sooner, later in pairwise(beats)), default=0.0)
    return {"seen": seen, "gap": gap, "memory": memory}


async def _ours(url: str, key: str, uuids: list[str]) -> dict[str, object]:
    from prefect_geobox.client import AsyncGeoboxClient

    async with AsyncGeoboxClient(url, apikey=key) as client:
        await client.get_task(uuids[0])
        return await _all(uuids, lambda uuid: client.wait_for_task(uuid, progress_bar=False))


async def _sdk(url: str, key: str, uuids: list[str]) -> dict[str, object]:
    from geobox.aio import AsyncGeoboxClient

    async with AsyncGeoboxClient(host=url, apikey=key) as client:

        async def wait(uuid: str) -> None:
            task = await client.get_task(uuid)
            await task.wait(progress_bar=False)

        return await _all(uuids, wait)


def _memory() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


def main() -> None:
    """Waits, and prints what that took."""
    side, url, key = sys.argv[1:4]
    uuids = json.load(sys.stdin)
    work = {"ours": _ours, "sdk": _sdk}[side](url, key, uuids)
    before, began = time.process_time(), time.monotonic()
    figures = asyncio.run(work)
    cpu = time.process_time() - before
    print(json.dumps({"cpu": cpu, "seconds": time.monotonic() - began, **figures}))


if __name__ == "__main__":
    main()
