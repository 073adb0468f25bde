"""The tables of the folder: what each row took, and what of the steps is as it should be."""

from __future__ import annotations

from typing import Any

from .costs import Costs
from .rows import SDK_THREADS

#: How often the floor's time the steps may take, by the number of files: of this many or fewer.
RATIOS = {60: 1.5, 500: 1.3}

REQUESTS, EVENTS, INFO_LINES, BOOKKEEPING = 4, 12, 3, 1

NAMES = {
    "client": "our client, asyncio, without Prefect",
    "sdk": f"official SDK, {SDK_THREADS} threads, without Prefect",
    "floor": "floor: two tasks that do nothing",
    "artifacts": "floor with an artifact of each task",
    "steps": "`upload_file.map`, `publish_file.map`",
}


def wall_ratio(files: int) -> float:
    """How often the floor's time the steps may take for so many files."""
    return next((ratio for most, ratio in RATIOS.items() if files <= most), min(RATIOS.values()))


def row_cells(folder: list[dict[str, Any]]) -> list[list[str]]:
    """The table of what each row took, with its heading."""
    heading = ["files", "row", "wall", "to the floor", "first", "last"]
    cells = [[*heading, "CPU", "server's CPU", "memory", "requests to Prefect"]]
    for figures in folder:
        floor = figures["rows"].get("floor")
        files = _title(figures)
        for name, row in figures["rows"].items():
            sent = sum(row.get("requests", {}).values())
            cells.append(
                [
                    files,
                    NAMES[name],
                    f"{row['wall']:.1f} s",
                    f"{row['wall'] / floor['wall']:.2f}" if floor else "",
                    f"{row['first']:.1f} s",
                    f"{row['last']:.1f} s",
                    f"{row['cpu']:.1f} s",
                    f"{row['server_cpu']:.1f} s" if "server_cpu" in row else "",
                    f"{row['memory_mb']:.0f} MB",
                    f"{sent:,}" if sent else "",
                ]
            )
    return cells


def target_cells(folder: list[dict[str, Any]]) -> list[list[str]]:
    """The table of targets, with its heading."""
    cells = [["case", "measured", "target", "reached"]]
    for figures in folder:
        if not {"floor", "steps"} <= set(figures["rows"]):
            continue
        costs, rows, files = Costs.of(figures), figures["rows"], _title(figures)
        ratio = rows["steps"]["wall"] / rows["floor"]["wall"]
        for what, measured, most, digits in (
            ("wall, to the floor", ratio, wall_ratio(figures["files"]), 2),
            ("requests of ours for each file", costs.requests_per_file, REQUESTS, 2),
            ("events for each file, Prefect's too", costs.events_per_file, EVENTS, 2),
            ("INFO lines of ours for each file", costs.info_lines_per_file, INFO_LINES, 2),
            ("cards of bookkeeping", costs.bookkeeping, BOOKKEEPING, 0),
        ):
            cells.append(
                [
                    f"{files} files: {what}",
                    f"{measured:,.{digits}f}",
                    f"≤ {most:g}",
                    "yes" if measured <= most else "**no**",
                ]
            )
    return cells


def _title(figures: dict[str, Any]) -> str:
    database = figures["database"]
    return f"{figures['files']}" + ("" if database == "SQLite" else f", {database}")


def markdown(cells: list[list[str]]) -> str:
    """A table as it stands in the document."""
    rows = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def text(cells: list[list[str]]) -> str:
    """A table as it is printed."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
