"""The table in the document is what the tests have measured."""

from __future__ import annotations

import pytest

from .interruption_matrix import ENDINGS, FLOWS, recorded
from .matrix_table import DOCUMENT, ENDING_NAMES, FLOW_NAMES, TABLES, in_document, name_of
from .test_interruption_matrix import QUICK


def test_each_case_has_been_measured():
    """There is a measurement for each flow and ending, and a name for each."""
    assert tuple(FLOW_NAMES) == tuple(FLOWS)
    assert tuple(ENDING_NAMES) == ENDINGS
    missing = {name_of(flow, ending) for flow in FLOWS for ending in ENDINGS} - set(recorded())
    assert not missing


@pytest.mark.parametrize("name", TABLES)
def test_the_document_shows_what_was_measured(name):
    """The document's table is made from the measurements: `python -m tests.e2e.matrix_table`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert in_document(text, name) == TABLES[name](recorded())


def test_a_short_run_tries_each_flow_and_each_ending():
    """The cases that are not slow cover each flow and each ending."""
    assert set(QUICK) == set(ENDINGS)
    assert all(QUICK.values())
    assert {flow for flows in QUICK.values() for flow in flows} == set(FLOWS)
