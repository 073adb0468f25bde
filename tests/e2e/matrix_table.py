"""The tables of `docs/cancellation.md`, made from what the tests have measured.

`python -m tests.e2e.matrix_table` writes them into the document.
"""

from __future__ import annotations

import re
from typing import Any

from tests.kit.sample_data import ROOT

from .interruption_matrix import COLUMNS, LIMITS, ROWS, kept

DOCUMENT = ROOT / "docs" / "cancellation.md"

ROW_NAMES = {
    "wait-direct": "`wait_for_task`, called",
    "wait-submit": "`wait_for_task.submit`",
    "wait-map": "`wait_for_task.map`, 20 tasks",
    "await-direct": "`await_for_task`, awaited",
    "await-gather": "`await_for_task`, 5 gathered",
    "await-submit": "`await_for_task.submit`",
    "wait-many": "`wait_for_tasks`, 50 tasks",
    "publish-direct": "`publish_file`, called",
    "publish-submit": "`publish_file.submit`",
    "publish-map": "`publish_file.map`, 3 files",
    "subflow-wait": "`wait_for_task` in a subflow",
    "subflow-publish": "`publish_file` in a subflow",
}

COLUMN_NAMES = {
    "serve": "API cancel, `serve`",
    "worker": "API cancel, work pool",
    "sigterm": "SIGTERM",
    "ctrl-c": "Ctrl-C",
    "ctrl-c-twice": "Ctrl-C twice",
    "task-limit": "task's `timeout_seconds`",
    "flow-limit": "flow's `timeout_seconds`",
    "timeout": "own `timeout`",
    "other-fails": "another task fails",
}


def name_of(row: str, column: str) -> str:
    """The name under which a cell of the table is kept."""
    return f"{column}-{row}" + ("-on_timeout=abort" if column in LIMITS else "")


def _told(cell: dict[str, Any], column: str) -> str:
    if cell["hangs"]:
        return "**hangs**"
    if column == "ctrl-c-twice":
        return f"left in {cell['end_seconds']:.1f} s"
    if cell["remote"] == "aborted":
        # A time limit is known to the test less exactly than a signal.
        seconds = max(cell["abort_seconds"], 0) + 0.0
        return f"aborted, {seconds:.1f} s"
    return str(cell["remote"])


def fates(cells: dict[str, dict[str, Any]]) -> str:
    """What became of the remote tasks, rows by columns."""
    lines = [["", *COLUMN_NAMES.values()], ["---"] * (len(COLUMNS) + 1)]
    for row in ROWS:
        told = [_told(cells[name_of(row, column)], column) for column in COLUMNS]
        lines.append([ROW_NAMES[row], *told])
    return _joined(lines)


def ends(cells: dict[str, dict[str, Any]]) -> str:
    """How the flow run and its process ended, by column."""
    lines = [
        ["", "flow run", "exit code", "process ended after"],
        ["---"] * 4,
    ]
    for column in COLUMNS:
        found = [cells[name_of(row, column)] for row in ROWS]
        found = [cell for cell in found if not cell["hangs"]]
        seconds = [max(cell["end_seconds"], 0) for cell in found]
        lines.append(
            [
                COLUMN_NAMES[column],
                _each(cell["flow_run"] for cell in found),
                _each("-" if cell["exit_code"] is None else cell["exit_code"] for cell in found),
                f"{min(seconds):.1f} to {max(seconds):.1f} s"
                if column != "other-fails"
                else "as soon as its waits had ended",
            ]
        )
    return _joined(lines)


def _each(values: Any) -> str:
    return " or ".join(sorted({str(value) for value in values}))


def _joined(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {"cells": fates, "ends": ends}


def in_document(text: str, name: str) -> str:
    """The table that stands in a document below a comment with its name."""
    found = re.search(rf"<!-- {name} -->\n((?:\|.*\n)*)", text)
    assert found, f"there is no table {name}"
    return found[1].strip()


def main() -> None:
    """Writes the tables into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        rows = table(kept())
        text = re.sub(
            rf"(<!-- {name} -->\n)(?:\|.*\n)*", lambda m, rows=rows: f"{m[1]}{rows}\n", text
        )
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
