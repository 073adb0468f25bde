"""The filters, the order and the paging that all lists share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prefect_geobox.emulator.http.errors import ApiError, invalid_parameter
from prefect_geobox.emulator.http.filters import Filter, FilterError, parse_filter
from prefect_geobox.emulator.http.parameters import boolean, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from starlette.datastructures import QueryParams

Item = TypeVar("Item")


@dataclass(frozen=True)
class ListQuery:
    """The query of a request for a list.

    Attributes:
        q: The filter.
        search: Text to search for, in lower case. It is ignored if `q` is given; a guess from the
            API's documentation.
        search_fields: The fields to search; every text field if empty.
        order: Pairs of a field and whether the order is descending.
        skip: The number of items to skip.
        limit: The most items to return.
        return_count: Whether only the number of items is wanted.
    """

    q: Filter | None
    search: str
    search_fields: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    skip: int
    limit: int
    return_count: bool

    @classmethod
    def read(cls, params: QueryParams, fields: Collection[str], limit: int) -> ListQuery:
        """Reads the query of a request.

        Args:
            params: The query.
            fields: The fields of an item.
            limit: The most items to return if the request has no limit.

        Raises:
            ApiError: A filter cannot be read (400) or a field does not exist (422).
        """
        q = _filter(params.get("q"))
        search_fields = tuple(_split(params.get("search_fields")))
        order = tuple(_order(part) for part in _split(params.get("order_by")))
        asked = {"q": q.fields if q else (), "search_fields": search_fields}
        for name, used in {**asked, "order_by": [field for field, _ in order]}.items():
            for unknown in sorted(set(used) - set(fields)):
                raise invalid_parameter("query", name, f"unknown field {unknown!r}")
        return cls(
            q=q,
            search=params.get("search", "").lower(),
            search_fields=search_fields,
            order=order,
            skip=integer(params.get("skip"), "query", "skip", 0),
            limit=integer(params.get("limit"), "query", "limit", limit),
            return_count=boolean(params.get("return_count")),
        )

    def select(
        self, items: Iterable[Item], view: Callable[[Item], Mapping[str, Any]]
    ) -> list[Item] | int:
        """Filters, sorts and pages.

        Args:
            items: All items, in their order without `order_by`.
            view: The fields of an item.

        Returns:
            The page, or the number of all matching items if only that is wanted.
        """
        found = list(items)
        if self.q is not None:
            matches = self.q.matches
            found = [item for item in found if matches(view(item))]
        elif self.search:
            found = [item for item in found if self._contains(view(item))]
        if self.return_count:
            return len(found)
        for field, descending in reversed(self.order):
            found.sort(key=lambda item: _sort_key(view(item).get(field)), reverse=descending)
        return found[self.skip : self.skip + self.limit]

    def _contains(self, record: Mapping[str, Any]) -> bool:
        values = (
            [record.get(f) for f in self.search_fields] if self.search_fields else record.values()
        )
        return any(isinstance(value, str) and self.search in value.lower() for value in values)


def _filter(text: str | None) -> Filter | None:
    if not text or not text.strip():
        return None
    try:
        return parse_filter(text)
    except FilterError as error:
        detail = {"msg": f"the filter cannot be read: {error}", "type": "geobox.InvalidFilterError"}
        raise ApiError(400, detail) from None


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _order(part: str) -> tuple[str, bool]:
    field, _, direction = part.partition(" ")
    if direction.strip().upper() not in {"", "A", "D"}:
        raise invalid_parameter("query", "order_by", f"{part!r} is not a field with A or D")
    return field, direction.strip().upper() == "D"


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (2, "")
    return (0, value) if isinstance(value, (int, float)) else (1, str(value))
