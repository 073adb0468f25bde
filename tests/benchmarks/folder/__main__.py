"""`python -m tests.benchmarks.folder`: the folder alone.

Prints the tables and what the steps send, and leaves the figures in `.bench.json` with what else is
there.
"""

from __future__ import annotations

import argparse
import json

from tests.benchmarks.table import FIGURES

from .costs import Costs
from .measure import measure
from .rows import ROWS
from .table import row_cells, target_cells, text


def main() -> None:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.folder")
    parser.add_argument("--files", default="60", help="how many files, such as 60,500")
    parser.add_argument("--rows", default=",".join(ROWS), help="the rows, such as floor,steps")
    given = parser.parse_args()
    rows = given.rows.split(",")
    folder = [measure(int(files), rows) for files in given.files.split(",")]
    for figures in folder:
        if {"floor", "steps"} <= set(rows):
            print(Costs.of(figures).text(), end="\n\n")
    print(text(row_cells(folder)), text(target_cells(folder)), sep="\n\n")
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps({**kept, "folder": folder}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
