"""The table in the document is what the tests have measured."""

from __future__ import annotations

import pytest

from .interruption_matrix import COLUMNS, ROWS, kept
from .matrix_table import COLUMN_NAMES, DOCUMENT, ROW_NAMES, TABLES, in_document, name_of
from .test_interruption_matrix import QUICK


def test_each_cell_has_been_measured():
    """There is a measurement for each row and column, and a name for each."""
    assert tuple(ROW_NAMES) == tuple(ROWS)
    assert tuple(COLUMN_NAMES) == COLUMNS
    missing = {name_of(row, column) for row in ROWS for column in COLUMNS} - set(kept())
    assert not missing


@pytest.mark.parametrize("name", TABLES)
def test_the_document_shows_what_was_measured(name):
    """The document's table is made from the measurements: `python -m tests.e2e.matrix_table`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert in_document(text, name) == TABLES[name](kept())


def test_a_short_run_tries_each_row_and_each_column():
    """What is tried each time has a cell of every way to wait and of every way to end."""
    assert set(QUICK) == set(COLUMNS)
    assert all(QUICK.values())
    assert {row for rows in QUICK.values() for row in rows} == set(ROWS)
