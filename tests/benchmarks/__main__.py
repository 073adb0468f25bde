"""`make bench`: the whole bench, one case after the other.

Prints the table and writes `.bench.json`. Absolute times mean little on a shared machine; ratios of
one run mean more. `--short` makes a small run of it.
"""

from __future__ import annotations

import json
import sys

from . import flows, imports, many, schedules
from .table import FIGURES, lines, text


def main() -> None:
    """Measures all cases, prints the table, writes the figures."""
    scale = 0.05 if "--short" in sys.argv else 1.0
    figures = {
        "imports": imports.measure(),
        "schedules": schedules.measure(),
        "flows": flows.measure(int(500 * scale)),
        "cases": {case.name: many.measure(case) for case in many.cases(scale)},
    }
    FIGURES.write_text(json.dumps(figures, indent=2))
    print(text(lines(figures)))


if __name__ == "__main__":
    main()
