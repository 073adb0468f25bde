"""Measures the rows, one after the other, on one emulator and one Prefect server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator

from .postgres import postgres
from .rows import ROWS, WITHOUT_PREFECT
from .servers import PrefectServer, counting_prefect, environment

POINTS = 50

#: Seconds that the floor sleeps for a remote task of two: about what a publish of it takes.
FLOOR_SECONDS = 1.5


@dataclass(frozen=True)
class Bench:
    """What the rows run on.

    Attributes:
        home: A folder for all that they leave.
        geobox: The emulator.
        prefect: The Prefect server.
    """

    home: Path
    geobox: GeoboxEmulator
    prefect: PrefectServer

    def run(self, row: str, files: int, *, profile: bool = False) -> dict[str, Any]:
        """Runs one row.

        Args:
            row: Its name.
            files: How many files there are.
            profile: Whether its figures say where it spends its CPU time.

        Returns:
            Its figures.
        """
        paths = _make_files(self.home, f"{row}-{files}", files)
        given = {
            "geobox": {"url": self.geobox.url, "key": self.geobox.apikey},
            "files": paths,
            "seconds": FLOOR_SECONDS * self.geobox.seconds,
            "profile": profile,
        }
        self.prefect.rest()
        self.geobox.clear_requests()
        before, cpu = self.prefect.counts(), self.prefect.cpu()
        with (self.home / f"{row}-{files}.log").open("w+") as log:
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.folder.rows", row],
                input=json.dumps(given),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
                env=environment(self.home, self.prefect.api),
            )
            log.seek(0)
            assert done.returncode == 0, log.read()[-5000:]
        self.prefect.rest()
        after = self.prefect.counts()
        figures = json.loads(done.stdout.splitlines()[-1])
        assert figures["published"] == files, figures
        figures["geobox_requests"] = len(self.geobox.requests)
        if figures["flow_run_id"]:
            shown = self.prefect.artifacts(figures["flow_run_id"])
            figures |= {name: dict(after[name] - before[name]) for name in after}
            figures["server_cpu"] = self.prefect.cpu() - cpu
            figures["artifacts"] = dict(Counter(_kind(one) for one in shown))
        return figures


@contextmanager
def bench(seconds: float = 2.0, database: str | None = None) -> Iterator[Bench]:
    """An emulator and a Prefect server that counts.

    Args:
        seconds: The duration of a remote task.
        database: The URL of the Prefect server's database; by default a file of SQLite.
    """
    with (
        TemporaryDirectory(prefix="folder-bench-") as home,
        GeoboxEmulator(seconds=seconds) as geobox,
        counting_prefect(Path(home), database) as prefect,
    ):
        yield Bench(Path(home), geobox, prefect)


def measure(
    files: int,
    names: Sequence[str] = tuple(ROWS),
    *,
    on_postgres: bool = False,
    profile: bool = False,
    seconds: float = 2.0,
) -> dict[str, Any]:
    """The figures of the rows, by name.

    Args:
        files: How many files there are.
        names: The rows.
        on_postgres: Whether the Prefect server has a PostgreSQL of its own.
        profile: Whether the figures of the steps say where they spend their CPU time.
        seconds: The duration of a remote task.
    """
    with postgres() if on_postgres else nullcontext() as database, bench(seconds, database) as made:
        # The first run of all fills the caches of the server, so no figures have it.
        made.run("floor", 2)
        return {
            "files": files,
            "database": "PostgreSQL" if on_postgres else "SQLite",
            "rows": {
                name: made.run(name, files, profile=profile and name == "steps") for name in names
            },
        }


def measure_all(
    sizes: Sequence[int],
    names: Sequence[str] = tuple(ROWS),
    *,
    on_postgres: bool = False,
    profile: bool = False,
) -> list[dict[str, Any]]:
    """The figures for each number of files.

    Args:
        sizes: The numbers of files.
        names: The rows.
        on_postgres: Whether the rows with Prefect come a second time, on PostgreSQL.
        profile: Whether the figures of the steps say where they spend their CPU time.
    """
    found = [measure(files, names, profile=profile) for files in sizes]
    if on_postgres:
        of_prefect = [name for name in names if name not in WITHOUT_PREFECT]
        found += [measure(files, of_prefect, on_postgres=True, profile=profile) for files in sizes]
    return found


def add_options(parser: ArgumentParser) -> None:
    """Adds the options that say what is measured to those of a command."""
    parser.add_argument(
        "--files",
        type=lambda text: [int(files) for files in text.split(",")],
        default=[60],
        help="how many files, such as 60,500; 60 by default",
    )
    parser.add_argument(
        "--postgres", action="store_true", help="measure on a PostgreSQL too, which it starts"
    )


def _kind(artifact: dict[str, Any]) -> str:
    return " ".join(artifact[part] for part in ("type", "key") if artifact[part])


def _make_files(folder: Path, name: str, count: int) -> list[str]:
    roll, paths = random.Random(11), []
    for number in range(count):
        path = folder / f"{name}-{number:04}.geojson"
        features = [
            {
                "type": "Feature",
                "properties": {"number": point, "file": number},
                "geometry": {
                    "type": "Point",
                    "coordinates": [roll.uniform(44, 63), roll.uniform(25, 40)],
                },
            }
            for point in range(POINTS)
        ]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        paths.append(str(path))
    return paths
