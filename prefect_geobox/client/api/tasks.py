"""The methods for remote tasks that exist already: get, list, count, wait, abort."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from typing_extensions import Unpack

from prefect_geobox.client.api.connection import Connection
from prefect_geobox.client.api.progress_bar import progress_listener
from prefect_geobox.client.api.task_filters import (
    COUNT_DEFAULTS,
    LIST_DEFAULTS,
    TaskFilters,
    task_query,
)
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.errors import ConflictError, GeoboxConnectionError, ValidationError
from prefect_geobox.client.model.options import flat_signature
from prefect_geobox.client.model.payloads import parse_count, parse_tasks
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress
from prefect_geobox.client.model.validation import (
    UuidLike,
    checked_uuid,
    checked_uuids,
    positive_seconds,
)
from prefect_geobox.client.polling.policy import WAIT_DEFAULTS, PollPolicy, WaitOptions, WaitPolicy
from prefect_geobox.client.polling.wait_call import Listener, WaitCall


class TaskMethods(Connection):
    """Reads, waits for and aborts remote tasks."""

    async def get_task(self, task: UuidLike) -> RemoteTask:
        """Reads a remote task: `GET tasks/{uuid}/`.

        Args:
            task: Its uuid, or an object with one.

        Raises:
            InvalidArgumentError: It is not a uuid; no request was sent.
            NotFoundError: There is no such remote task for this account.
            GeoboxError: The read failed.
        """
        return await self._read(f"tasks/{checked_uuid('task', task)}/", RemoteTask.from_payload)

    @flat_signature(TaskFilters, LIST_DEFAULTS)
    async def list_tasks(self, **filters: Unpack[TaskFilters]) -> list[RemoteTask]:
        """Lists remote tasks: `GET tasks/`.

        Args:
            **filters: As in `TaskFilters`.

        Raises:
            InvalidArgumentError: A filter is invalid; no request was sent.
            GeoboxError: The read failed.
        """
        limited: TaskFilters = {**LIST_DEFAULTS, **filters}
        return await self._read("tasks/", parse_tasks, task_query(**limited))

    @flat_signature(TaskFilters, COUNT_DEFAULTS)
    async def count_tasks(self, **filters: Unpack[TaskFilters]) -> int:
        """Counts remote tasks: `GET tasks/?return_count=True`.

        Args:
            **filters: As in `TaskFilters`.

        Raises:
            InvalidArgumentError: A filter is invalid; no request was sent.
            GeoboxError: The read failed.
        """
        return await self._read("tasks/", parse_count, task_query(return_count=True, **filters))

    async def get_progress(self, task: UuidLike) -> TaskProgress:
        """Reads the progress of a remote task: `GET tasks/{uuid}/status/`.

        Raises:
            InvalidArgumentError: It is not a uuid; no request was sent.
            GeoboxError: The read failed.
        """
        path = f"tasks/{checked_uuid('task', task)}/status/"
        return await self._read(path, TaskProgress.from_payload)

    @flat_signature(WaitOptions, WAIT_DEFAULTS)
    async def wait_for_task(
        self,
        task: UuidLike,
        *,
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
        **options: Unpack[WaitOptions],
    ) -> RemoteTask:
        """Waits until a remote task has ended.

        Calls `GET tasks/{uuid}/` and, for the progress, `GET tasks/{uuid}/status/`. Polls at once,
        then after `max(interval, 10 % of the time waited)` seconds, at most `max_interval`, and a
        last time when the timeout ends.

        Args:
            task: Its uuid, or an object with one.
            raise_on_failure: Whether a remote task that did not succeed raises.
            on_update: Called with a `WaitUpdate` after each poll; may be a coroutine function.
            **options: As in `WaitOptions`.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            TaskFailedError: It ended in FAILURE.
            TaskAbortedError: It was aborted.
            TaskTimeoutError: The timeout ended.
            LostContactError: The server could not be read for longer than `outage`.
            GeoboxError: A read failed for good.
        """
        shows = options.get("progress_bar", True)
        call = self.wait_call(
            [checked_uuid("task", task)],
            WaitPolicy.of(**options),
            with_progress=shows,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=shows) as listener:
            return (await call.arun(listener))[0]

    @flat_signature(WaitOptions, WAIT_DEFAULTS)
    async def wait_for_tasks(
        self,
        tasks: Sequence[UuidLike],
        *,
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
        **options: Unpack[WaitOptions],
    ) -> list[RemoteTask]:
        """Waits until several remote tasks have all ended.

        Args:
            tasks: Their uuids, or objects with one.
            raise_on_failure: Whether remote tasks that did not succeed raise.
            on_update: Called with a `WaitUpdate` after each poll; may be a coroutine function.
            **options: As in `WaitOptions`.

        Returns:
            The remote tasks in the order in which they were given.

        Raises:
            TaskFailedError: After all have ended: those that did not succeed, in `.tasks`.
            GeoboxError: As `wait_for_task`.
        """
        shows = options.get("progress_bar", True)
        call = self.wait_call(
            checked_uuids("tasks", tasks),
            WaitPolicy.of(**options),
            with_progress=shows,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=shows) as listener:
            return await call.arun(listener)

    def wait_call(
        self,
        uuids: Sequence[str],
        policy: WaitPolicy,
        *,
        with_progress: bool = False,
        raise_on_failure: bool = True,
        request: str = "",
        began: float | None = None,
    ) -> WaitCall:
        """Prepares a wait, which `WaitCall.run` or `WaitCall.arun` carries out.

        Args:
            uuids: The remote tasks.
            policy: How to wait.
            with_progress: Whether to read the progress too.
            raise_on_failure: Whether a remote task that did not succeed raises.
            request: The request that started them, for the message of a failure.
            began: The moment of the client's clock from which the timeout counts; now by default.
        """
        return WaitCall(
            self,
            uuids,
            policy,
            with_progress=with_progress,
            raise_on_failure=raise_on_failure,
            request=request,
            began=self.clock.monotonic() if began is None else began,
        )

    async def abort_task(self, task: UuidLike, *, confirm: float = 30.0) -> RemoteTask:
        """Aborts a remote task and reads it until it has ended: `POST tasks/{uuid}/abort/`.

        It may have ended in another way by then; that state is returned. Safe to repeat.

        Args:
            task: Its uuid, or an object with one.
            confirm: Seconds to wait for the end; above 0.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            TaskTimeoutError: It had not ended after `confirm` seconds.
            GeoboxError: The abort or the read failed.
        """
        uuid = checked_uuid("task", task)
        positive_seconds("confirm", confirm)
        if isinstance(task, RemoteTask) and task.is_final:
            return task
        return await io_thread().arun(self._abort(uuid, confirm))

    async def _abort(self, uuid: str, confirm: float) -> RemoteTask:
        began = self.clock.monotonic()
        session = self.shared_session()
        # So the server may answer where the remote task has ended already; the poll will show it.
        with contextlib.suppress(ConflictError, ValidationError):
            try:
                await session.transport.repeat(f"tasks/{uuid}/abort/", seconds=confirm)
            except GeoboxConnectionError:
                # Whether it has arrived or not, the polls show the state of the remote task.
                if self.clock.monotonic() - began < confirm:
                    raise
        policy = WaitPolicy(
            timeout=confirm,
            poll=PollPolicy(interval=0.25, max_interval=2.0),
            retry=RetryPolicy(budget=confirm),
        )
        return await session.poller.wait(uuid, policy, began=began)
