"""What a cancel, a crash or a timeout does to the remote task.

A user's cancel gives the remote task up; an eviction leaves it to the retry; a time limit follows
`on_timeout`. Prefect tells them apart only by the state of the flow run, which is read here, and by
the exception that the waiting code sees.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import Any, Final
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import TerminationSignal

from prefect_geobox.client.http.io_thread import await_despite_cancellation, io_thread
from prefect_geobox.client.polling.wait_call import InterruptionCause
from prefect_geobox.ownership.run_context import run_logger

#: What ends a step from outside.
INTERRUPTIONS: Final = (KeyboardInterrupt, asyncio.CancelledError, TerminationSignal)

#: Seconds that reading the state may take when the process is about to end.
_STATE_TIME: Final = 10.0


def classify_blocking(error: BaseException) -> InterruptionCause:
    """What an interruption of blocking code means.

    Args:
        error: What the code saw: Ctrl-C, Prefect's signal for SIGTERM, or its time limit.
    """
    if isinstance(error, KeyboardInterrupt):
        return "cancel"
    if isinstance(error, TerminationSignal):
        return "cancel" if is_run_cancelling() else _left("the process was asked to end")
    # Prefect ends blocking code that is out of time with its own kind of this error.
    return "timeout" if isinstance(error, asyncio.CancelledError) else _left(type(error).__name__)


def classify_awaiting(error: BaseException) -> Awaitable[InterruptionCause]:
    """What the cancellation of a coroutine means.

    Must be called where the cancellation is seen, before a shield is put up; may be awaited later.

    Args:
        error: The cancellation.
    """
    return _judge_cancellation(error, is_out_of_time=_is_out_of_time())


async def _judge_cancellation(error: BaseException, *, is_out_of_time: bool) -> InterruptionCause:
    if is_out_of_time:
        return "timeout"
    run_id = flow_run_id()
    if run_id is not None and _comes_from_termination(error):
        is_cancelling = await await_despite_cancellation(io_thread().submit(_asked(run_id)))
        return "cancel" if is_cancelling else _left("the process was asked to end")
    # Ctrl-C, or code of the flow's own that no longer wants the result.
    return "cancel"


def _is_out_of_time() -> bool:
    """Whether the code is in a cancelled scope, which is how Prefect ends a coroutine in time."""
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    has_limit = (task is not None and task.task.timeout_seconds is not None) or (
        flow is not None and flow.flow is not None and flow.flow.timeout_seconds is not None
    )
    return has_limit and anyio.current_effective_deadline() == -math.inf


def is_run_cancelling() -> bool:
    """Whether this flow run, or one that it is a part of, is being cancelled.

    False outside a run, and where the server does not say in time.
    """
    run_id = flow_run_id()
    return run_id is not None and io_thread().run(_asked(run_id))


async def _asked(run_id: UUID) -> bool:
    try:
        with anyio.fail_after(_STATE_TIME):
            async with get_client() as client:
                states = await states_of(client, await ancestor_run_ids(client, run_id))
                return any(state.is_cancelling() or state.is_cancelled() for state in states)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process is about to end
        run_logger().error(
            "It could not be found out whether the run was cancelled: %s", type(error).__name__
        )
        return False


def flow_run_id() -> UUID | None:
    """The flow run that the code belongs to."""
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run.id
    task = TaskRunContext.get()
    return task.task_run.flow_run_id if task is not None else None


async def states_of(client: PrefectClient, run_ids: list[UUID]) -> list[State[Any]]:
    """The states of flow runs; those that have none yet are left out."""
    states = [(await client.read_flow_run(run_id)).state for run_id in run_ids]
    return [state for state in states if state is not None]


async def ancestor_run_ids(client: PrefectClient, run_id: UUID) -> list[UUID]:
    """A flow run and the runs that it is a part of, outermost last."""
    ids = [run_id]
    while True:
        run = await client.read_flow_run(ids[-1])
        if run.parent_task_run_id is None:
            return ids
        parent = (await client.read_task_run(run.parent_task_run_id)).flow_run_id
        if parent is None or parent in ids:
            return ids
        ids.append(parent)


def _comes_from_termination(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, TerminationSignal):
            return True
        error = error.__context__
    return False


def _left(reason: str) -> InterruptionCause:
    run_logger().warning(
        "The wait ends (%s); its remote tasks go on and are picked up by a retry of this run.",
        reason,
    )
    return "leave"
