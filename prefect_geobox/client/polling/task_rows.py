"""The state of remote tasks as the server sends it: one row each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from prefect_geobox.client.model.errors import InvalidResponseError
from prefect_geobox.client.model.tasks import RemoteTask, TaskState

Row = dict[str, Any]


def normalized_uuid(uuid: str) -> str:
    """A uuid in the one form by which two can be compared."""
    return uuid.replace("-", "").lower()


def parse_row(uuid: str, payload: Any) -> Row:
    """The row in the answer to a single read.

    Args:
        uuid: The requested remote task.
        payload: The decoded JSON.

    Raises:
        InvalidResponseError: It is not a row, or describes another remote task.
    """
    task = RemoteTask.from_payload(payload)
    if normalized_uuid(task.uuid) != normalized_uuid(uuid):
        # A mixed-up answer must not end a wait with the state of another remote task.
        raise InvalidResponseError(f"it is about another remote task, {task.uuid}")
    return dict(payload)


def parse_rows(payload: Any) -> list[Row]:
    """The rows of a list, without the items that are not rows.

    Raises:
        InvalidResponseError: It is not a list.
    """
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise InvalidResponseError("it is not a list")
    return [row for row in payload if isinstance(row, dict) and isinstance(row.get("uuid"), str)]


def match_rows(
    rows: Sequence[Row], wanted: Collection[str], others: Collection[str]
) -> tuple[dict[str, Row], bool]:
    """The rows of the wanted remote tasks by uuid, and whether there are rows of unknown ones.

    A remote task with two rows whose states differ has none: neither can be trusted.

    Args:
        rows: The rows of a list.
        wanted: The uuids of the wanted remote tasks.
        others: Further uuids that are known.
    """
    exact = frozenset(wanted)
    by_normalized = {normalized_uuid(uuid): uuid for uuid in wanted}
    found: dict[str, Row] = {}
    conflicts: set[str] = set()
    has_unknown = False
    for row in rows:
        uuid = row["uuid"]
        if uuid not in exact:
            uuid = by_normalized.get(normalized_uuid(uuid), uuid)
        if uuid in exact:
            if uuid in found and found[uuid].get("state") != row.get("state"):
                conflicts.add(uuid)
            found[uuid] = row
        elif uuid not in others:
            has_unknown = True
    for uuid in conflicts:
        del found[uuid]
    return found, has_unknown


def is_final(row: Row) -> bool:
    """Whether a remote task has ended, by its row."""
    return row.get("state") in (TaskState.SUCCESS, TaskState.FAILURE, TaskState.ABORTED)
