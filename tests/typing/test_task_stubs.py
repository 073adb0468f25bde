"""The types of the steps are written from their signatures."""

from __future__ import annotations

from . import task_stubs


def test_stub_is_written_from_the_signatures() -> None:
    """The stub of the steps is what their signatures say at present."""
    written = task_stubs.PATH.read_text(encoding="utf-8")
    assert written == task_stubs.text(), "run `python -m tests.typing.task_stubs`"
