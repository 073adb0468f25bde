"""The kind of Prefect task that all tasks of this package are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from prefect import Task, unmapped
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from prefect_geobox.client.model.base import FrozenModel
from prefect_geobox.reporting.run_log import log_errors_once
from prefect_geobox.tasks._signatures import StepSignature, with_argument_errors

P = ParamSpec("P")
R = TypeVar("R")

log_errors_once()


class StepTask(Task[P, R]):
    """A Prefect task that is mapped with the same credentials, asset or remote task for all.

    Prefect maps over whatever can be iterated, and a pydantic model can: over its fields. Here a
    block, or a model of this package that is given alone, is the same in each task run.
    """

    if not TYPE_CHECKING:
        # With the signatures of `Task`, which type checkers read.

        def map(self, *args: Any, **kwargs: Any) -> Any:
            """Maps over the iterable arguments; as `Task.map`, but for blocks and models."""
            same = {name: _same_for_all(value) for name, value in kwargs.items()}
            return super().map(*map(_same_for_all, args), **same)

        def with_options(self, *args: Any, **kwargs: Any) -> Any:
            """A copy with other options, of the same kind."""
            changed = copy.copy(self)
            changed.__dict__ = {**vars(super().with_options(*args, **kwargs))}
            return changed


def _same_for_all(value: Any) -> Any:
    if isinstance(value, PrefectFuture):
        # Prefect waits for it too. The future is passed on, so that the run page shows where the
        # model comes from.
        value.wait()
        state = value.state
        is_model = state.is_completed() and _is_model(value.result(raise_on_failure=False))
        return unmapped(value) if is_model else value
    return unmapped(value) if _is_model(value) else value


def _is_model(value: Any) -> bool:
    return isinstance(value, (Block, FrozenModel))


def step_task(
    *, task_run_name: Callable[[], str] | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a function a task of this package. It is never cached.

    Args:
        task_run_name: Names its task runs.
    """

    def make(function: Callable[P, R]) -> Task[P, R]:
        if not isinstance(vars(function).get("__signature__"), StepSignature):
            function = with_argument_errors(function)
        made: Any = StepTask(function, task_run_name=task_run_name, cache_policy=NO_CACHE)
        return cast("Task[P, R]", made)

    return make
