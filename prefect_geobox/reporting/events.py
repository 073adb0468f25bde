"""Events about remote tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.ownership.run_context import is_in_run


def emit_task_event(
    what: str, task: RemoteTask, host: str, payload: Mapping[str, Any] | None = None
) -> None:
    """Emits the event `geobox.task.<what>`, related to the current run; outside a run nothing.

    Args:
        what: Such as `submitted` or `finished`.
        task: The remote task.
        host: The Geobox host.
        payload: Content besides name and state.
    """
    if not is_in_run():
        return
    emit_event(
        f"geobox.task.{what}",
        resource={
            "prefect.resource.id": f"geobox.task.{task.uuid}",
            "prefect.resource.name": task.label[:200],
            "geobox.host": host,
        },
        payload={"name": task.name, "state": task.state_text, **(payload or {})},
    )
