"""Checks of the parameters of operations, before anything is sent."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, TypeVar, get_args

from prefect_geobox.client.model.errors import InvalidArgumentError

T = TypeVar("T")


def text(field: str, value: Any, meaning: str = "a text") -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{field} must be {meaning}; got {value!r}")
    return value


def text_or_none(field: str, value: Any, meaning: str = "a text") -> str | None:
    """A text that is not empty, or None."""
    return None if value is None else text(field, value, meaning)


def flag(field: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{field} must be True or False; got {value!r}")
    return value


def whole(field: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """A whole number within a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not _within(value, least, most):
        raise InvalidArgumentError(
            f"{field} must be a whole number{_range(least, most)}; got {value!r}"
        )
    return value


def whole_or_none(
    field: str, value: Any, least: int | None = None, most: int | None = None
) -> int | None:
    """A whole number within a range, or None."""
    return None if value is None else whole(field, value, least, most)


def number(
    field: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
) -> float:
    """A finite number within a range.

    Args:
        field: The argument's name.
        value: What was given.
        least: The smallest number that is allowed.
        most: The largest.
        above: What it must exceed.
    """
    if (
        not _is_finite(value)
        or not _within(value, least, most)
        or (above is not None and value <= above)
    ):
        told = f" above {above:g}" if above is not None else _range(least, most)
        raise InvalidArgumentError(f"{field} must be a number{told}; got {value!r}")
    result: float = value
    return result


def number_or_none(
    field: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
) -> float | None:
    """A finite number within a range, or None."""
    return None if value is None else number(field, value, least, most, above=above)


def srid_or_none(field: str, value: Any) -> int | None:
    """An EPSG code, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidArgumentError(f"{field} must be an EPSG code such as 4326; got {value!r}")
    return value


def choice(field: str, value: Any, literal: Any) -> Any:
    """One of the values of a `Literal`, given as it is or as an enum that has it as its value.

    Args:
        field: The argument's name.
        value: What was given.
        literal: The `Literal`.
    """
    plain = value.value if isinstance(value, Enum) else value
    allowed = get_args(literal)
    if isinstance(plain, bool) or plain not in allowed:
        told = ", ".join(str(item) for item in allowed)
        raise InvalidArgumentError(f"{field} must be one of {told}; got {value!r}")
    return plain


def unknown(
    field: str, value: Any, known: Iterable[str], also: Iterable[str] = ()
) -> InvalidArgumentError:
    """The error for a name that is none of those known, with the near ones.

    Args:
        field: The argument's name.
        value: What was given.
        known: The names that there are.
        also: Names that may have been meant, and are not listed where none is near.
    """
    names = list(known)
    near = near_names(value, [*names, *also])
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(names)}."
    return InvalidArgumentError(f"{field}: there is no {value!r}. {hint}")


def near_names(value: Any, known: Iterable[str]) -> list[str]:
    """Up to three of the names that are like the one given, or that it is a part of."""
    if not isinstance(value, str) or not value:
        return []
    names = list(known)
    close = difflib.get_close_matches(value, names, n=3, cutoff=0.5)
    longer = [name for name in names if value in name]
    return list(dict.fromkeys([*close, *longer]))[:3]


def choice_or_none(field: str, value: Any, literal: Any) -> Any:
    """One of the values of a `Literal`, or None."""
    return None if value is None else choice(field, value, literal)


def box_or_none(field: str, value: Any) -> list[float] | None:
    """A bounding box as a list of west, south, east and north, or None."""
    return None if value is None else box(field, value)


def box(field: str, value: Any) -> list[float]:
    """A bounding box as a list of west, south, east and north; given so or as `w,s,e,n`."""
    numbers = _numbers(value, 4)
    if numbers is None or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise InvalidArgumentError(
            f"{field} must be west, south, east and north as four numbers, west not beyond east "
            f"and south not beyond north; got {value!r}"
        )
    return numbers


def box_text(field: str, value: Any) -> str:
    """A bounding box as the text `west,south,east,north`."""
    return ",".join(str(item) for item in box(field, value))


def box_text_or_none(field: str, value: Any) -> str | None:
    """A bounding box as the text `west,south,east,north`, or None."""
    return None if value is None else box_text(field, value)


def pair_text_or_none(field: str, value: Any) -> str | None:
    """Two numbers as the text `x,y`, or None; given so or as a sequence."""
    if value is None:
        return None
    numbers = _numbers(value, 2)
    if numbers is None:
        raise InvalidArgumentError(f"{field} must be x and y as two numbers; got {value!r}")
    return ",".join(str(item) for item in numbers)


def ids_or_none(field: str, value: Any) -> list[int] | None:
    """A list of numbers of features or rows, or None; never an empty one, which would mean all."""
    if value is None:
        return None
    if isinstance(value, str):
        parts: Sequence[Any] = [part.strip() for part in value.split(",")]
        value = [int(part) if part.isascii() and part.isdigit() else part for part in parts]
    if not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{field} must be a list of whole numbers; got {value!r}")
    found = [whole(f"{field}[{place}]", item, 0) for place, item in enumerate(value)]
    return _some(field, found)


def names_or_none(field: str, value: Any) -> list[str] | None:
    """A list of names, or None; given so or as one text with commas; never an empty one."""
    if value is None:
        return None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{field} must be a list of names; got {value!r}")
    return _some(
        field, [text(f"{field}[{place}]", item, "a name") for place, item in enumerate(value)]
    )


def joined(items: Sequence[Any] | None) -> str | None:
    """A list as one text with commas, where the API wants it so; None stays None."""
    return None if items is None else ",".join(str(item) for item in items)


def _numbers(value: Any, count: int) -> list[float] | None:
    if isinstance(value, str):
        try:
            value = [_plain(part) for part in value.split(",")]
        except ValueError:
            return None
    if not isinstance(value, Iterable):
        return None
    items = list(value)
    return items if len(items) == count and all(map(_is_finite, items)) else None


def _some(field: str, items: list[T]) -> list[T]:
    """A list with something in it: an empty one would not be sent at all."""
    if not items:
        raise InvalidArgumentError(f"{field} must name at least one; pass None for no choice")
    return items


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number that no float can hold.
        return False


def _plain(part: str) -> float:
    value = float(part)
    return int(part) if part.strip().lstrip("-").isdigit() else value


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if least is not None:
        return f", {least:g} or more"
    return f", {most:g} or less" if most is not None else ""
