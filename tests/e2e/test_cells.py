"""The table of what happens to a flow that waits, cell by cell."""

from __future__ import annotations

import pytest

from .cells import ROWS, Cell

#: A third of the cells, each row and each column among them, which is tried each time; the others
#: are slow.
QUICK = {
    "serve": ("wait-map", "publish-direct", "publish-submit", "await-gather"),
    "worker": ("wait-direct", "wait-many", "publish-submit"),
    "sigterm": ("wait-submit", "wait-map", "await-gather", "publish-direct", "subflow-publish"),
    "ctrl-c": ("wait-direct", "wait-map", "wait-many", "await-submit", "subflow-publish"),
    "ctrl-c-twice": ("wait-submit", "await-direct", "publish-map"),
    "task-limit": ("wait-direct", "await-submit", "publish-submit", "subflow-wait"),
    "flow-limit": ("await-direct", "await-gather", "wait-many", "publish-map"),
    "timeout": ("subflow-wait", "publish-direct", "wait-map", "await-gather"),
    "other-fails": ("wait-submit", "await-gather", "publish-map"),
}

LIMITS = ("task-limit", "flow-limit", "timeout")


#: Rows that are tried with the other value of an option too.
BOTH_WAYS = ("wait-direct", "wait-map", "await-direct", "publish-direct")


def _marked(cell: Cell):
    marks = [] if cell.row in QUICK[cell.column] else [pytest.mark.slow]
    return pytest.param(cell, id=str(cell), marks=marks)


def _cells(*columns: str, rows=ROWS, **wait: str):
    options = tuple(wait.items())
    return [_marked(Cell(row, column, options)) for column in columns for row in rows]


@pytest.mark.parametrize("cell", _cells("serve", "worker"))
def test_a_cancel_by_the_user_aborts(cell, outcomes):
    """A cancel from the API is acted on within 5 s of noticing; the run ends Cancelled in time."""
    outcome = outcomes[cell].result()
    assert outcome.fate == "aborted", outcome.log
    assert outcome.late_seconds < 5
    # Prefect looks for cancels every second here, and submitted waits every two.
    assert outcome.abort_seconds < 10
    assert outcome.end_seconds < 30
    assert not outcome.is_hanging
    assert outcome.flow_run == "Cancelled"


@pytest.mark.parametrize("cell", _cells("ctrl-c"))
def test_ctrl_c_aborts(cell, outcomes):
    """Ctrl-C aborts all within 5 s, and the process ends with an error."""
    outcome = outcomes[cell].result()
    assert outcome.fate == "aborted", outcome.log
    assert outcome.abort_seconds < 5
    assert outcome.end_seconds < 30
    assert not outcome.is_hanging
    assert outcome.exit_code != 0


@pytest.mark.parametrize("cell", _cells("ctrl-c-twice"))
def test_a_second_ctrl_c_leaves_at_once(cell, outcomes):
    """While an abort is not answered, a second Ctrl-C ends the process and does not wait for it."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    # The abort is given up after 30 s. What is left is Prefect's: it reports each task run.
    assert outcome.end_seconds < 10, outcome.log
    assert outcome.exit_code != 0


@pytest.mark.parametrize("cell", _cells("sigterm"))
def test_an_eviction_leaves(cell, outcomes):
    """SIGTERM to the process of a flow aborts nothing, and the process ends in time."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.fate == "runs on", outcome.log
    assert outcome.abort_seconds is None
    assert outcome.end_seconds < 30
    assert outcome.exit_code != 0
    assert "a retry of this run re-attaches" in outcome.log


@pytest.mark.parametrize("cell", _cells(*LIMITS, on_timeout="abort"))
def test_a_time_limit_aborts(cell, outcomes):
    """Whichever limit ends the wait, `on_timeout="abort"` aborts, and the process ends in time."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.fate == "aborted", outcome.log
    assert outcome.abort_seconds < 5
    assert outcome.end_seconds < 30
    assert outcome.exit_code == 1


@pytest.mark.parametrize("cell", _cells(*LIMITS, rows=BOTH_WAYS, on_timeout="leave"))
def test_a_time_limit_leaves(cell, outcomes):
    """Whichever limit ends the wait, `on_timeout="leave"` leaves, and the process ends in time."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.fate == "runs on", outcome.log
    assert outcome.abort_seconds is None
    assert outcome.end_seconds < 30
    assert outcome.exit_code == 1


@pytest.mark.parametrize(
    "cell", _cells("serve", "ctrl-c", rows=("wait-map", "publish-direct"), on_cancel="leave")
)
def test_a_cancel_leaves_where_that_is_wanted(cell, outcomes):
    """With `on_cancel="leave"` a user's cancel ends the run and aborts nothing."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.fate == "runs on", outcome.log
    assert outcome.abort_seconds is None
    assert outcome.end_seconds < 30
    assert outcome.flow_run == "Cancelled" or cell.column == "ctrl-c"


@pytest.mark.parametrize("cell", _cells("other-fails", rows=sorted({*ROWS} - {"await-gather"})))
def test_a_wait_outlives_the_failure_of_another_task(cell, outcomes):
    """A wait goes on where another task fails; the process ends after it, the run Failed."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.remote == ("SUCCESS",), outcome.log
    assert outcome.abort_seconds is None
    assert outcome.flow_run == "Failed"
    assert outcome.exit_code == 1


@pytest.mark.parametrize("cell", _cells("other-fails", rows=["await-gather"]))
def test_gathered_waits_are_given_up_with_their_flow(cell, outcomes):
    """Waits that were gathered with a task that fails are cancelled when the event loop ends."""
    outcome = outcomes[cell].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.fate == "aborted", outcome.log
    assert outcome.flow_run == "Failed"
    assert outcome.exit_code == 1
