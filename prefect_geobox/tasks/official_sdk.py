"""`sdk_step`: a function with the official SDK becomes a step that owns what it starts."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import PurePath
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from prefect import Task
from typing_extensions import Unpack

from prefect_geobox.client.api.run_mode import RunMode, run_to_completion
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError, NameLookupError, NotFoundError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.official_sdk import make_sdk_client, to_geobox_error
from prefect_geobox.client.submission import Submission
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.run_context import run_logger
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.ownership.submit_once import OwnedSubmission
from prefect_geobox.reporting.summary import StepSummary, write_summary
from prefect_geobox.tasks._lifecycle import open_step, show_output, submit_step, wait_for_step
from prefect_geobox.tasks._step_options import StepOptions, StepPolicy
from prefect_geobox.tasks._step_task import step_task

P = ParamSpec("P")
T = TypeVar("T")

#: What such a step returns: the output of its remote task, or the remote task if it has none; for
#: several remote tasks a list of these.
SdkOutcome = OutputAsset | RemoteTask | list[OutputAsset | RemoteTask]


@overload
def sdk_step(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, object]], /
) -> Task[Concatenate[GeoboxCredentials, P], Coroutine[Any, Any, SdkOutcome]]: ...


@overload
def sdk_step(
    function: Callable[Concatenate[Any, P], object], /
) -> Task[Concatenate[GeoboxCredentials, P], SdkOutcome]: ...


@overload
def sdk_step(
    **options: Unpack[StepOptions],
) -> Callable[
    [Callable[Concatenate[Any, P], object]], Task[Concatenate[GeoboxCredentials, P], Any]
]: ...


def sdk_step(function: Callable[..., Any] | None = None, /, **options: Unpack[StepOptions]) -> Any:
    """Turns a function that starts a remote task with the official SDK into a step.

    The function takes a client of the SDK first, and returns what the SDK's method returned: a task
    or a list of tasks; or the name of the asset that it has created. The step is called with
    credentials instead of the client. It waits with the poller of this package, and is started
    once, owned, aborted, resumed and shown like all other steps. A function with `async def` takes
    the SDK's client for asyncio, and becomes an async step.

    The function runs in a thread of its own. It should start one remote task and not wait for it:
    if it raises, a retry looks up whether a remote task was started meanwhile.

    Args:
        function: The function.
        **options: How the step waits, as in `StepOptions`.

    Returns:
        The step. It returns the output of the remote task, or the remote task if it has none; a
        list of these for a list.

    Raises:
        InvalidArgumentError: An option is invalid.

    Example:
        ```python
        @sdk_step(timeout=3600)
        def export(client, layer_uuid: str, name: str):
            # Imported here: the SDK configures logging for the whole process on import.
            from geobox.enums import FileOutputFormat

            layer = client.get_vector(layer_uuid)
            return layer.export_features(name, FileOutputFormat.GPKG)

        @flow
        def nightly(layer_uuid: str):
            file = export(credentials, layer_uuid, "roads")
        ```
    """
    if function is None:
        return lambda given: _step_of(given, options)
    return _step_of(function, options)


def _step_of(function: Callable[..., Any], given: StepOptions) -> Any:
    unknown = [name for name in given if name not in StepOptions.__annotations__]
    if unknown:
        raise InvalidArgumentError(f"sdk_step: there is no option {unknown[0]!r}")
    policy = StepPolicy.of(**given)
    own = inspect.signature(function)
    _, *rest = own.parameters.values()
    first = inspect.Parameter(
        "credentials", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="GeoboxCredentials"
    )
    signature = own.replace(parameters=[first, *rest])

    def blocking(credentials: GeoboxCredentials, *args: Any, **kwargs: Any) -> SdkOutcome:
        return run_to_completion(_run(SYNC_MODE, credentials, function, args, kwargs, policy))

    async def awaiting(credentials: GeoboxCredentials, *args: Any, **kwargs: Any) -> SdkOutcome:
        return await _run(ASYNC_MODE, credentials, function, args, kwargs, policy)

    step: Callable[..., Any] = awaiting if inspect.iscoroutinefunction(function) else blocking
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(step, name, getattr(function, name))
    step.__dict__["__signature__"] = signature
    return step_task()(step)


async def _run(
    mode: RunMode,
    credentials: GeoboxCredentials,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    policy: StepPolicy,
) -> SdkOutcome:
    name = re.sub(r"[^a-z0-9]+", "-", function.__name__.lower()).strip("-") or "sdk-step"
    with open_step(credentials) as client:
        began = client.clock.monotonic()
        step: OwnedSubmission[Any] = OwnedSubmission(
            name,
            _submission(client, function, args, kwargs),
            partial(_read, client),
            {
                "function": f"{function.__module__}.{function.__qualname__}",
                "arguments": _stable([list(args), dict(kwargs)]),
            },
            on_cancel=policy.wait.on_cancel,
            on_timeout=policy.wait.on_timeout,
            **policy.ownership,
        )
        started, decision = await submit_step(mode, client, step)
        title = f"Run {function.__name__}"
        if isinstance(started, OutputAsset):
            summary = StepSummary(name, title, notes={"It was": str(decision)})
            await show_output(mode, client, started, summary)
            return started
        ended = await wait_for_step(
            mode,
            client,
            started,
            StepSummary(name, title, notes={"Remote task was": str(decision)}),
            policy.wait,
            asked=title,
            show_progress=policy.progress_bar,
            began=began,
            outcome_of=lambda tasks: _outcomes(client, tasks),
        )
        if not any(isinstance(outcome, OutputAsset) for outcome in ended.outcome):
            await write_summary(mode, ended.summary)
        for outcome in ended.outcome:
            if isinstance(outcome, OutputAsset):
                await show_output(mode, client, outcome, ended.summary)
        return ended.outcome if started.companions else ended.outcome[0]


def _submission(
    client: AsyncGeoboxClient,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Submission[Any]:
    async def send() -> RemoteTask | OutputAsset:
        try:
            returned = await asyncio.to_thread(_call, client, function, args, kwargs)
        except Exception as error:
            failure = to_geobox_error(error, client.settings)
            if failure is error:
                raise
        else:
            return await _started(client, function, returned)
        # Outside the handler: the original error may contain the key and must not be chained.
        raise failure

    looked_up: Submission[Any] = client.sending(
        f"The function {function.__name__}", "POST", "", notify=run_logger().warning
    )
    return replace(looked_up, send=send)


def _call(
    client: AsyncGeoboxClient,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    if not inspect.iscoroutinefunction(function):
        sdk = make_sdk_client(client.settings)
        try:
            return function(sdk, *args, **kwargs)
        finally:
            sdk.session.close()

    async def call() -> Any:
        async with make_sdk_client(client.settings, asynchronous=True) as sdk:
            return await function(sdk, *args, **kwargs)

    # In an event loop of its own, so that the function cannot block the I/O thread.
    return asyncio.run(call())


async def _started(
    client: AsyncGeoboxClient, function: Callable[..., Any], returned: Any
) -> RemoteTask | OutputAsset:
    if isinstance(returned, str):
        return await _named(client, returned)
    tasks = list(returned) if isinstance(returned, (list, tuple)) else [returned]
    if not tasks or not all(_is_task(each) for each in tasks):
        raise InvalidArgumentError(
            f"{function.__name__} must return a task of the SDK, a list of them, or the name of "
            f"the asset that it has created; it returned {type(returned).__name__}"
        )
    first, *others = [await client.get_task(each.uuid) for each in tasks]
    return first.model_copy(update={"companions": tuple(other.uuid for other in others)})


def _is_task(returned: Any) -> bool:
    return isinstance(returned, RemoteTask) or type(returned).__name__ in ("Task", "AsyncTask")


async def _named(client: AsyncGeoboxClient, name: str) -> OutputAsset:
    listed = await asyncio.gather(*(client.find_assets(kind, name) for kind in AssetKind))
    found = [asset for assets in listed for asset in assets]
    if len(found) == 1:
        return found[0]
    named = ", ".join(map(str, found)) or "nothing"
    raise NameLookupError(
        f"The function returned {name!r}, which is the name of {named}. Return the SDK's task, or "
        "a name that one asset has.",
        [asset.uuid for asset in found],
    )


async def _read(client: AsyncGeoboxClient, uuid: str) -> Any:
    """Reads a remote task, or the asset of any kind that has the uuid."""
    try:
        return await client.get_task(uuid)
    except NotFoundError:
        found = await asyncio.gather(
            *(client.get_asset(kind, uuid) for kind in AssetKind), return_exceptions=True
        )
        assets = [asset for asset in found if isinstance(asset, OutputAsset)]
        if not assets:
            raise
        return assets[0]


async def _outcomes(
    client: AsyncGeoboxClient, tasks: list[RemoteTask]
) -> list[OutputAsset | RemoteTask]:
    return [await client.get_output_asset(ended) or ended for ended in tasks]


def _stable(value: Any) -> Any:
    """Returns an argument as JSON that is equal in each attempt of the run."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _stable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stable(item) for item in value]
    if isinstance(value, Enum):
        return _stable(value.value)
    if isinstance(value, PurePath):
        return str(value)
    uuid = getattr(value, "uuid", None)
    return str(uuid) if uuid is not None else type(value).__qualname__
