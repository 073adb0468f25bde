"""The tables of `docs/cancellation.md`, made from what the tests have measured.

`python -m tests.e2e.matrix_table` writes them into the document.
"""

from __future__ import annotations

import re
from typing import Any

from tests.kit.sample_data import ROOT

from .interruption_matrix import ENDINGS, FLOWS, LIMITS, recorded

DOCUMENT = ROOT / "docs" / "cancellation.md"

FLOW_NAMES = {
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

ENDING_NAMES = {
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


def name_of(flow: str, ending: str) -> str:
    """The name under which a case of the table is recorded."""
    return f"{ending}-{flow}" + ("-on_timeout=abort" if ending in LIMITS else "")


def _remote_text(case: dict[str, Any], ending: str) -> str:
    if case["hangs"]:
        return "**hangs**"
    if ending == "ctrl-c-twice":
        return f"left in {case['end_seconds']:.1f} s"
    if case["remote"] == "aborted":
        # A time limit is known to the test less exactly than a signal.
        seconds = max(case["abort_seconds"], 0) + 0.0
        return f"aborted, {seconds:.1f} s"
    return str(case["remote"])


def remote_ends(cases: dict[str, dict[str, Any]]) -> str:
    """How the remote tasks ended, by flow and ending."""
    lines = [["", *ENDING_NAMES.values()], ["---"] * (len(ENDINGS) + 1)]
    for flow in FLOWS:
        texts = [_remote_text(cases[name_of(flow, ending)], ending) for ending in ENDINGS]
        lines.append([FLOW_NAMES[flow], *texts])
    return _joined(lines)


def process_ends(cases: dict[str, dict[str, Any]]) -> str:
    """How the flow run and its process ended, by ending."""
    lines = [
        ["", "flow run", "exit code", "process ended after"],
        ["---"] * 4,
    ]
    for ending in ENDINGS:
        found = [cases[name_of(flow, ending)] for flow in FLOWS]
        found = [case for case in found if not case["hangs"]]
        seconds = [max(case["end_seconds"], 0) for case in found]
        lines.append(
            [
                ENDING_NAMES[ending],
                _each(case["flow_run"] for case in found),
                _each("-" if case["exit_code"] is None else case["exit_code"] for case in found),
                f"{min(seconds):.1f} to {max(seconds):.1f} s"
                if ending != "other-fails"
                else "as soon as its waits had ended",
            ]
        )
    return _joined(lines)


def _each(values: Any) -> str:
    return " or ".join(sorted({str(value) for value in values}))


def _joined(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {"interruption matrix": remote_ends, "process ends": process_ends}


def in_document(text: str, name: str) -> str:
    """The table that stands in a document below a comment with its name."""
    found = re.search(rf"<!-- {name} -->\n((?:\|.*\n)*)", text)
    assert found, f"there is no table {name}"
    return found[1].strip()


def main() -> None:
    """Writes the tables into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        rows = table(recorded())
        text = re.sub(
            rf"(<!-- {name} -->\n)(?:\|.*\n)*", lambda m, rows=rows: f"{m[1]}{rows}\n", text
        )
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
