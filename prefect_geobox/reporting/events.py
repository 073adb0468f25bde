"""Events about remote tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from prefect.events import emit_event

from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.work_behind import work_behind
from prefect_geobox.ownership.interruption import flow_run_id
from prefect_geobox.ownership.run_context import is_in_run, run_logger


def emit_task_event(
    what: str,
    task: RemoteTask,
    host: str,
    payload: Mapping[str, Any] | None = None,
    *,
    is_behind: bool = False,
) -> None:
    """Emits the event `geobox.task.<what>`, related to the current run; outside a run nothing.

    Args:
        what: Such as `submitted` or `finished`.
        task: The remote task.
        host: The Geobox host.
        payload: Content besides name and state.
        is_behind: Whether the calling step does not wait until it is emitted; only in a flow run.
    """
    if not is_in_run():
        return
    occurred = datetime.now(timezone.utc)
    if not is_behind or flow_run_id() is None:
        _emit(what, task, host, payload, occurred)
        return

    async def emit() -> None:
        try:
            _emit(what, task, host, payload, occurred)
        except Exception as error:  # noqa: BLE001 - the step has ended as it has
            run_logger().warning(
                "The event %s could not be emitted: %s: %s", what, type(error).__name__, error
            )

    # At the exit of the process, Prefect's worker of events has ended already.
    work_behind.leave(emit, is_possible_at_exit=False)


def emit_ends(tasks: Iterable[RemoteTask], host: str, *, is_behind: bool) -> None:
    """Emits an event for each remote task that has ended, once.

    Args:
        tasks: The remote tasks, in their final states.
        host: The Geobox host.
        is_behind: Whether the calling step does not wait until they are emitted.
    """
    for task in {task.uuid: task for task in tasks}.values():
        output = f"{task.output.kind.value}/{task.output.uuid}" if task.output else None
        payload = {"seconds": task.seconds, "output": output}
        emit_task_event("finished", task, host, payload, is_behind=is_behind)


def _emit(
    what: str,
    task: RemoteTask,
    host: str,
    payload: Mapping[str, Any] | None,
    occurred: datetime,
) -> None:
    emit_event(
        f"geobox.task.{what}",
        occurred=occurred,
        resource={
            "prefect.resource.id": f"geobox.task.{task.uuid}",
            "prefect.resource.name": task.label[:200],
            "geobox.host": host,
        },
        payload={"name": task.name, "state": task.state_text, **(payload or {})},
    )
