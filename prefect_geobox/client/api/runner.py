"""The verbs that start remote tasks: any endpoint, and every operation that has a description."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast

from prefect_geobox.client.api.assets import AssetMethods
from prefect_geobox.client.api.progress_bar import progress_listener
from prefect_geobox.client.api.task_filters import task_query
from prefect_geobox.client.api.tasks import TaskMethods
from prefect_geobox.client.http.encoding import Form, Params
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import (
    GeoboxError,
    InvalidArgumentError,
    InvalidResponseError,
)
from prefect_geobox.client.model.payloads import parse_starts, parse_tasks
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError, LostContactError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import (
    UuidLike,
    checked_method,
    checked_params,
    checked_path,
)
from prefect_geobox.client.operations._operation import DEFAULTS, Operation
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations.files import publish_file
from prefect_geobox.client.polling.policy import WaitPolicy
from prefect_geobox.client.submission import Submission

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

#: How many of the newest remote tasks are read to find one that was just started.
_NEWEST = 50

#: Seconds of unbroken failure that are borne to read a remote task that was just started: giving
#: up on it would leave it running unwatched.
_STARTED_OUTAGE = 300.0

#: What says how to wait; the other options of a step are for steps alone.
_WAIT_OPTIONS = (
    "timeout",
    "interval",
    "max_interval",
    "outage",
    "retry",
    "on_cancel",
    "on_timeout",
)

_STEP_OPTIONS = ("key", "on_gone", "reattach")


class OperationMethods(TaskMethods, AssetMethods):
    """Starts remote tasks, and returns what came of them."""

    async def start_task(
        self,
        method: str,
        path: str,
        *,
        form: Form | None = None,
        json: Any = None,
        params: Params = (),
        names: Collection[str] = (),
        notify: Callable[[str], None] = logger.warning,
    ) -> RemoteTask:
        """Starts a remote task through any endpoint that answers with a `task_id`.

        Where a failure leaves it open whether something was started, the newest remote tasks are
        looked up: the one that is newly there is taken over; none means that nothing was started,
        and it is sent again.

        Args:
            method: Mostly `POST`.
            path: Below the base URL, such as `files/{uuid}/publish/`.
            form: A form body.
            json: A JSON body.
            params: The query.
            names: What such remote tasks are called, as far as that is known.
            notify: Told in a sentence where one was taken over or sent again; logs by default.

        Raises:
            AmbiguousSubmissionError: It may have been started, and the server cannot tell.
            LostContactError: It was started, but could not be read.
            InvalidArgumentError: The method or the path makes no sense; nothing was sent.
            GeoboxError: The server refused; nothing was started.
        """
        method, path, query = checked_method(method), checked_path(path), checked_params(params)
        return await self.submit(
            self.sending(
                f"{method} {path}", method, path, form, json, query, names=names, notify=notify
            )
        )

    async def start(
        self, operation: Operation[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> RemoteTask:
        """Starts an operation and does not wait.

        Args:
            operation: One of `prefect_geobox.client.operations`.
            *args: Its parameters.
            **kwargs: Its parameters; no options of waits.

        Raises:
            InvalidArgumentError: A parameter makes no sense; nothing was sent.
            NameLookupError: A name stands for nothing, or for several things.
            GeoboxError: The server refused, or it is not known whether it started anything.

        Example:
            ```python
            task = await client.start(operations.export_features, layer, "roads.gpkg")
            ```
        """
        arguments = operation.bind(args, kwargs)
        _refuse_options(arguments, [*DEFAULTS], "this starts and does not wait")
        return await self.submit(self.starting(await self.prepare(operation.request(arguments))))

    async def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Starts an operation, waits for it and returns what came of it.

        Args:
            operation: One of `prefect_geobox.client.operations`.
            *args: Its parameters.
            **kwargs: Its parameters and the options of the wait, as of `wait_for_task`.

        Raises:
            InvalidArgumentError: A parameter makes no sense; nothing was sent.
            NameLookupError: A name stands for nothing, or for several things.
            InvalidResponseError: It succeeded, but its result names no asset.
            GeoboxError: As `wait_for_task`, or the server refused.

        Example:
            ```python
            file = await client.run(operations.export_features, layer, "roads.gpkg", timeout=600)
            ```
        """
        arguments = operation.bind(args, kwargs)
        policy = wait_policy(arguments)
        began = self.clock.monotonic()
        request, task = await self.started(operation, arguments)
        shows = arguments["progress_bar"]
        waiting = self.wait_call(
            [task.uuid, *task.companions],
            policy,
            with_progress=shows,
            request=request.asked,
            began=began,
        )
        with progress_listener(None, show=shows) as listener:
            tasks = await waiting.arun(listener)
        outcome = await self.outcome(operation, request, tasks, arguments)
        if request.publish_as is not None:
            options = passed_on(arguments, publish_file)
            outcome = await self.run(publish_file, outcome, request.publish_as, **options)
        return cast("R", outcome)

    async def started(
        self, operation: Operation[..., Any], arguments: Mapping[str, Any]
    ) -> tuple[Request, RemoteTask]:
        """The first half of `run`: its request and the remote task that it has started.

        Args:
            operation: What to do.
            arguments: Its parameters and options, as its `bind` returns them.
        """
        _refuse_options(arguments, _STEP_OPTIONS, "only a step of a flow takes it")
        request = await self.prepare(operation.request(arguments))
        return request, await self.submit(self.starting(request))

    async def outcome(
        self,
        operation: Operation[..., Any],
        request: Request,
        tasks: Sequence[RemoteTask],
        arguments: Mapping[str, Any],
    ) -> Any:
        """What came of an operation whose remote tasks have succeeded.

        Args:
            operation: What was done.
            request: The request that started it.
            tasks: The remote tasks.
            arguments: Its parameters and options.

        Raises:
            GeoboxError: It names no output, or that could not be read or made temporary.
        """
        if operation.output == "tasks":
            return list(tasks)
        if operation.output == "task":
            return tasks[0]
        asset = await self.require_output(tasks[0], request.name)
        is_done = request.is_temporary or request.publish_as is not None
        if arguments.get("temporary") and not is_done:
            await self.make_temporary(asset)
            asset = asset.model_copy(update={"data": {**asset.data, "temporary": True}})
        return asset

    async def prepare(self, request: Request) -> Request:
        """Looks up what a request works on: names, and what has to be known of its inputs.

        Args:
            request: As an operation describes it.

        Raises:
            NameLookupError: A name stands for nothing, or for several things.
            GeoboxError: A read failed.
        """
        refs = await asyncio.gather(*map(self.look_up, request.inputs.values()))
        return request.with_inputs(dict(zip(request.inputs, refs, strict=True)))

    def starting(
        self, request: Request, *, notify: Callable[[str], None] = logger.warning
    ) -> Submission[RemoteTask]:
        """A prepared request, ready to be sent by `submit`.

        Args:
            request: As `prepare` returns it.
            notify: As in `start_task`.

        Raises:
            GeoboxError: What is known of its inputs does not allow it.
        """
        return self.sending(
            f"The request to {request.title[:1].lower()}{request.title[1:]}",
            request.method,
            request.wire_path,
            request.wire_form,
            request.wire_json,
            request.wire_params,
            names=request.task_names,
            notify=notify,
        )

    def sending(
        self,
        what: str,
        method: str,
        path: str,
        form: Form | None = None,
        json: Any = None,
        params: Params = (),
        *,
        names: Collection[str] = (),
        notify: Callable[[str], None] = logger.warning,
    ) -> Submission[RemoteTask]:
        """A request that starts remote tasks, ready to be sent by `submit`.

        Args:
            what: What it is, for messages.
            method: Mostly `POST`.
            path: Below the base URL.
            form: A form body.
            json: A JSON body.
            params: The query.
            names: What such remote tasks are called, as far as that is known.
            notify: As in `start_task`.
        """

        async def send() -> RemoteTask:
            transport = self.shared_session().transport
            first, *others = await transport.write(
                method, path, parse_starts, params=params, form=form, json_body=json
            )
            task = await self._read_started(transport, first)
            companions = [await self._read_started(transport, other) for other in others]
            return task.model_copy(update={"companions": tuple(each.uuid for each in companions)})

        async def newest(retry: RetryPolicy) -> list[RemoteTask]:
            query = task_query(order_by="accepted_at D", limit=_NEWEST)
            return await self._read("tasks/", parse_tasks, query, retry)

        return Submission(
            kind="task",
            title=what,
            send=send,
            newest=newest,
            is_likely=lambda task: not names or task.name in ("", *names),
            notify=notify,
        )

    async def _read_started(self, transport: Transport, task_id: str) -> RemoteTask:
        policy = RetryPolicy(budget=_STARTED_OUTAGE)
        try:
            return await transport.read(f"tasks/{task_id}/", RemoteTask.from_payload, retry=policy)
        except GeoboxError as error:
            raise LostContactError(
                f"A remote task was started ({task_id}) but could not be read. It may well go on: "
                f"wait for it, or abort it, once the server can be read. The failure: {error}",
                RemoteTask.unseen(task_id),
                policy.budget,
            ) from None

    async def get_output_asset(self, task: UuidLike) -> OutputAsset | None:
        """Reads the asset that a remote task made, or None where its result names none.

        Calls the asset's own endpoint, such as `GET vectorLayers/{uuid}/`.

        Args:
            task: Its uuid, or an object with one; a final `RemoteTask` is not read again.

        Raises:
            GeoboxError: The remote task or the asset could not be read.
        """
        if not isinstance(task, RemoteTask) or not task.is_final:
            task = await self.get_task(task)
        output = task.output
        return None if output is None else await self.get_asset(output.kind, output.uuid)

    async def require_output(self, task: RemoteTask, name: str | None) -> OutputAsset:
        """The output of a remote task that must have one.

        Args:
            task: A remote task that succeeded.
            name: What the output should be called, if that is known. Where the remote task was
                taken over after an unclear failure, another name shows that it was somebody
                else's.

        Raises:
            InvalidResponseError: Its result names no asset.
            AmbiguousSubmissionError: It made something else.
        """
        asset = await self.get_output_asset(task)
        if asset is None:
            raise InvalidResponseError(
                f"Remote task {task.label} ({task.uuid}) succeeded, but its result names no "
                "output. Look for it in Geobox by its name."
            )
        is_guess = self._session is not None and self._session.submissions.is_adopted(task.uuid)
        if is_guess and name is not None and not _is_called(asset, name):
            raise AmbiguousSubmissionError(
                f"Remote task {task.label} ({task.uuid}) was taken over after an unclear failure, "
                f"but it made {asset.name!r}, not {name!r}: it was somebody else's. Nothing shows "
                "that this one was started; start it again.",
                [task],
            )
        return asset


def wait_policy(arguments: Mapping[str, Any]) -> WaitPolicy:
    """How to wait, by the options among the arguments of an operation.

    Raises:
        InvalidArgumentError: One makes no sense; the message names it.
    """
    return WaitPolicy.of(**{name: arguments[name] for name in _WAIT_OPTIONS})


def passed_on(arguments: Mapping[str, Any], operation: Operation[..., Any]) -> dict[str, Any]:
    """The options among the arguments of one operation that the next one takes too."""
    return {name: arguments[name] for name in operation.options if name in arguments}


def _is_called(asset: OutputAsset, name: str) -> bool:
    if asset.kind is not AssetKind.FILE:
        return asset.name == name
    # A server may add an ending to the name of a file, or replace it: roads.gpkg becomes roads.zip.
    return asset.name.startswith(name.rpartition(".")[0] or name)


def _refuse_options(arguments: Mapping[str, Any], names: Collection[str], why: str) -> None:
    for name in names:
        if name in arguments and arguments[name] != DEFAULTS[name]:
            raise InvalidArgumentError(f"{name} cannot be given here: {why}")
