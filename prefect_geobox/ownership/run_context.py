"""The Prefect run that the code is in: its logger, its name, whether there is one."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import printable


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of the run, or the package's where there is none."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("prefect_geobox")


def is_in_run() -> bool:
    """Whether artifacts and events would belong to a run."""
    return TaskRunContext.get() is not None or FlowRunContext.get() is not None


def rename_task_run(name: str) -> None:
    """Gives the task run a name that became known only within it.

    The engine reports the run under the name that it has when it ends.
    """
    context = TaskRunContext.get()
    if context is not None:
        context.task_run.name = name


def parameter(name: str) -> Any:
    """A parameter of the task run that is about to begin, for its name."""
    return (runtime.task_run.parameters or {}).get(name)


def named_after_task(verb: str) -> str:
    """Such as `wait-for-<name>`, as far as the remote task's name is known before it is read."""
    given = parameter("task")
    name = given.label if isinstance(given, RemoteTask) else getattr(given, "uuid", given)
    # What is no text is a value that is still to come, such as a future of another task.
    return f"{verb}-{printable(str(name), 100) if isinstance(name, (str, UUID)) else 'task'}"
