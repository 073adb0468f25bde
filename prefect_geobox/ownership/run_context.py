"""The Prefect run around the calling code: its logger, its name, the flow runs around it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.runtime import task_run

from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.read_once import ReadOnce

#: The ids of flow runs and their ancestor runs, which never change.
_ancestor_run_ids: Final[ReadOnce[UUID, list[UUID]]] = ReadOnce(1000)


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A flow run and the runs around it, the outermost first.

    Attributes:
        runs: The flow runs.
        callers: The task runs in which Prefect records the calls of all runs but the first.
    """

    runs: tuple[FlowRun, ...]
    callers: tuple[TaskRun, ...]


async def read_ancestry(prefect: PrefectClient, run_id: UUID) -> Ancestry:
    """Reads a flow run and the runs around it.

    Args:
        prefect: Reads.
        run_id: The flow run.
    """
    runs = [await prefect.read_flow_run(run_id)]
    callers: list[TaskRun] = []
    while (caller_id := runs[0].parent_task_run_id) is not None:
        caller = await prefect.read_task_run(caller_id)
        if caller.flow_run_id is None or caller.flow_run_id in {run.id for run in runs}:
            break
        callers.insert(0, caller)
        runs.insert(0, await prefect.read_flow_run(caller.flow_run_id))
    return Ancestry(tuple(runs), tuple(callers))


async def ancestor_run_ids(prefect: PrefectClient, run_id: UUID) -> list[UUID]:
    """Returns the ids of a flow run and its ancestor runs, outermost last; read once.

    Args:
        prefect: Reads.
        run_id: The flow run.
    """

    async def read() -> list[UUID]:
        ancestry = await read_ancestry(prefect, run_id)
        return [run.id for run in reversed(ancestry.runs)]

    return list(await _ancestor_run_ids.get(run_id, read))


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of the run; outside a run, the logger of the package."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("prefect_geobox")


def is_in_run() -> bool:
    """Whether artifacts and events would belong to a run."""
    return TaskRunContext.get() is not None or FlowRunContext.get() is not None


def rename_task_run(name: str) -> None:
    """Renames the current task run, once the name of its remote task or asset is known.

    The engine reports the run under the name that it has when it ends.
    """
    context = TaskRunContext.get()
    if context is not None:
        context.task_run.name = name


def parameter(name: str) -> Any:
    """A parameter of the task run that is about to begin, for use in its name."""
    return (task_run.parameters or {}).get(name)


def named_after_task(verb: str) -> str:
    """Returns `<verb>-<name>`; before the remote task is read, often only its uuid is known."""
    given = parameter("task")
    name = given.label if isinstance(given, RemoteTask) else getattr(given, "uuid", given)
    # Any other value is not known yet, such as the future of another task.
    return f"{verb}-{printable(str(name), 100) if isinstance(name, (str, UUID)) else 'task'}"
