"""The code in the documents runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from prefect_geobox.emulator import GeoboxEmulator

from .documents import DOCUMENTS, ROOT, Block, blocks

#: Its examples are one session: each goes on where the one before ended.
SESSION = ROOT / "docs" / "live-checklist.md"

ALONE = [
    block for document in DOCUMENTS if document != SESSION for block in blocks(document, "python")
]
NOT_RUN = [block for document in DOCUMENTS for block in blocks(document, "python no-run")]


@pytest.mark.parametrize("example", ALONE, ids=str)
def test_example_runs_alone(
    example: Block, block: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example runs as a script of its own, and prints what the document says it prints."""
    if "from geobox" in example.code:
        pytest.importorskip("geobox")
    script = folder / "example.py"
    script.write_text(example.code, encoding="utf-8")

    runpy.run_path(str(script), run_name="__main__")

    if example.output is not None:
        assert capsys.readouterr().out == example.output


@pytest.mark.slow
def test_live_checklist_runs_as_one_session(geobox: GeoboxEmulator, folder: Path) -> None:
    """The calls of the checklist run in order in one session."""
    names: dict[str, object] = {}
    for example in blocks(SESSION, "python"):
        exec(compile(example.code, str(example), "exec"), names)


@pytest.mark.parametrize("example", NOT_RUN, ids=str)
def test_example_that_is_not_run_compiles(example: Block) -> None:
    """An example that cannot run alone, such as a flow that is served, at least compiles."""
    compile(example.code, str(example), "exec")


def test_few_examples_are_not_run() -> None:
    """Nearly all examples run; the exceptions are counted here."""
    assert len(NOT_RUN) <= 1
    assert len(ALONE) + len(blocks(SESSION, "python")) >= 30
