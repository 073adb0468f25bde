"""Makes the pair of Prefect tasks of an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar

from prefect import Task
from typing_extensions import Unpack

from prefect_geobox.client.api.run_mode import run_to_completion
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.options import option_parameters
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.operations import LayerOptions, Operation
from prefect_geobox.client.operations._inputs import ByName
from prefect_geobox.client.operations._signature_errors import meanings
from prefect_geobox.client.polling.policy import WaitOptions
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.run_context import parameter
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.ownership.submit_once import OWNERSHIP_DEFAULTS, OwnershipOptions
from prefect_geobox.tasks._lifecycle import run_operation
from prefect_geobox.tasks._signatures import with_signature_errors
from prefect_geobox.tasks._step_options import taken_ownership
from prefect_geobox.tasks._step_task import step_task

P = ParamSpec("P")
R = TypeVar("R")


class TaskNaming(TypedDict, total=False):
    """How the task runs of an operation are named.

    Attributes:
        run_name: What the name of a task run begins with; by default the operation's name.
        named_by: The parameter that the name of a task run ends with; `name` by default.
        done: What was done to the output, as a participle, for log lines; `made` by default.
    """

    run_name: str
    named_by: str
    done: str


def make_tasks(
    operation: Operation[P, R], **naming: Unpack[TaskNaming]
) -> tuple[
    Task[Concatenate[GeoboxCredentials, P], R],
    Task[Concatenate[GeoboxCredentials, P], Coroutine[Any, Any, R]],
]:
    """The two Prefect tasks of an operation, sync and async.

    Args:
        operation: What they start, wait for and return the output of.
        **naming: As in `TaskNaming`.
    """
    done = naming.get("done", "made")

    def blocking(credentials: GeoboxCredentials, *args: P.args, **kwargs: P.kwargs) -> R:
        ownership = taken_ownership(kwargs)
        bound = operation.bind(args, kwargs)
        return run_to_completion(run_operation(SYNC_MODE, credentials, bound, ownership, done))

    async def awaiting(credentials: GeoboxCredentials, *args: P.args, **kwargs: P.kwargs) -> R:
        ownership = taken_ownership(kwargs)
        bound = operation.bind(args, kwargs)
        return await run_operation(ASYNC_MODE, credentials, bound, ownership, done)

    first = inspect.Parameter(
        "credentials",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation="GeoboxCredentials",
    )
    signature = inspect.Signature([first, *_parameters(operation)])
    described = _docstring(operation)
    for function, name, doc in (
        (blocking, operation.name, described),
        (awaiting, f"a{operation.name}", f"Async twin of `{operation.name}`."),
    ):
        function.__name__ = function.__qualname__ = name
        function.__doc__ = doc
        function.__dict__["__signature__"] = signature
        with_signature_errors(function, described)
    name_run = _run_name(naming.get("run_name", operation.slug), naming.get("named_by", "name"))
    return (
        step_task(task_run_name=name_run)(blocking),
        step_task(task_run_name=name_run)(awaiting),
    )


def _parameters(operation: Operation[..., Any]) -> list[inspect.Parameter]:
    """The parameters of an operation, those of ownership among its options."""
    parameters = list(operation.signature.parameters.values())
    place = 1 + [parameter.name for parameter in parameters].index("on_timeout")
    parameters[place:place] = option_parameters(OwnershipOptions, OWNERSHIP_DEFAULTS)
    return parameters


def _run_name(begin: str, named_by: str) -> Callable[[], str]:
    def name() -> str:
        given = parameter(named_by)
        end = given if isinstance(given, str) else None
        if isinstance(given, (OutputAsset, ByName)):
            end = given.name
        return f"{begin}-{printable(end, 100)}" if end else begin

    return name


def _docstring(operation: Operation[..., Any]) -> str:
    """The docstring of an operation, with the parts that all steps share."""
    text = inspect.cleandoc(operation.__doc__ or "")
    before, _, rest = text.partition("\nArgs:\n")
    own, _, example = rest.partition("\nExample:\n")
    endpoints = " and ".join(f"`{endpoint}`" for endpoint in operation.endpoint.split("; "))
    lines = [
        before.rstrip(),
        "",
        f"Calls {endpoints} once: a retry of the flow run or of the task re-attaches to the",
        "remote task that it has started already, returns its output where it has ended, and",
        "starts another only where it has failed or was aborted.",
        "",
        "Args:",
        "    credentials: The account.",
        own.rstrip(),
        *_options(operation),
        "",
        *_RAISES,
        "",
        "Example:",
        example,
    ]
    return "\n".join(lines).rstrip() + "\n"


def _options(operation: Operation[..., Any]) -> list[str]:
    """The lines of a docstring on the options of a step, from those of their classes."""
    own = meanings(operation.__doc__)
    wanted = {name for name in operation.options if name not in own} | {*OWNERSHIP_DEFAULTS}
    lines: list[str] = []
    for kind in (WaitOptions, OwnershipOptions, LayerOptions):
        _, _, listing = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        is_wanted = False
        for line in listing.splitlines():
            if line[:5].strip():
                is_wanted = line.strip().partition(":")[0] in wanted
            if is_wanted:
                lines.append(line)
    return lines


_RAISES = [
    "Raises:",
    "    InvalidArgumentError: An argument is invalid; no request was sent.",
    "    NameLookupError: No input or several inputs have a name; nothing was started.",
    "    TaskFailedError: The remote task failed; the reason is in the message.",
    "    TaskAbortedError: It was aborted.",
    "    TaskTimeoutError: The time was up.",
    "    LostContactError: The server could not be read for longer than `outage`.",
    "    AmbiguousSubmissionError: It is not known whether the server started anything.",
    "    GeoboxError: A request failed for good.",
]
