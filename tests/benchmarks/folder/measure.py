"""Measures the rows, one after the other, on one emulator and one Prefect server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator

from .rows import ROWS
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
        database: The URL of its database, unless that is a file of SQLite.
    """

    home: Path
    geobox: GeoboxEmulator
    prefect: PrefectServer
    database: str | None = None

    def run(self, row: str, files: int, options: Sequence[str] = ()) -> dict[str, Any]:
        """Runs one row.

        Args:
            row: Its name.
            files: How many files there are.
            options: Of the interpreter.

        Returns:
            Its figures.
        """
        paths = _make_files(self.home, f"{row}-{files}", files)
        given = {
            "geobox": {"url": self.geobox.url, "key": self.geobox.apikey},
            "files": paths,
            "seconds": FLOOR_SECONDS * self.geobox.seconds,
        }
        self.prefect.rest()
        self.geobox.clear_requests()
        before, cpu = self.prefect.counts(), self.prefect.cpu()
        with (self.home / f"{row}-{files}.log").open("w+") as log:
            done = subprocess.run(
                [sys.executable, *options, "-m", "tests.benchmarks.folder.rows", row],
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
        yield Bench(Path(home), geobox, prefect, database)


def measure(files: int, names: Sequence[str] = tuple(ROWS), **options: Any) -> dict[str, Any]:
    """The figures of the rows, by name.

    Args:
        files: How many files there are.
        names: The rows.
        options: Of `bench`.
    """
    with bench(**options) as made:
        # The first run of all fills the caches of the server, so nobody's figures have it.
        made.run("floor", 2)
        return {
            "files": files,
            "database": "SQLite" if made.database is None else "PostgreSQL",
            "rows": {name: made.run(name, files) for name in names},
        }


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
