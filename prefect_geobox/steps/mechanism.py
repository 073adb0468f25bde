"""How the description of an operation becomes a step: started once, owned, waited for and shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from prefect_geobox.artifacts import StepSummary, leave_last_summary, leave_summary
from prefect_geobox.cancellation import INTERRUPTIONS
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.async_operations import passed_on, wait_policy
from prefect_geobox.client.errors import GeoboxError
from prefect_geobox.client.models import OutputAsset, RemoteTask, printable
from prefect_geobox.client.operations import LayerOptions, Operation, StepOptions, publish_file
from prefect_geobox.client.operations.binding import misfit
from prefect_geobox.client.operations.request import Request
from prefect_geobox.client.outcomes import raise_for_failures
from prefect_geobox.client.policy import WaitPolicy
from prefect_geobox.client.references import ByName
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.execution import AWAITING, BLOCKING, Execution, drive
from prefect_geobox.lineage import materialize, referenced_assets
from prefect_geobox.owning import Step, check_owning
from prefect_geobox.reporting import WaitReport
from prefect_geobox.runs import parameter, run_logger
from prefect_geobox.showing import lease, show_output, start_owned, watch

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def steps_of(
    operation: Operation[P, R],
) -> tuple[
    Task[Concatenate[GeoboxCredentials, P], R],
    Task[Concatenate[GeoboxCredentials, P], Coroutine[Any, Any, R]],
]:
    """The two Prefect tasks of an operation, sync and async.

    Args:
        operation: What they start, wait for and return the outcome of.
    """

    def blocking(credentials: GeoboxCredentials, *args: P.args, **kwargs: P.kwargs) -> R:
        return drive(carry_out(BLOCKING, credentials, operation, operation.bind(args, kwargs)))

    async def awaiting(credentials: GeoboxCredentials, *args: P.args, **kwargs: P.kwargs) -> R:
        return await carry_out(AWAITING, credentials, operation, operation.bind(args, kwargs))

    first = inspect.Parameter(
        "credentials",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation="GeoboxCredentials",
    )
    signature = _StepSignature([first, *operation.signature.parameters.values()])
    signature.operation = operation
    for function, name, doc in (
        (blocking, operation.name, _docstring(operation)),
        (awaiting, f"a{operation.name}", f"Async twin of `{operation.name}`."),
    ):
        function.__name__ = function.__qualname__ = name
        function.__doc__ = doc
        function.__dict__["__signature__"] = signature
    run_name = _run_name(operation)
    return (
        task(task_run_name=run_name, cache_policy=NO_CACHE)(blocking),
        task(task_run_name=run_name, cache_policy=NO_CACHE)(awaiting),
    )


class _StepSignature(inspect.Signature):
    """The signature of a step. What does not fit is told in the operation's own words.

    Prefect binds by it, and would list all that it was given, assets with their data.
    """

    operation: Operation[..., Any]

    def bind(self, /, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        try:
            return super().bind(*args, **kwargs)
        except TypeError:
            name, doc = self.operation.name, self.operation.__doc__
            raise misfit(name, self, doc, len(args), kwargs) from None


async def carry_out(
    execution: Execution,
    credentials: GeoboxCredentials,
    operation: Operation[..., R],
    arguments: Mapping[str, Any],
) -> R:
    """Starts an operation for the flow run, waits for it, shows and returns what came of it.

    Args:
        execution: Blocking or awaiting.
        credentials: The account.
        operation: What to do.
        arguments: Its parameters and options, as its `bind` returns them.
    """
    request = operation.request(arguments)
    wait_policy(arguments)
    check_owning(arguments["on_gone"], arguments["reattach"])
    with lease(credentials) as client:
        outcome, request = await _owned(execution, client, operation, request, arguments)
    if request.publish_as is not None:
        # A second remote task, started once and owned like the first.
        options = passed_on(arguments, publish_file)
        next_one = publish_file.bind((outcome, request.publish_as), options)
        outcome = await carry_out(execution, credentials, publish_file, next_one)
    return cast("R", outcome)


async def _owned(
    execution: Execution,
    client: AsyncGeoboxClient,
    operation: Operation[..., Any],
    request: Request,
    arguments: Mapping[str, Any],
) -> tuple[Any, Request]:
    policy = wait_policy(arguments)
    began = client.clock.monotonic()
    request = await execution.call(client.prepare(request))
    step: Step[RemoteTask] = Step(
        operation.slug,
        client.starting(request, notify=run_logger().warning),
        client.get_task,
        request.identity,
        key=arguments["key"],
        on_cancel=policy.on_cancel,
        on_timeout=policy.on_timeout,
        on_gone=arguments["on_gone"],
        reattach=arguments["reattach"],
        makes=operation.output == "asset",
    )
    started, decision = await start_owned(execution, client, step)
    ended = await see_through(
        execution,
        client,
        started,
        StepSummary(operation.slug, request.title, notes={"Remote task was": str(decision)}),
        policy,
        asked=request.asked,
        show_progress=bool(arguments["progress_bar"]),
        began=began,
        outcome_of=lambda tasks: client.outcome(operation, request, tasks, arguments),
    )
    for ended_task in ended.tasks:
        if ended_task.errors is not None:
            what = request.title
            if isinstance(ended.outcome, OutputAsset):
                what = f"{ended.outcome.name or ended.outcome.uuid} was {operation.done}"
            run_logger().warning("%s, but not all of it: %s", what, ended_task.reason)
    await _show(execution, client, operation, request, ended.outcome, ended.summary)
    return ended.outcome, request


@dataclass(frozen=True)
class Ended(Generic[T]):
    """How a step has ended.

    Attributes:
        tasks: Its remote tasks, in their final states.
        outcome: What came of them.
        summary: What its artifact says, as far as it is known.
    """

    tasks: list[RemoteTask]
    outcome: T
    summary: StepSummary


async def see_through(
    execution: Execution,
    client: AsyncGeoboxClient,
    started: RemoteTask,
    summary: StepSummary,
    policy: WaitPolicy,
    *,
    asked: str,
    show_progress: bool,
    began: float,
    outcome_of: Callable[[list[RemoteTask]], Coroutine[Any, Any, T]],
) -> Ended[T]:
    """Waits for what a step has started, and leaves an artifact where it does not succeed.

    Args:
        execution: Blocking or awaiting.
        client: Reads.
        started: The remote task, with its companions.
        summary: What the artifact says, as far as it is known.
        policy: How to wait.
        asked: What was asked for, for the message of a failure.
        show_progress: Whether to read and show the progress.
        began: The moment of the client's clock from which the timeout counts.
        outcome_of: Reads what came of the remote tasks.
    """
    uuids = [started.uuid, *started.companions]
    report = WaitReport(execution, uuids, show_progress=show_progress)
    title = summary.title
    try:
        tasks = await watch(
            execution, client, uuids, policy, report, show_progress=show_progress, began=began
        )
        raise_for_failures(tasks, asked)
        outcome = await execution.call(outcome_of(tasks))
    except (GeoboxError, *INTERRUPTIONS) as error:
        failed = replace(
            summary,
            title=f"Could not {title[:1].lower()}{title[1:]}",
            tasks=report.tasks or [started],
            stats=report.stats,
            error=error,
        )
        leave = leave_summary if isinstance(error, GeoboxError) else leave_last_summary
        await leave(execution, failed)
        raise
    return Ended(tasks, outcome, replace(summary, tasks=tasks, stats=report.stats))


async def _show(
    execution: Execution,
    client: AsyncGeoboxClient,
    operation: Operation[..., Any],
    request: Request,
    outcome: OutputAsset | RemoteTask | list[RemoteTask],
    summary: StepSummary,
) -> None:
    sources = referenced_assets(client.settings, request.inputs.values())
    if isinstance(outcome, OutputAsset):
        await show_output(execution, client, outcome, summary, sources)
        return
    inputs = {ref.uuid for ref in request.inputs.values()}
    if isinstance(outcome, RemoteTask) and outcome.output and outcome.output.uuid not in inputs:
        made = await execution.call(client.get_output_asset(outcome))
        if made is not None:
            await show_output(execution, client, made, summary, sources)
            return
    await leave_summary(execution, summary)
    if operation.output == "task" and sources:
        # What the step works on first is what it has changed.
        materialize(sources[0], {"remote_task": summary.tasks[0].uuid}, sources[1:])


def _run_name(operation: Operation[..., Any]) -> Callable[[], str]:
    def name() -> str:
        given = parameter(operation.label) if operation.label else None
        told = given if isinstance(given, str) else None
        if isinstance(given, (OutputAsset, ByName)):
            told = given.name
        return f"{operation.brief}-{printable(told, 100)}" if told else operation.brief

    return name


def _docstring(operation: Operation[..., Any]) -> str:
    """What an operation says of itself, with what every step has in common."""
    text = inspect.cleandoc(operation.__doc__ or "")
    before, _, rest = text.partition("\nArgs:\n")
    own, _, example = rest.partition("\nExample:\n")
    endpoints = " and ".join(f"`{endpoint}`" for endpoint in operation.endpoint.split("; "))
    lines = [
        before.rstrip(),
        "",
        f"Calls {endpoints} once: a retry of the flow run or of the task re-attaches to the",
        "remote task that it has started already, returns its output where it has ended, and",
        "starts anew only where it has failed or was aborted.",
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
    told: list[str] = []
    names = (*operation.options,) if "temporary:" not in (operation.__doc__ or "") else None
    wanted = names or tuple(name for name in operation.options if name != "temporary")
    for kind in (StepOptions, LayerOptions):
        _, _, listing = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        is_wanted = False
        for line in listing.splitlines():
            if line[:5].strip():
                is_wanted = line.strip().partition(":")[0] in wanted
            if is_wanted:
                told.append(line)
    return told


_RAISES = [
    "Raises:",
    "    InvalidArgumentError: An argument makes no sense; nothing was sent.",
    "    NameLookupError: A name stands for nothing, or for several things; nothing was started.",
    "    TaskFailedError: The server could not do it; the reason is in the message.",
    "    TaskAbortedError: It was aborted.",
    "    TaskTimeoutError: The time was up.",
    "    LostContactError: The server could not be read for longer than `outage`.",
    "    AmbiguousSubmissionError: It is not known whether the server started anything.",
    "    GeoboxError: A request failed for good.",
]
