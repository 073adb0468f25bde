"""Classifies interruptions: what a cancel, a crash or a time limit means for the remote task.

A user's cancel follows `on_cancel`; an eviction leaves the remote task to a retry; a time limit
follows `on_timeout`. They differ only in the state of the flow run, which is read here, and in the
exception that the waiting code sees.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import Any, Final
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import TerminationSignal

from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.polling.wait_call import InterruptionCause
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_context import ancestor_run_ids, run_logger

#: The exceptions that end a step from outside.
INTERRUPTIONS: Final = (KeyboardInterrupt, asyncio.CancelledError, TerminationSignal)

#: Seconds for reading the state of the run while the process is about to end.
_STATE_TIMEOUT: Final = 10.0


def classify_blocking(error: BaseException) -> InterruptionCause:
    """Classifies an interruption of blocking code.

    Args:
        error: The exception in the code: Ctrl-C, Prefect's signal for SIGTERM, or its time limit.
    """
    if isinstance(error, KeyboardInterrupt):
        return "cancel"
    if isinstance(error, TerminationSignal):
        return "cancel" if is_run_cancelling() else _leave("the process was asked to end")
    # Prefect's time limit raises a subclass of CancelledError in blocking code.
    return "timeout" if isinstance(error, asyncio.CancelledError) else _leave(type(error).__name__)


def classify_awaiting(error: BaseException) -> Awaitable[InterruptionCause]:
    """Classifies the cancellation of a coroutine.

    Must be called where the cancellation is caught, before entering a shield; the result may be
    awaited later.

    Args:
        error: The cancellation.
    """
    return _classify_cancellation(error, is_out_of_time=_is_out_of_time())


async def _classify_cancellation(
    error: BaseException, *, is_out_of_time: bool
) -> InterruptionCause:
    if is_out_of_time:
        return "timeout"
    run_id = flow_run_id()
    if run_id is not None and _comes_from_termination(error):
        is_cancelling = await await_despite_cancellation(
            io_thread().submit(_read_is_cancelling(run_id))
        )
        return "cancel" if is_cancelling else _leave("the process was asked to end")
    # Ctrl-C, or the flow's own code has cancelled the wait.
    return "cancel"


def _is_out_of_time() -> bool:
    """Whether a time limit has passed: Prefect then cancels the scope around the coroutine."""
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    has_limit = (task is not None and task.task.timeout_seconds is not None) or (
        flow is not None and flow.flow is not None and flow.flow.timeout_seconds is not None
    )
    return has_limit and anyio.current_effective_deadline() == -math.inf


def is_run_cancelling() -> bool:
    """Whether this flow run, or one of its ancestor runs, is being cancelled.

    False outside a run, and if the server does not answer within 10 s.
    """
    run_id = flow_run_id()
    return run_id is not None and io_thread().run(_read_is_cancelling(run_id))


async def _read_is_cancelling(run_id: UUID) -> bool:
    try:
        with anyio.fail_after(_STATE_TIMEOUT):
            client = await prefect_api(_STATE_TIMEOUT)
            states = await read_states(client, await ancestor_run_ids(client, run_id))
            return any(state.is_cancelling() or state.is_cancelled() for state in states)
    except Exception as error:  # noqa: BLE001 - whatever the error, the process is about to end
        run_logger().error(
            "The state of the run could not be read, so it does not count as cancelled: %s",
            type(error).__name__,
        )
        return False


def flow_run_id() -> UUID | None:
    """The id of the flow run that the calling code belongs to."""
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run.id
    task = TaskRunContext.get()
    return task.task_run.flow_run_id if task is not None else None


async def read_states(client: PrefectClient, run_ids: list[UUID]) -> list[State[Any]]:
    """Reads the states of flow runs, with one request; those that have none yet are left out."""
    if len(run_ids) == 1:
        runs = [await client.read_flow_run(run_ids[0])]
    else:
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=run_ids))
        )
    return [run.state for run in runs if run.state is not None]


def _comes_from_termination(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, TerminationSignal):
            return True
        error = error.__context__
    return False


def _leave(reason: str) -> InterruptionCause:
    run_logger().warning(
        "The wait ends (%s); its remote tasks continue, and a retry of this run re-attaches to "
        "them.",
        reason,
    )
    return "leave"
