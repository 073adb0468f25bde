"""The rows of the table: each uploads and publishes the files in a process of its own.

Run as `python -m tests.benchmarks.folder.rows ROW`, with the address and the key of a Geobox, the
files, the seconds that the floor sleeps and whether to profile on standard input, as JSON. It
prints its figures as JSON: the seconds from the first call to the end, when the first and the last
file were published, the CPU seconds, and the most memory that the process had.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from .sampling import Sampler

#: Threads of the official SDK.
SDK_THREADS = 50

_Published = Callable[[], None]


def client(geobox: dict[str, str], files: list[str], published: _Published, **_: Any) -> None:
    """This package's client, without Prefect."""
    from prefect_geobox.client import AsyncGeoboxClient

    async def one(client: AsyncGeoboxClient, path: str) -> None:
        file = await client.upload_file(path)
        await client.publish_file(file, Path(path).stem, progress_bar=False)
        published()

    async def run() -> None:
        async with AsyncGeoboxClient(geobox["url"], apikey=geobox["key"]) as client:
            await asyncio.gather(*(one(client, path) for path in files))

    asyncio.run(run())


def sdk(geobox: dict[str, str], files: list[str], published: _Published, **_: Any) -> None:
    """The official SDK, in threads."""
    from geobox import GeoboxClient

    # An upload changes the headers of its client's session, so each thread has a client.
    kept = threading.local()

    def one(path: str) -> None:
        if not hasattr(kept, "client"):
            kept.client = GeoboxClient(host=geobox["url"], apikey=geobox["key"])
        task = kept.client.upload_file(path).publish(name=Path(path).stem)
        task.wait(progress_bar=False)
        published()

    with ThreadPoolExecutor(SDK_THREADS) as threads:
        list(threads.map(one, files))


def floor(
    geobox: dict[str, str],
    files: list[str],
    published: _Published,
    *,
    seconds: float,
    with_artifacts: bool = False,
) -> str:
    """Two tasks for each file that do nothing, the second of which takes its time."""
    from prefect import flow, task
    from prefect.artifacts import create_markdown_artifact
    from prefect.runtime import flow_run

    @task
    def first(path: str) -> str:
        if with_artifacts:
            create_markdown_artifact(f"# {path}", key="bench-first")
        return path

    @task
    def second(path: str) -> str:
        time.sleep(seconds)
        if with_artifacts:
            create_markdown_artifact(f"# {path}", key="bench-second")
        return path

    @flow
    def folder(files: list[str]) -> str:
        made = second.map(first.map(files))
        for future in made:
            future.add_done_callback(lambda _: published())
        made.result()
        return str(flow_run.id)

    return folder(files)


def artifacts(
    geobox: dict[str, str], files: list[str], published: _Published, *, seconds: float
) -> str:
    """The floor, with an artifact of each task."""
    return floor(geobox, files, published, seconds=seconds, with_artifacts=True)


def steps(geobox: dict[str, str], files: list[str], published: _Published, **_: Any) -> str:
    """This package's steps."""
    from prefect import flow
    from prefect.runtime import flow_run

    from prefect_geobox import GeoboxCredentials, publish_file, upload_file

    credentials = GeoboxCredentials(host=geobox["url"], apikey=geobox["key"])

    @flow
    def folder(files: list[str]) -> str:
        uploaded = upload_file.map(credentials, files)
        made = publish_file.map(credentials, uploaded, [Path(path).stem for path in files])
        for future in made:
            future.add_done_callback(lambda _: published())
        made.result()
        return str(flow_run.id)

    return folder(files)


ROWS: dict[str, Callable[..., str | None]] = {
    "client": client,
    "sdk": sdk,
    "floor": floor,
    "artifacts": artifacts,
    "steps": steps,
}

#: The rows that send nothing to a Prefect server.
WITHOUT_PREFECT = frozenset({"client", "sdk"})


_FLOW = ("prefect", "prefect.artifacts", "prefect.flows", "prefect.runtime", "prefect.tasks")

#: What each row imports before its time begins.
_MODULES = {
    "client": ("prefect_geobox.client",),
    "sdk": ("geobox",),
    "floor": _FLOW,
    "artifacts": _FLOW,
    "steps": (*_FLOW, "prefect_geobox.tasks.files", "prefect_geobox.tasks.operations"),
}


def main() -> None:
    """Runs one row and prints what it took."""
    given = json.load(sys.stdin)
    times: list[float] = []
    for module in _MODULES[sys.argv[1]]:
        importlib.import_module(module)
    sampler = Sampler()
    with sampler if given["profile"] else nullcontext():
        cpu, began = time.process_time(), time.monotonic()
        flow_run_id = ROWS[sys.argv[1]](
            given["geobox"],
            given["files"],
            lambda: times.append(time.monotonic() - began),
            seconds=given["seconds"],
        )
    figures = {
        "wall": time.monotonic() - began,
        "first": min(times),
        "last": max(times),
        "published": len(times),
        "cpu": time.process_time() - cpu,
        # Linux gives kB.
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "flow_run_id": flow_run_id,
        **({"profile": sampler.shares()} if given["profile"] else {}),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
