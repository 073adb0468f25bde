"""The verbs on remote tasks that exist already: get, list, count, wait, abort."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from prefect_geobox.client.api.connection import AsyncConnection
from prefect_geobox.client.api.progress_bar import progress_listener
from prefect_geobox.client.api.task_filters import task_filters
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.errors import ConflictError, GeoboxConnectionError, ValidationError
from prefect_geobox.client.model.payloads import parse_count, parse_tasks
from prefect_geobox.client.model.tasks import RemoteTask, TaskProgress, TaskState
from prefect_geobox.client.model.validation import (
    UuidLike,
    checked_uuid,
    checked_uuids,
    positive_seconds,
)
from prefect_geobox.client.polling.policy import Action, PollPolicy, WaitPolicy
from prefect_geobox.client.polling.wait_call import Listener, WaitCall


class AsyncTaskVerbs(AsyncConnection):
    """Reads, waits for and aborts remote tasks."""

    async def get_task(self, task: UuidLike) -> RemoteTask:
        """Reads a remote task: `GET tasks/{uuid}/`.

        Args:
            task: Its uuid, or an object with one.

        Raises:
            InvalidArgumentError: It is no uuid; nothing was sent.
            NotFoundError: There is no such remote task for this account.
            GeoboxError: The read failed.
        """
        return await self._read(f"tasks/{checked_uuid('task', task)}/", RemoteTask.from_payload)

    async def list_tasks(
        self,
        *,
        state: TaskState | str | None = None,
        q: str | None = None,
        search: str | None = None,
        search_fields: str | Iterable[str] | None = None,
        order_by: str | None = None,
        skip: int = 0,
        limit: int = 10,
        user_id: int | None = None,
        shared: bool = False,
    ) -> list[RemoteTask]:
        """Lists remote tasks: `GET tasks/`.

        Args:
            state: Only those in this state.
            q: A filter in OGC CQL, such as `name = 'import'`.
            search: Words to look for; ignored by the server where `q` is given.
            search_fields: Where to look for them, as names or one comma-separated text.
            order_by: Such as `accepted_at D, name A` (D descends, A ascends).
            skip: How many to pass over; 0 or more.
            limit: How many to return at most; 1 or more.
            user_id: Those of another user; needs privileges.
            shared: Those that others share.

        Raises:
            InvalidArgumentError: A filter makes no sense; nothing was sent.
            GeoboxError: The read failed.
        """
        filters = task_filters(
            state=state,
            q=q,
            search=search,
            search_fields=search_fields,
            order_by=order_by,
            skip=skip,
            limit=limit,
            user_id=user_id,
            shared=shared,
        )
        return await self._read("tasks/", parse_tasks, filters)

    async def count_tasks(
        self,
        *,
        state: TaskState | str | None = None,
        q: str | None = None,
        search: str | None = None,
        search_fields: str | Iterable[str] | None = None,
        order_by: str | None = None,
        skip: int | None = None,
        limit: int | None = None,
        user_id: int | None = None,
        shared: bool = False,
    ) -> int:
        """Counts remote tasks: `GET tasks/?return_count=True`. Arguments as in `list_tasks`."""
        filters = task_filters(
            state=state,
            q=q,
            search=search,
            search_fields=search_fields,
            order_by=order_by,
            skip=skip,
            limit=limit,
            user_id=user_id,
            shared=shared,
            return_count=True,
        )
        return await self._read("tasks/", parse_count, filters)

    async def get_progress(self, task: UuidLike) -> TaskProgress:
        """Reads how far a remote task has come: `GET tasks/{uuid}/status/`.

        Raises:
            InvalidArgumentError: It is no uuid; nothing was sent.
            GeoboxError: The read failed.
        """
        path = f"tasks/{checked_uuid('task', task)}/status/"
        return await self._read(path, TaskProgress.from_payload)

    async def wait_for_task(
        self,
        task: UuidLike,
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "leave",
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
    ) -> RemoteTask:
        """Waits until a remote task has ended.

        Calls `GET tasks/{uuid}/` and, for the progress, `GET tasks/{uuid}/status/`. Looks at once,
        then after `max(interval, 10 % of the time waited)` seconds, at most
        `max_interval`, and a last time when the timeout ends.

        Args:
            task: Its uuid, or an object with one.
            timeout: Seconds from now until the wait gives up; None for no limit, 0 for one look.
            interval: The shortest pause between looks, in seconds; above 0.
            max_interval: The longest pause, in seconds; above 0.
            outage: Seconds of unbroken failure that are borne.
            retry: Instead of `outage`: the number of attempts that may fail in a row.
            progress_bar: Whether to read the progress too, and draw it where there is a terminal.
            on_cancel: "abort" or "leave" the remote task when this coroutine is cancelled.
            on_timeout: "abort" or "leave" it when the time is up.
            raise_on_failure: Whether a remote task that did not succeed raises.
            on_update: Told of each look; may be a coroutine function.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
            TaskFailedError: It ended in FAILURE.
            TaskAbortedError: It was aborted.
            TaskTimeoutError: The time was up.
            LostContactError: The server could not be read for longer than `outage`.
            GeoboxError: A read failed for good.
        """
        waiting = self.waiting(
            [checked_uuid("task", task)],
            WaitPolicy.of(
                timeout=timeout,
                interval=interval,
                max_interval=max_interval,
                outage=outage,
                retry=retry,
                on_cancel=on_cancel,
                on_timeout=on_timeout,
            ),
            with_progress=progress_bar,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=progress_bar) as listener:
            return (await waiting.arun(listener))[0]

    async def wait_for_tasks(
        self,
        tasks: Sequence[UuidLike],
        *,
        timeout: float | None = None,
        interval: float = 1.0,
        max_interval: float = 30.0,
        outage: float = 300.0,
        retry: int | None = None,
        progress_bar: bool = True,
        on_cancel: Action = "abort",
        on_timeout: Action = "leave",
        raise_on_failure: bool = True,
        on_update: Listener | None = None,
    ) -> list[RemoteTask]:
        """Waits until several remote tasks have all ended. Arguments as in `wait_for_task`.

        Returns:
            The remote tasks in the order in which they were given.

        Raises:
            TaskFailedError: After all have ended: those that did not succeed, in `.tasks`.
            GeoboxError: As `wait_for_task`.
        """
        waiting = self.waiting(
            checked_uuids("tasks", tasks),
            WaitPolicy.of(
                timeout=timeout,
                interval=interval,
                max_interval=max_interval,
                outage=outage,
                retry=retry,
                on_cancel=on_cancel,
                on_timeout=on_timeout,
            ),
            with_progress=progress_bar,
            raise_on_failure=raise_on_failure,
        )
        with progress_listener(on_update, show=progress_bar) as listener:
            return await waiting.arun(listener)

    def waiting(
        self,
        uuids: Sequence[str],
        policy: WaitPolicy,
        *,
        with_progress: bool = False,
        raise_on_failure: bool = True,
        asked: str = "",
        began: float | None = None,
    ) -> WaitCall:
        """Prepares a wait; its timeout counts from now, or from the moment `began` of the clock.

        What was `asked` is told where a remote task fails.
        """
        return WaitCall(
            self,
            uuids,
            policy,
            with_progress=with_progress,
            raise_on_failure=raise_on_failure,
            asked=asked,
            began=self.clock.monotonic() if began is None else began,
        )

    async def abort_task(self, task: UuidLike, *, confirm: float = 30.0) -> RemoteTask:
        """Aborts a remote task and reads it until it has ended: `POST tasks/{uuid}/abort/`.

        It may have ended in another way by then; that state is returned. Safe to repeat.

        Args:
            task: Its uuid, or an object with one.
            confirm: Seconds to wait for the end; above 0.

        Raises:
            InvalidArgumentError: An argument makes no sense; nothing was sent.
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
        session = self.joined()
        # So the server may answer where the remote task has ended already; the look will tell.
        with contextlib.suppress(ConflictError, ValidationError):
            try:
                await session.transport.repeat(f"tasks/{uuid}/abort/", seconds=confirm)
            except GeoboxConnectionError:
                # Whether it has arrived or not, the looks say what became of the remote task.
                if self.clock.monotonic() - began < confirm:
                    raise
        policy = WaitPolicy(
            timeout=confirm,
            poll=PollPolicy(interval=0.25, max_interval=2.0),
            retry=RetryPolicy(budget=confirm),
        )
        return await session.poller.wait(uuid, policy, began=began)
