"""The query parameters of the list of remote tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from typing_extensions import TypedDict, Unpack

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.options import complete_options, flat_signature
from prefect_geobox.client.model.plain_values import plain_number
from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.client.model.validation import check_search, refuse_undecoded, whole_number

_STATES: Final = tuple(state.value for state in TaskState if state is not TaskState.UNKNOWN)


class TaskFilters(TypedDict, total=False):
    """Which remote tasks to list or count.

    Attributes:
        state: Only those in this state.
        q: A filter in OGC CQL, such as `name = 'import'`.
        search: Words to search for; ignored by the server where `q` is given.
        search_fields: Where to search for them, as names or one comma-separated text; only with
            `search`.
        order_by: Such as `accepted_at D, name A` (D descends, A ascends).
        skip: How many to skip; 0 or more.
        limit: How many to return at most; 1 or more.
        user_id: Those of another user; needs privileges.
        shared: Those that others share.
    """

    state: TaskState | str | None
    q: str | None
    search: str | None
    search_fields: str | Iterable[str] | None
    order_by: str | None
    skip: int | None
    limit: int | None
    user_id: int | None
    shared: bool


#: The filters of a count.
COUNT_DEFAULTS: Final[TaskFilters] = {
    "state": None,
    "q": None,
    "search": None,
    "search_fields": None,
    "order_by": None,
    "skip": None,
    "limit": None,
    "user_id": None,
    "shared": False,
}

#: The filters of a list: its first ten remote tasks.
LIST_DEFAULTS: Final[TaskFilters] = {**COUNT_DEFAULTS, "skip": 0, "limit": 10}


@flat_signature(TaskFilters, COUNT_DEFAULTS)
def task_query(
    *, return_count: bool = False, **filters: Unpack[TaskFilters]
) -> list[tuple[str, str]]:
    """The query of the task list.

    Args:
        return_count: Whether the server is to count instead of listing.
        **filters: As in `TaskFilters`.

    Raises:
        InvalidArgumentError: A filter is invalid; the message names it.
        TypeError: There is no such filter.
    """
    given = complete_options(COUNT_DEFAULTS, filters)
    state, search_fields = given["state"], given["search_fields"]
    if state is not None and str(state) not in _STATES:
        raise InvalidArgumentError(
            f"state must be one of {', '.join(_STATES)}; got {str(state)[:80]!r}"
        )
    for field, least in (("skip", 0), ("limit", 1), ("user_id", 0)):
        value = given[field] = plain_number(given[field])
        if value is not None:
            whole_number(field, value, least=least)
    if search_fields is not None and not isinstance(search_fields, str):
        search_fields = ",".join(search_fields)
    given["search_fields"] = search_fields
    for field in ("q", "search", "search_fields", "order_by"):
        if isinstance(given[field], str):
            refuse_undecoded(field, given[field])
    check_search(given["search"], search_fields)
    given["state"] = None if state is None else str(state)
    query = {
        "f": "json",
        "return_count": return_count,
        "shared": bool(given.pop("shared")),
        **given,
    }
    return [(name, str(value)) for name, value in query.items() if value is not None]
