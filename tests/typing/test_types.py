"""Type checkers accept correct uses of the public names and report each wrong one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ACCEPTED = FOLDER / "accepted.py"
REFUSED = FOLDER / "refused.py"


def _output(*command: str) -> str:
    """What a type checker prints; it ends with 1 where it reports errors."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def mypy_errors() -> dict[Path, dict[int, str]]:
    """The errors of mypy by file and line."""
    found: dict[Path, dict[int, str]] = {ACCEPTED: {}, REFUSED: {}}
    text = _output("mypy", "--no-pretty", str(ACCEPTED), str(REFUSED))
    for path, line, message in re.findall(r"^(.+?):(\d+): error: (.*)$", text, re.MULTILINE):
        found.setdefault(ROOT / path, {})[int(line)] = message
    return found


def pyright_errors() -> dict[Path, dict[int, str]]:
    """The errors of pyright by file and line."""
    found: dict[Path, dict[int, str]] = {ACCEPTED: {}, REFUSED: {}}
    arguments = ["--outputjson", "--pythonpath", sys.executable, str(ACCEPTED), str(REFUSED)]
    for each in json.loads(_output("pyright", *arguments))["generalDiagnostics"]:
        if each["severity"] == "error":
            line = each["range"]["start"]["line"] + 1
            found.setdefault(Path(each["file"]), {})[line] = each["message"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "errors_of",
    [
        mypy_errors,
        pytest.param(
            pyright_errors,
            marks=pytest.mark.skipif(not find_spec("pyright"), reason="pyright is not installed"),
        ),
    ],
)
def test_type_checkers_report_the_wrong_uses_alone(
    errors_of: Callable[[], dict[Path, dict[int, str]]],
) -> None:
    """Each line marked as wrong has an error, and no other line of the two files has one."""
    errors = errors_of()
    assert not errors[ACCEPTED]
    lines = REFUSED.read_text(encoding="utf-8").splitlines()
    wrong = {number: line.strip() for number, line in enumerate(lines, 1) if "# wrong: " in line}
    not_reported = [line for number, line in wrong.items() if number not in errors[REFUSED]]
    not_wrong = {n: message for n, message in errors[REFUSED].items() if n not in wrong}
    assert not not_reported, "accepted, but wrong:\n" + "\n".join(not_reported)
    assert not not_wrong, f"reported, but not marked as wrong: {not_wrong}"
