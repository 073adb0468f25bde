"""The bench by a small run: ratios of counts, never of times, which say nothing on a busy machine.

A hundred waits of each kind, all kinds side by side. What fails here has made the waits cost more
requests; how much more is for `make bench` to say.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from . import schedules, table
from .many import SDK, cases, measure

KINDS = (SDK, "filter", "filter refused", "filter ignored", "list useless")


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """The figures of a small run."""
    pytest.importorskip("geobox", reason="the SDK needs Python 3.11")
    small = [
        replace(case, waits=100, seconds=(2, 5)) for case in cases(scale=0.05) if case.name in KINDS
    ]
    with ThreadPoolExecutor(len(small)) as threads:
        return dict(zip(KINDS, threads.map(measure, small), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "share"), [("filter", 8), ("filter refused", 4), ("filter ignored", 4)]
)
def test_waits_share_requests(found: dict[str, dict[str, Any]], kind: str, share: int) -> None:
    """A hundred waits cost a small share of the requests that the SDK sends for them."""
    assert found[kind]["requests"] * share < found[SDK]["requests"]


@pytest.mark.slow
def test_single_reads_come_in_turn(found: dict[str, dict[str, Any]]) -> None:
    """Where only single reads are left, they come one after the other, and not all at once."""
    # A server that is busy sees those of more than a second come within one.
    assert found["list useless"]["most_in_a_second"] <= 2 * table.CAP
    assert found["list useless"]["requests"] >= 100


def test_schedules_keep_to_their_line() -> None:
    """One wait polls no more often than the plain line, and 60 times in 10 min with progress."""
    for one in schedules.measure(rolls=100):
        assert one["polls"] <= table.ON_THE_LINE * one["line_polls"]
    assert one["progress_polls"] <= 60


def test_the_document_has_a_table() -> None:
    """The document has a table of the form that the bench writes."""
    rows = table.in_document(table.DOCUMENT.read_text(encoding="utf-8")).splitlines()
    assert rows[:2] == table.markdown([]).splitlines()
    assert len(rows) > 20
    for row in rows[2:]:
        assert re.fullmatch(r"\|( [^|]* \|){5} (yes|\*\*no\*\*) \|", row), row
