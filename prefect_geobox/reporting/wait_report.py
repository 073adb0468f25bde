"""Reports a wait while it goes on: log lines on change, one progress artifact, one summary line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prefect_geobox.client.api.run_mode import RunMode
from prefect_geobox.client.model.tasks import RemoteTask, TaskState
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.polling.subscription import WaitStats, WaitUpdate
from prefect_geobox.ownership.run_context import rename_task_run, run_logger
from prefect_geobox.reporting.crowd import crowd_of_run
from prefect_geobox.reporting.progress_artifact import ProgressArtifact


@dataclass
class _Seen:
    state: str = ""
    percent: int | None = None
    is_in_outage: bool = False
    earlier_outages: float = 0.0
    stats: WaitStats = field(default_factory=WaitStats)
    task: RemoteTask | None = None


class WaitReport:
    """Reports one wait, for one remote task or several.

    Args:
        mode: How artifacts are written.
        uuids: The remote tasks.
        show_progress: Whether to write a progress artifact.
        name: The prefix of the task run's name; the run is renamed once the name of its remote task
            is known. None to keep the name.
    """

    def __init__(
        self,
        mode: RunMode,
        uuids: Sequence[str],
        *,
        show_progress: bool,
        name: str | None = None,
    ) -> None:
        self._logger = run_logger()
        self._crowd = crowd_of_run()
        self._seen = {uuid: _Seen() for uuid in uuids}
        self._open = set(uuids)
        self._mode, self._show_progress = mode, show_progress
        self._progress: ProgressArtifact | None = None
        self._name = name

    @property
    def tasks(self) -> list[RemoteTask]:
        """The remote tasks as last seen; those that were never read are left out."""
        return [seen.task for seen in self._seen.values() if seen.task]

    @property
    def stats(self) -> WaitStats:
        """The cost of the wait, over all remote tasks."""
        parts = [seen.stats for seen in self._seen.values()]
        return WaitStats(
            polls=sum(part.polls for part in parts),
            requests=sum(part.requests for part in parts),
            failures=sum(part.failures for part in parts),
            outage_seconds=max((part.outage_seconds for part in parts), default=0.0),
            waited=max((part.waited for part in parts), default=0.0),
        )

    async def __call__(self, update: WaitUpdate) -> None:
        """Reports one update of the wait."""
        seen = self._seen[update.task.uuid]
        if self._name is not None and update.task.name:
            rename_task_run(f"{self._name}-{update.task.label}")
            self._name = None
        self._log_change(seen, update)
        seen.task, seen.stats, seen.state = update.task, update.stats, update.task.state_text
        seen.is_in_outage = update.trouble is not None
        if update.progress is not None:
            self._log_progress(seen, update)
            seen.percent = update.progress.percent
        if update.task.succeeded:
            seen.percent = 100
        if update.task.is_final:
            self._open.discard(update.task.uuid)
        await self._write_progress(may_begin=not update.task.is_final)

    async def record_final(self, tasks: Iterable[RemoteTask]) -> None:
        """Reports states that changed after the last update, such as by an abort."""
        for task in tasks:
            seen = self._seen.get(task.uuid)
            if seen is not None and seen.task is not None and seen.state != task.state_text:
                await self(WaitUpdate(task, stats=seen.stats))

    def record_aborted(self, tasks: Iterable[RemoteTask]) -> None:
        """Reports the final states of remote tasks that an interrupted wait has aborted.

        Writes no artifact: the process may be about to end.
        """
        for task in tasks:
            seen = self._seen[task.uuid]
            seen.task, seen.state = task, task.state_text
            if task.state is TaskState.ABORTED:
                self._logger.info("Remote task %s (%s): ABORTED", task.label, task.uuid)
            else:
                log_ended_before_abort(task)

    def _log_change(self, seen: _Seen, update: WaitUpdate) -> None:
        task = update.task
        if update.trouble is not None:
            if not seen.is_in_outage:
                seen.earlier_outages = update.stats.outage_seconds
                self._logger.warning(
                    "No contact while waiting for remote task %s; retrying. %s",
                    task.label,
                    update.trouble,
                )
            return
        if seen.is_in_outage:
            seconds = update.stats.outage_seconds - seen.earlier_outages
            self._logger.info("Connection restored after %.1f s.", seconds)
        if task.state_text == seen.state:
            return
        if task.state is TaskState.UNKNOWN:
            self._logger.warning(
                "Remote task %s is in state %s, which this version does not know; still waiting. "
                "Set a timeout if that state may last.",
                task.label,
                printable(task.state_text),
            )
            return
        self._logger.log(
            self._crowd.detail_level,
            "Remote task %s (%s): %s",
            task.label,
            task.uuid,
            task.state_text,
        )

    def _log_progress(self, seen: _Seen, update: WaitUpdate) -> None:
        """Logs the progress of a remote task each time that it passes a quarter."""
        before, now = seen.percent or 0, update.progress.percent if update.progress else None
        if now is not None and now // 25 > before // 25 and not update.task.is_final:
            self._logger.log(
                self._crowd.detail_level,
                "Remote task %s (%s): %d %%",
                update.task.label,
                update.task.uuid,
                now,
            )

    def log_summary(self) -> None:
        """Logs one line with the end and the cost of the wait."""
        stats = self.stats
        tasks = self.tasks
        outage = f", {stats.outage_seconds:.1f} s without contact" if stats.failures else ""
        what = (
            f"remote task {tasks[0].label} ({tasks[0].uuid}): {tasks[0].state_text}"
            if len(self._seen) == 1 and tasks
            else f"{len(self._seen)} remote tasks: {count_states(tasks)}"
        )
        self._logger.log(
            self._crowd.detail_level,
            "Waited %.1f s for %s (%d polls, %d requests%s)",
            stats.waited,
            what,
            stats.polls,
            stats.requests,
            outage,
        )

    async def _write_progress(self, *, may_begin: bool) -> None:
        if self._progress is None:
            if not (self._show_progress and may_begin):
                # A remote task that is final at the first poll has no progress to show.
                return
            self._progress = ProgressArtifact(self._mode)
        percents = [seen.percent or 0 for seen in self._seen.values()]
        mean = sum(percents) // len(percents)
        await self._progress.write(mean, self._progress_text(), is_last=not self._open)

    def _progress_text(self) -> str:
        tasks = self.tasks
        if len(self._seen) > 1:
            return f"{len(self._seen)} remote tasks: {count_states(tasks)}"
        task = tasks[0]
        return f"Remote task {task.label} ({task.uuid}): {printable(task.state_text)}"


def log_ended_before_abort(task: RemoteTask) -> None:
    """Logs the end of a remote task that an abort was sent for too late."""
    run_logger().warning(
        "Remote task %s (%s) had ended before the abort reached it: %s",
        task.label,
        task.uuid,
        task.state_text,
    )


def count_states(tasks: Sequence[RemoteTask]) -> str:
    """Returns the number of remote tasks in each state, as text."""
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task.state_text] = counts.get(task.state_text, 0) + 1
    return ", ".join(f"{count} {printable(state)}" for state, count in counts.items()) or "none"
