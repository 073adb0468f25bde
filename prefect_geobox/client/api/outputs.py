"""The methods that read what a remote task has made."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

from prefect_geobox.client.api.downloads import DownloadMethods
from prefect_geobox.client.api.features import FeatureMethods
from prefect_geobox.client.api.files import FileMethods
from prefect_geobox.client.api.tasks import TaskMethods
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import GeoboxError, InvalidResponseError
from prefect_geobox.client.model.names import is_name_of
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import UuidLike

#: Seconds since the end of a remote task within which its output may not be visible yet.
_JUST_ENDED: Final = 60.0


class OutputMethods(TaskMethods, FileMethods, FeatureMethods, DownloadMethods):
    """Reads the outputs of remote tasks."""

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
        return await self._output_of(task, is_new=_has_just_ended(task))

    async def _output_of(self, task: RemoteTask, *, is_new: bool) -> OutputAsset | None:
        output = task.output
        if output is None:
            return None
        try:
            return await self._get_asset(output.kind, output.uuid, is_new=is_new)
        except GeoboxError as error:
            if task.succeeded:
                error.add_context(
                    f"Remote task {task.label} ({task.uuid}) has succeeded and made the "
                    f"{output.kind.value} {output.uuid}, but that could not be read. Do not start "
                    f'it again: read it later, with get_asset("{output.kind.value}", '
                    f'"{output.uuid}").'
                )
            raise

    async def require_output(self, task: RemoteTask, name: str | None) -> OutputAsset:
        """The output of a remote task that must have one.

        Args:
            task: A remote task that succeeded.
            name: The name that the output should have, if that is known. Where the remote task was
                adopted after an unclear failure, another name shows that it belongs to another
                submission.

        Raises:
            InvalidResponseError: Its result names no asset.
            AmbiguousSubmissionError: Its output has another name.
        """
        asset = await self._output_of(task, is_new=True)
        if asset is None:
            raise InvalidResponseError(
                f"Remote task {task.label} ({task.uuid}) succeeded, but its result names no "
                "output. Look for it in Geobox by its name."
            )
        is_guess = self._session is not None and self._session.submissions.is_adopted(task.uuid)
        if is_guess and name is not None and not is_name_of(asset, name):
            raise AmbiguousSubmissionError(
                f"Remote task {task.label} ({task.uuid}) was adopted after an unclear failure, "
                f"but it made {asset.name!r}, not {name!r}: it belongs to another submission. "
                "Nothing shows that this one was started; start it again.",
                [task],
            )
        return asset


def _has_just_ended(task: RemoteTask) -> bool:
    if task.finished_at is None:
        return True
    # A time without a zone is taken as UTC.
    zone = task.finished_at.tzinfo or timezone.utc
    ended = task.finished_at.replace(tzinfo=zone)
    return abs((datetime.now(timezone.utc) - ended).total_seconds()) < _JUST_ENDED
