"""The examples of the emulator's documentation."""

from __future__ import annotations

import re

import pytest

from prefect_geobox.emulator.pytest_plugin import geobox_emulator  # noqa: F401
from tests.kit.sample_data import ROOT

TEXT = (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_runs(example: str, request: pytest.FixtureRequest) -> None:
    """Each example runs, and the test in it passes with the fixture."""
    names: dict[str, object] = {}
    exec(compile(example, "docs/emulator.md", "exec"), names)
    test = names.get("test_abort")
    if callable(test):
        test(request.getfixturevalue("geobox_emulator"))


def test_there_are_examples() -> None:
    """The documentation shows the context manager, a script of states, the fixture, and imports."""
    assert len(EXAMPLES) == 4
