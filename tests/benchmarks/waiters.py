"""The two sides of a measurement: each waits for remote tasks in a process of its own.

Run as `python -m tests.benchmarks.waiters ours|sdk URL KEY`, with the uuids on standard input; it
prints the CPU seconds that waiting took, and when each end was seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def _ours(url: str, key: str, uuids: list[str]) -> dict[str, float]:
    from prefect_geobox.client import AsyncGeoboxClient

    seen: dict[str, float] = {}
    async with AsyncGeoboxClient(url, apikey=key) as client:

        async def wait(uuid: str) -> None:
            await client.wait_for_task(uuid, progress_bar=False)
            seen[uuid] = time.time()

        await asyncio.gather(*map(wait, uuids))
    return seen


async def _sdk(url: str, key: str, uuids: list[str]) -> dict[str, float]:
    from geobox.aio import AsyncGeoboxClient

    seen: dict[str, float] = {}
    async with AsyncGeoboxClient(host=url, apikey=key) as client:

        async def wait(uuid: str) -> None:
            task = await client.get_task(uuid)
            await task.wait(progress_bar=False)
            seen[uuid] = time.time()

        await asyncio.gather(*map(wait, uuids))
    return seen


def main() -> None:
    """Waits, and prints what that took."""
    side, url, key = sys.argv[1:4]
    uuids = json.load(sys.stdin)
    work = {"ours": _ours, "sdk": _sdk}[side](url, key, uuids)
    before = time.process_time()
    seen = asyncio.run(work)
    print(json.dumps({"cpu": time.process_time() - before, "seen": seen}))


if __name__ == "__main__":
    main()
