"""What happens to a flow that waits, for each way to wait and each ending."""

from __future__ import annotations

import pytest

from .interruption_matrix import FLOWS, NOT_ABORTED, Case

#: The cases that are tried each time, each flow and each ending among them; the others are slow. Of
#: those that begin with a new interpreter there are few.
QUICK = {
    "serve": ("wait-map", "publish-direct"),
    "worker": ("publish-submit",),
    "sigterm": ("wait-submit", "wait-map", "await-gather", "publish-direct", "subflow-publish"),
    "ctrl-c": ("wait-direct", "wait-map", "wait-many", "await-submit", "subflow-publish"),
    "ctrl-c-twice": ("wait-submit", "await-direct", "publish-map"),
    "task-limit": ("wait-direct", "await-submit", "publish-submit", "subflow-wait"),
    "flow-limit": ("await-direct", "await-gather", "wait-many", "publish-map"),
    "timeout": ("subflow-wait", "publish-direct", "wait-map", "await-gather"),
    "other-fails": ("wait-submit", "await-gather", "publish-map"),
}

TIME_LIMITS = ("task-limit", "flow-limit", "timeout")

#: Flows that are tried with the other value of an option too.
BOTH_WAYS = ("wait-direct", "wait-map", "await-direct", "publish-direct")


def _marked(case: Case):
    marks = [] if case.flow in QUICK[case.ending] else [pytest.mark.slow]
    return pytest.param(case, id=str(case), marks=marks)


def _cases(*endings: str, flows=FLOWS, **wait: str):
    options = tuple(wait.items())
    return [_marked(Case(flow, ending, options)) for ending in endings for flow in flows]


def _assert_aborted(outcome):
    """All remote tasks were aborted, and that before the process had ended by itself."""
    assert not outcome.is_hanging, outcome.log
    assert outcome.remote == "aborted", outcome.log
    assert outcome.is_aborted_first, outcome.log


def _assert_left(outcome):
    """No abort was sent, the remote tasks run on, and the process has ended by itself."""
    assert not outcome.is_hanging, outcome.log
    assert outcome.remote == "runs on", outcome.log
    assert outcome.abort_seconds is None, outcome.log


@pytest.mark.parametrize("case", _cases("serve", "worker"))
def test_a_cancel_by_the_user_aborts(case, outcomes):
    """A cancel from the API aborts before the process ends, and the run ends Cancelled."""
    outcome = outcomes[case].result()
    _assert_aborted(outcome)
    assert outcome.flow_run == "Cancelled"


@pytest.mark.parametrize("case", _cases("ctrl-c"))
def test_ctrl_c_aborts(case, outcomes):
    """Ctrl-C aborts all remote tasks before the process ends with an error."""
    outcome = outcomes[case].result()
    _assert_aborted(outcome)
    assert outcome.exit_code != 0


@pytest.mark.parametrize("case", _cases("ctrl-c-twice"))
def test_a_second_ctrl_c_abandons_the_aborts(case, outcomes):
    """A second Ctrl-C ends the process before an abort without an answer counts as failed."""
    outcome = outcomes[case].result()
    assert not outcome.is_hanging, outcome.log
    assert NOT_ABORTED not in outcome.log
    assert outcome.exit_code != 0


@pytest.mark.parametrize("case", _cases("sigterm"))
def test_an_eviction_leaves(case, outcomes):
    """SIGTERM to the process of a flow aborts nothing, and the process ends with an error."""
    outcome = outcomes[case].result()
    _assert_left(outcome)
    assert outcome.exit_code != 0
    assert "a retry of this run re-attaches" in outcome.log


@pytest.mark.parametrize("case", _cases(*TIME_LIMITS, on_timeout="abort"))
def test_a_time_limit_aborts(case, outcomes):
    """With `on_timeout="abort"` each time limit aborts before the process ends with an error."""
    outcome = outcomes[case].result()
    _assert_aborted(outcome)
    assert outcome.exit_code == 1


@pytest.mark.parametrize("case", _cases(*TIME_LIMITS, flows=BOTH_WAYS, on_timeout="leave"))
def test_a_time_limit_leaves(case, outcomes):
    """With `on_timeout="leave"` no time limit aborts, and the process ends with an error."""
    outcome = outcomes[case].result()
    _assert_left(outcome)
    assert outcome.exit_code == 1


@pytest.mark.parametrize(
    "case", _cases("serve", "ctrl-c", flows=("wait-map", "publish-direct"), on_cancel="leave")
)
def test_a_cancel_leaves_where_that_is_wanted(case, outcomes):
    """With `on_cancel="leave"` a user's cancel ends the run and aborts nothing."""
    outcome = outcomes[case].result()
    _assert_left(outcome)
    assert outcome.flow_run == "Cancelled" or case.ending == "ctrl-c"


@pytest.mark.parametrize("case", _cases("other-fails", flows=sorted({*FLOWS} - {"await-gather"})))
def test_a_wait_outlives_the_failure_of_another_task(case, outcomes):
    """A wait goes on where another task fails; the process ends after it, the run Failed."""
    outcome = outcomes[case].result()
    assert not outcome.is_hanging, outcome.log
    assert outcome.states == ("SUCCESS",), outcome.log
    assert outcome.abort_seconds is None
    assert outcome.flow_run == "Failed"
    assert outcome.exit_code == 1


@pytest.mark.parametrize("case", _cases("other-fails", flows=["await-gather"]))
def test_gathered_waits_are_cancelled_with_their_flow(case, outcomes):
    """Waits that were gathered with a task that fails are cancelled when the event loop ends."""
    outcome = outcomes[case].result()
    _assert_aborted(outcome)
    assert outcome.flow_run == "Failed"
    assert outcome.exit_code == 1
