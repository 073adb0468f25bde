"""The errors about remote tasks and their submission. They contain the tasks concerned."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import GeoboxError
from prefect_geobox.client.model.tasks import RemoteTask


class AmbiguousSubmissionError(GeoboxError):
    """A remote task may or may not have been started, and the server cannot tell.

    Attributes:
        tasks: The remote tasks, or after an upload the files, that it could be; empty where the
            server could not be asked.
    """

    def __init__(self, message: str, tasks: Sequence[RemoteTask | OutputAsset] = ()) -> None:
        super().__init__(message, tuple(tasks))
        self.tasks = tuple(tasks)

    def __str__(self) -> str:
        text = str(self.args[0])
        return text + "".join(f"\n  {task}" for task in self.tasks)


class RemoteTaskError(GeoboxError):
    """Something about one remote task.

    Attributes:
        task: The remote task as last seen.
    """

    def __init__(self, message: str, task: RemoteTask) -> None:
        super().__init__(message, task)
        self.task = task

    def __str__(self) -> str:
        return str(self.args[0])


class TaskFailedError(RemoteTaskError):
    """One remote task, or several that were waited for together, did not succeed.

    Attributes:
        task: The remote task; the first one where there are several.
        tasks: All that did not succeed.
    """

    def __init__(self, message: str, task: RemoteTask, tasks: Sequence[RemoteTask] = ()) -> None:
        super().__init__(message, task)
        self.tasks = tuple(tasks) or (task,)
        self.args = (message, task, self.tasks)


class TaskAbortedError(RemoteTaskError):
    """The remote task was aborted, by this program or by another one."""


class TaskTimeoutError(RemoteTaskError, TimeoutError):
    """One remote task, or several, were not final when the timeout ended.

    Attributes:
        task: The remote task as last seen, after an abort if there was one; the first of several.
        tasks: All that were not final.
    """

    def __init__(self, message: str, task: RemoteTask, tasks: Sequence[RemoteTask] = ()) -> None:
        super().__init__(message, task)
        self.tasks = tuple(tasks) or (task,)
        self.args = (message, task, self.tasks)


class LostContactError(RemoteTaskError):
    """The server could not be read for so long that the wait ended; the remote task still runs.

    Attributes:
        seconds: How long there was no contact.
    """

    def __init__(self, message: str, task: RemoteTask, seconds: float) -> None:
        super().__init__(message, task)
        self.seconds = seconds
        self.args = (message, task, seconds)
