"""The table of a bench run: each case with what was measured, what is wanted, and the SDK.

`python -m tests.benchmarks.table` writes it, from the figures that `make bench` has left, into
`docs/performance.md`.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .many import SDK

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
FIGURES = ROOT / ".bench.json"

#: Reads of waits a second that a client allows itself by default, and the shortest pause of a wait.
CAP, INTERVAL = 20, 1.0

#: What still counts as on the line of a plain schedule, as the jitter of the pauses moves means.
ON_THE_LINE = 1.02


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        case: What was measured.
        measured: What this package took.
        wanted: The aim, in the same unit or as a ratio.
        sdk: What the SDK took, where it can be compared.
        ratio: This package's share of that.
        is_reached: Whether the aim is.
    """

    case: str
    measured: str
    wanted: str
    sdk: str
    ratio: str
    is_reached: bool


def _against_limit(
    case: str, value: float, limit: float, unit: str, sdk: str = "", slack: float = 1.0
) -> Line:
    digits = {"": 0, "polls": 1, "%": 1, "ms": 1}.get(unit, 2)
    shown = [f"{number:,.{digits}f} {unit}".rstrip() for number in (value, limit)]
    return Line(case, shown[0], f"≤ {shown[1]}", sdk, "", value <= slack * limit)


def _against_sdk(case: str, value: float, sdk: float, share: float, unit: str) -> Line:
    digits = 0 if unit == "" else 1
    wanted = "≤ the SDK's" if share == 1 else f"≤ 1/{share:g}"
    ratio = f"1/{sdk / value:.1f}" if value <= sdk else f"{value / sdk:.1f}"
    shown = [f"{number:,.{digits}f} {unit}".rstrip() for number in (value, sdk)]
    return Line(case, shown[0], wanted, shown[1], ratio, value * share <= sdk)


def lines(figures: dict[str, Any]) -> list[Line]:
    """The lines of the table, made from the figures of one run."""
    found = figures["cases"]
    return [
        *_many(found),
        *_single_reads(found["list useless"]),
        *_schedules(figures["schedules"]),
        *_very_many(found["very many"]),
        *_flows(figures["flows"]),
        *_imports(figures["imports"]),
    ]


def _many(found: dict[str, Any]) -> list[Line]:
    sdk = found[SDK]
    told: list[Line] = []
    for name, share, cpu, limits in (
        ("filter", 40, 4, {"p50": 1.0, "p95": 2.5}),
        ("filter refused", 20, 1, {"p95": 3.0}),
        ("filter ignored", 20, 1, {"p95": 3.0}),
    ):
        ours = found[name]
        case = f"{ours['waits']:,} waits"
        case += "" if name == "filter" else f", {name}"
        told += [
            _against_sdk(f"{case}: requests", ours["requests"], sdk["requests"], share, ""),
            _against_sdk(f"{case}: CPU", ours["cpu"], sdk["cpu"], cpu, "s"),
        ]
        for part, limit in limits.items():
            key = f"latency_{part}"
            told.append(
                _against_limit(
                    f"{case}: latency, {part}", ours[key], limit, "s", f"{sdk[key]:.2f} s"
                )
            )
    return told


def _single_reads(ours: dict[str, Any]) -> list[Line]:
    case = f"{ours['waits']:,} waits, list useless"
    limit = ours["waits"] / CAP + INTERVAL
    return [
        _against_limit(f"{case}: most requests in a second", ours["most_in_a_second"], CAP, ""),
        _against_limit(f"{case}: latency, p95", ours["latency_p95"], limit, "s"),
    ]


def _schedules(found: list[dict[str, float]]) -> list[Line]:
    told = []
    for one in found:
        case = f"one wait of {one['seconds']:g} s"
        told += [
            _against_limit(
                f"{case}: polls", one["polls"], one["line_polls"], "polls", slack=ON_THE_LINE
            ),
            _against_limit(
                f"{case}: latency, mean", one["late"], one["line_late"], "s", slack=ON_THE_LINE
            ),
        ]
    last = found[-1]
    case = f"one wait of {last['seconds']:g} s, progress known"
    return [
        *told,
        _against_limit(f"{case}: polls", last["progress_polls"], 60, "polls"),
        _against_limit(f"{case}: latency, mean", last["progress_late"], 2.0, "s"),
    ]


def _very_many(ours: dict[str, Any]) -> list[Line]:
    case = f"{ours['waits']:,} waits"
    return [
        _against_limit(f"{case}: memory of a wait", ours["kb_per_wait"], 8, "kB"),
        _against_limit(f"{case}: longest gap of the event loop", ours["gap_ms"], 50, "ms"),
        _against_limit(f"{case}: share of a core", 100 * ours["cpu_share"], 10, "%"),
    ]


def _flows(found: dict[str, Any]) -> list[Line]:
    call, case = found["call"], f"`.map` of {found['waits']} `wait_for_task`"
    wall = 1.15 * found["empty_map"] + found["remote_seconds"]
    return [
        _against_limit(f"{case}: requests", found["requests"], 60, ""),
        _against_limit(f"{case}: wall", found["wait_map"], wall, "s"),
        _against_limit(
            "`wait_for_task` on a finished task, in a flow",
            1000 * call["wait"],
            1000 * (1.5 * call["empty"] + call["request"]),
            "ms",
        ),
    ]


def _imports(found: dict[str, float]) -> list[Line]:
    return [
        _against_limit(
            "`import prefect_geobox` after `import prefect`", found["package_bare"], 0.1, "s"
        ),
        _against_limit("its tasks too, after `import prefect`", found["tasks_bare"], 0.1, "s"),
        _against_limit(
            "its tasks too, after `from prefect import flow, task`", found["tasks_flow"], 0.1, "s"
        ),
        _against_limit("all of its names, after that", found["all_flow"], 0.1, "s"),
    ]


def markdown(found: list[Line]) -> str:
    """The table as it stands in the document."""
    rows = [["case", "measured", "wanted", "SDK", "ratio", "reached"], ["---"] * 6]
    for line in found:
        *texts, is_reached = asdict(line).values()
        rows.append([*texts, "yes" if is_reached else "**no**"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def text(found: list[Line]) -> str:
    """The table as it is printed."""
    rows = [("case", "measured", "wanted", "SDK", "ratio", "")]
    rows += [(*list(asdict(line).values())[:-1], "" if line.is_reached else "no") for line in found]
    widths = [max(len(row[number]) for row in rows) for number in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def in_document(document: str) -> str:
    """The table that stands in the document."""
    found = re.search(r"<!-- bench -->\n((?:\|.*\n)*)", document)
    assert found, "there is no place for the table"
    return found[1].strip()


def main() -> None:
    """Writes the table into the document."""
    table = markdown(lines(json.loads(FIGURES.read_text(encoding="utf-8"))))
    document = DOCUMENT.read_text(encoding="utf-8")
    document = re.sub(r"(<!-- bench -->\n)(?:\|.*\n)*", lambda m: f"{m[1]}{table}\n", document)
    DOCUMENT.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
