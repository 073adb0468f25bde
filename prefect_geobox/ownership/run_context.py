"""The Prefect run around the calling code: whether there is one, its logger and its name."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.runtime import task_run

from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import printable


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
