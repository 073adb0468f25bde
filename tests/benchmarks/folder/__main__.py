"""`python -m tests.benchmarks.folder`: the folder alone.

Prints the tables and what the steps send, and leaves the figures in `.bench.json` with what else is
there.
"""

from __future__ import annotations

import argparse
import json

from tests.benchmarks.table import FIGURES

from . import sampling
from .costs import Costs
from .measure import add_options, measure_all
from .rows import ROWS
from .table import row_cells, target_cells, text


def main() -> None:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.folder")
    add_options(parser)
    parser.add_argument("--rows", default=",".join(ROWS), help="the rows, such as floor,steps")
    parser.add_argument(
        "--profile", action="store_true", help="say where the steps spend their CPU time"
    )
    given = parser.parse_args()
    rows = given.rows.split(",")
    folder = measure_all(given.files, rows, on_postgres=given.postgres, profile=given.profile)
    for figures in folder:
        if {"floor", "steps"} <= set(figures["rows"]):
            print(Costs.of(figures).text(), end="\n\n")
        if given.profile and "steps" in figures["rows"]:
            print(sampling.text(figures["rows"]["steps"]["profile"]), end="\n\n")
    print(text(row_cells(folder)), text(target_cells(folder)), sep="\n\n")
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps({**kept, "folder": folder}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
