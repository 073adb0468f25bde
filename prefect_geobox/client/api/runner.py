"""The methods that start remote tasks: through any endpoint, or by an operation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, ParamSpec, TypeVar, cast, overload

from prefect_geobox.client.api.outputs import OutputMethods
from prefect_geobox.client.api.progress_bar import progress_listener
from prefect_geobox.client.api.task_filters import task_query
from prefect_geobox.client.http.encoding import Form, Params
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import (
    GeoboxError,
)
from prefect_geobox.client.model.payloads import parse_starts, parse_tasks
from prefect_geobox.client.model.task_errors import LostContactError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.operations._operation import (
    BoundOperation,
    Operation,
    refuse_wait_options,
    to_operation,
)
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations.custom_endpoint import start_task as any_endpoint
from prefect_geobox.client.operations.files import publishing_of_output
from prefect_geobox.client.polling.wait_call import Listener, WaitCall
from prefect_geobox.client.submission import Submission

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

#: How many of the newest remote tasks are read to find one that was just started.
_NEWEST = 50

#: Seconds of unbroken failure that are tolerated while a remote task is read that was just started:
#: giving up earlier would leave it running with no wait.
_STARTED_OUTAGE = 300.0


class OperationMethods(OutputMethods):
    """Starts remote tasks and returns their outputs."""

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

        Where it is not known after a failure whether something was started, the newest remote tasks
        are read: a new one among them is adopted; where there is none, nothing was started and the
        request is sent again.

        Args:
            method: Mostly `POST`.
            path: Below the base URL, such as `files/{uuid}/publish/`.
            form: A form body.
            json: A JSON body.
            params: The query.
            names: What such remote tasks are called, as far as that is known.
            notify: Called with a sentence where one was adopted or sent again; logs by default.

        Raises:
            AmbiguousSubmissionError: It may have been started, and the server cannot tell.
            LostContactError: It was started, but could not be read.
            InvalidArgumentError: The method, the path or the body is invalid; no request was sent.
            GeoboxError: The server refused; nothing was started.
        """
        given = {"json": json, "form": form, "params": params}
        request = any_endpoint.bind((method, path), given).request()
        submission = self.sending(
            f"{request.method} {request.wire_path}",
            request.method,
            request.wire_path,
            request.wire_form,
            request.wire_json,
            request.wire_params,
            names=names,
            notify=notify,
        )
        return await self.submit(submission)

    @overload
    async def start(
        self, operation: Operation[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> RemoteTask: ...

    # A keyword of its own cannot be typed together with those of an operation.
    @overload
    async def start(
        self,
        operation: Operation[..., Any],
        *args: Any,
        notify: Callable[[str], None],
        **kwargs: Any,
    ) -> RemoteTask: ...

    @overload
    async def start(self, operation: str, *args: Any, **kwargs: Any) -> RemoteTask: ...

    # No operation has a parameter `notify`.
    async def start(  # type: ignore[misc]
        self,
        operation: Operation[..., Any] | str,
        *args: Any,
        notify: Callable[[str], None] = logger.warning,
        **kwargs: Any,
    ) -> RemoteTask:
        """Starts an operation and does not wait.

        Args:
            operation: One of `prefect_geobox.client.operations`, or its name.
            *args: Its parameters.
            notify: As in `start_task`.
            **kwargs: Its parameters; no options of waits.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            NameLookupError: No input or several inputs have a name.
            GeoboxError: The server refused, or it is not known whether it started anything.

        Example:
            ```python
            task = await client.start(operations.export_features, layer, "roads.gpkg")
            ```
        """
        refuse_wait_options(kwargs)
        bound = to_operation(operation).bind(args, kwargs)
        _, task = await self.started(bound, notify=notify)
        return task

    @overload
    async def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    # A keyword of its own cannot be typed together with those of an operation.
    @overload
    async def run(
        self,
        operation: Operation[..., R],
        *args: Any,
        on_update: Listener | None,
        **kwargs: Any,
    ) -> R: ...

    @overload
    async def run(self, operation: str, *args: Any, **kwargs: Any) -> Any: ...

    # No operation has a parameter `on_update`.
    async def run(  # type: ignore[misc]
        self,
        operation: Operation[..., R] | str,
        *args: Any,
        on_update: Listener | None = None,
        **kwargs: Any,
    ) -> R:
        """Starts an operation, waits for it and returns its output.

        Args:
            operation: One of `prefect_geobox.client.operations`, or its name.
            *args: Its parameters.
            on_update: Called with each change while the remote task runs, as in `wait_for_task`.
            **kwargs: Its parameters and the options of the wait, as of `wait_for_task`.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            NameLookupError: No input or several inputs have a name.
            InvalidResponseError: It succeeded, but its result names no asset.
            GeoboxError: As `wait_for_task`, or the server refused.

        Example:
            ```python
            file = await client.run(operations.export_features, layer, "roads.gpkg", timeout=600)
            ```
        """
        bound: BoundOperation[Any] | None = to_operation(operation).bind(args, kwargs)
        outcome: Any = None
        while bound is not None:
            request, waiting = await self.begun(bound)
            with progress_listener(on_update, show=bound.progress_bar) as listener:
                tasks = await waiting.arun(listener)
            outcome = await self.outcome(bound, request, tasks)
            bound = publishing_of_output(bound, request, outcome)
        return cast("R", outcome)

    async def begun(self, bound: BoundOperation[Any]) -> tuple[Request, WaitCall]:
        """Starts an operation; returns its request and the wait that is still to be run.

        Args:
            bound: The operation. Its timeout counts from this call.
        """
        began = self.clock.monotonic()
        request, task = await self.started(bound)
        return request, self.wait_call(
            [task.uuid, *task.companions],
            bound.wait,
            with_progress=bound.progress_bar,
            request=request.description,
            began=began,
        )

    async def started(
        self, bound: BoundOperation[Any], *, notify: Callable[[str], None] = logger.warning
    ) -> tuple[Request, RemoteTask]:
        """Starts an operation; returns its request and the remote task.

        Args:
            bound: The operation.
            notify: As in `start_task`.
        """
        request = await self.prepare(bound.request())
        return request, await self.submit(self.starting(request, notify=notify))

    async def outcome(
        self, bound: BoundOperation[R], request: Request, tasks: Sequence[RemoteTask]
    ) -> R:
        """What an operation returns whose remote tasks have succeeded.

        Args:
            bound: The operation.
            request: The request that started it.
            tasks: The remote tasks.

        Raises:
            GeoboxError: It names no output, or that could not be read or made temporary.
        """
        if bound.operation.output == "tasks":
            return cast("R", list(tasks))
        if bound.operation.output == "task":
            return cast("R", tasks[0])
        asset = await self.require_output(tasks[0], request.name)
        is_done = request.is_temporary or request.publish_as is not None
        if bound.temporary and not is_done:
            try:
                await self.make_temporary(asset)
            except GeoboxError as error:
                error.add_context(
                    f"Remote task {tasks[0].label} ({tasks[0].uuid}) has succeeded and made "
                    f"{asset}, but that could not be made temporary, so that it stays. Do not "
                    "start it again: call make_temporary on it, or delete it when it is not "
                    "needed any more."
                )
                raise
            asset = asset.model_copy(update={"data": {**asset.data, "temporary": True}})
        return cast("R", asset)

    async def prepare(self, request: Request) -> Request:
        """Looks up the inputs of a request: their names, and what has to be known of them.

        Args:
            request: As an operation describes it.

        Raises:
            NameLookupError: No input or several inputs have a name.
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
            notify: As in `start_task`; called at once with what the request remarks.

        Raises:
            GeoboxError: Its inputs do not allow it.
        """
        submission = self.sending(
            f"The request to {request.title[:1].lower()}{request.title[1:]}",
            request.method,
            request.wire_path,
            request.wire_form,
            request.wire_json,
            request.wire_params,
            names=request.task_names,
            output_name=request.name if request.task_names else None,
            notify=notify,
        )
        for sentence in request.remarks(request) if request.remarks else ():
            notify(sentence)
        return submission

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
        output_name: str | None = None,
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
            output_name: What their output will be called, if that is known.
            notify: As in `start_task`.
        """

        async def send() -> RemoteTask:
            transport = self.shared_session().transport
            first, *others = await transport.write(
                method, path, parse_starts, params=params, form=form, json_body=json
            )
            transport.recent_names.note(first, *others)
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
            similarity_key=output_name or "",
            output_name=output_name or "",
            name_of_output=self._read_output_name if output_name else None,
        )

    async def _read_output_name(self, task: RemoteTask) -> str | None:
        ended = await self.wait_for_task(
            task, raise_on_failure=False, on_cancel="leave", progress_bar=False
        )
        if not ended.succeeded:
            return None
        output = await self.get_output_asset(ended)
        return (output.name or "") if output is not None else ""

    async def _read_started(self, transport: Transport, task_id: str) -> RemoteTask:
        policy = RetryPolicy(budget=_STARTED_OUTAGE)
        try:
            return await transport.read(f"tasks/{task_id}/", RemoteTask.from_payload, retry=policy)
        except GeoboxError as error:
            raise LostContactError(
                f"A remote task was started ({task_id}) but could not be read. It may well be "
                "running: wait for it, or abort it, once the server can be read. The failure: "
                f"{error}",
                RemoteTask.unseen(task_id),
                policy.budget,
            ) from None
