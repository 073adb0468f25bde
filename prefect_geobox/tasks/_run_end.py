"""Has the end of a flow run wait for what its steps still have to write."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

from prefect.context import FlowRunContext

from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.work_behind import work_behind
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.submission_log import close_ledger
from prefect_geobox.reporting.summary_queue import summary_queue


def show_geobox_steps(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - Prefect's
    """Writes the summaries and records of a flow run that are not on the server yet.

    A hook that the first step of a flow adds to it, before the hooks of its users.

    Args:
        flow: The flow.
        flow_run: The run that has ended.
        state: Its state.
    """
    is_outermost = flow_run.parent_task_run_id is None
    try:
        io_thread().run(_write_what_is_left(flow_run.id if is_outermost else None))
    except Exception as error:  # noqa: BLE001 - the run has ended as it has
        run_logger().warning(
            "What the steps have left could not be saved: %s: %s", type(error).__name__, error
        )


async def _write_what_is_left(outermost_run: UUID | None) -> None:
    await work_behind.flush()
    await summary_queue().flush()
    if outermost_run is not None:
        await close_ledger(await prefect_api(), outermost_run)


#: Runs of one flow may go on in several threads.
_adding = threading.Lock()


def write_at_run_end() -> None:
    """Has the current flow run wait for its steps at its end; called by each step."""
    context = FlowRunContext.get()
    flow = context.flow if context is not None else None
    if flow is None:
        return
    with _adding:
        # Each kind by itself: a copy of a flow can have hooks of its own for one of them.
        flow.on_completion_hooks = _with_ours(flow.on_completion_hooks)
        flow.on_failure_hooks = _with_ours(flow.on_failure_hooks)
        flow.on_cancellation_hooks = _with_ours(flow.on_cancellation_hooks)
        flow.on_crashed_hooks = _with_ours(flow.on_crashed_hooks)


def _with_ours(hooks: list[Any] | None) -> list[Any]:
    """The hooks of a flow with this one, first."""
    if hooks and hooks[0] is show_geobox_steps:
        return hooks
    return [show_geobox_steps, *(hook for hook in hooks or () if hook is not show_geobox_steps)]
