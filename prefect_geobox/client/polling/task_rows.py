"""What the server says of remote tasks, as it came: one row each."""

from __future__ import annotations

from typing import Any

from prefect_geobox.client.model.errors import InvalidResponseError
from prefect_geobox.client.model.tasks import RemoteTask, TaskState

Row = dict[str, Any]


def plain(uuid: str) -> str:
    """A uuid in the one form by which two can be compared."""
    return uuid.replace("-", "").lower()


def parse_row(uuid: str, payload: Any) -> Row:
    """The row that a single read has brought.

    Args:
        uuid: The remote task that was asked for.
        payload: The decoded JSON.

    Raises:
        InvalidResponseError: It is none, or is about another remote task.
    """
    task = RemoteTask.from_payload(payload)
    if plain(task.uuid) != plain(uuid):
        # A mixed-up answer must not end a wait with somebody else's verdict.
        raise InvalidResponseError(f"it is about another remote task, {task.uuid}")
    return dict(payload)


def parse_rows(payload: Any) -> list[Row]:
    """The rows of a list, without what is none.

    Raises:
        InvalidResponseError: It is no list.
    """
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise InvalidResponseError("it is no list")
    return [row for row in payload if isinstance(row, dict) and isinstance(row.get("uuid"), str)]


def is_final(row: Row) -> bool:
    """Whether a remote task has ended, by its row."""
    return row.get("state") in (TaskState.SUCCESS, TaskState.FAILURE, TaskState.ABORTED)
