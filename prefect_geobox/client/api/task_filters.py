"""The query parameters of the list of remote tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.tasks import TaskState

_STATES: Final = tuple(state.value for state in TaskState if state is not TaskState.UNKNOWN)


def task_filters(
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
    return_count: bool = False,
) -> list[tuple[str, str]]:
    """The query of the task list.

    Raises:
        InvalidArgumentError: A filter makes no sense; the message names it.
    """
    if state is not None and str(state) not in _STATES:
        raise InvalidArgumentError(
            f"state must be one of {', '.join(_STATES)}; got {str(state)[:80]!r}"
        )
    for field, value, least in (("skip", skip, 0), ("limit", limit, 1), ("user_id", user_id, 0)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < least
        ):
            raise InvalidArgumentError(
                f"{field} must be a whole number, {least} or more; got {value!r}"
            )
    if search_fields is not None and not isinstance(search_fields, str):
        search_fields = ",".join(search_fields)
    filters: dict[str, object] = {
        "f": "json",
        "return_count": return_count,
        "shared": bool(shared),
        "state": None if state is None else str(state),
        "q": q,
        "search": search,
        "search_fields": search_fields,
        "order_by": order_by,
        "skip": skip,
        "limit": limit,
        "user_id": user_id,
    }
    return [(name, str(value)) for name, value in filters.items() if value is not None]
