"""Checks of the parameters of operations, and the annotations that ask for them.

A check takes the name and the value of a parameter and returns the value in the form in which it is
sent. It raises `InvalidArgumentError` with a message that names the parameter, says what it may be
and what came.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Annotated, Any, TypeVar, get_args

from annotated_types import Ge, Gt, Le

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.names import composed
from prefect_geobox.client.model.plain_values import plain_items, plain_number
from prefect_geobox.client.model.validation import refuse_undecoded

T = TypeVar("T")

#: Checks the value of a parameter and returns what is sent.
Check = Callable[[str, Any], Any]


def text(field: str, value: Any, meaning: str = "a text") -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{field} must be {meaning}; got {value!r}")
    refuse_undecoded(field, value)
    return value


def any_text(field: str, value: Any) -> str:
    """A text, which may be empty or blank."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{field} must be a text; got {value!r}")
    refuse_undecoded(field, value)
    return value


def flag(field: str, value: Any) -> bool:
    """True or False, and no other value that merely counts as one of them."""
    plain = plain_number(value)
    if not isinstance(plain, bool):
        raise InvalidArgumentError(f"{field} must be True or False; got {value!r}")
    return plain


def flag_or_none(field: str, value: Any) -> bool | None:
    """True, False or None."""
    plain = plain_number(value)
    if plain is not None and not isinstance(plain, bool):
        raise InvalidArgumentError(f"{field} must be True, False or None; got {value!r}")
    return plain


def whole(field: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """A whole number within a range."""
    plain = plain_number(value)
    if isinstance(plain, bool) or not isinstance(plain, int) or not _within(plain, least, most):
        raise InvalidArgumentError(
            f"{field} must be a whole number{_range(least, most)}; got {value!r}"
        )
    return plain


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
        field: The parameter's name.
        value: The given value.
        least: The smallest number that is allowed.
        most: The largest.
        above: What it must exceed.
    """
    plain = plain_number(value)
    if (
        not _is_finite(plain)
        or not _within(plain, least, most)
        or (above is not None and plain <= above)
    ):
        allowed = f" above {above:g}" if above is not None else _range(least, most)
        raise InvalidArgumentError(f"{field} must be a number{allowed}; got {value!r}")
    result: float = plain
    return result


def srid(field: str, value: Any) -> int:
    """An EPSG code."""
    plain = plain_number(value)
    if isinstance(plain, bool) or not isinstance(plain, int) or plain <= 0:
        raise InvalidArgumentError(f"{field} must be an EPSG code such as 4326; got {value!r}")
    return plain


def choice(field: str, value: Any, literal: Any) -> Any:
    """One of the values of a `Literal`, given as it is or as an enum that has it as its value.

    Args:
        field: The parameter's name.
        value: The given value.
        literal: The `Literal`.
    """
    plain = plain_number(value.value if isinstance(value, Enum) else value)
    allowed = get_args(literal)
    if isinstance(plain, bool) or plain not in allowed:
        names = ", ".join(str(item) for item in allowed)
        near = near_names(plain, map(str, allowed)) if len(allowed) > 1 else []
        hint = f". Did you mean {' or '.join(near)}?" if near else ""
        raise InvalidArgumentError(f"{field} must be one of {names}; got {value!r}{hint}")
    return plain


def box(field: str, value: Any) -> list[float]:
    """A bounding box as a list of west, south, east and north; given so or as `w,s,e,n`."""
    numbers = _numbers(value, 4)
    if numbers is not None and _is_across_180(numbers):
        first, second = _halves(numbers)
        raise InvalidArgumentError(
            f"{field}: west {numbers[0]:g} lies beyond east {numbers[2]:g}. A box across the 180° "
            f"meridian must be given as two, one call for each: {first} and {second}"
        )
    if numbers is None or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise InvalidArgumentError(
            f"{field} must be west, south, east and north as four numbers, west not beyond east "
            f"and south not beyond north; got {value!r}"
        )
    return numbers


def boxes(field: str, value: Any) -> list[list[float]]:
    """Several bounding boxes; one across the 180° meridian becomes two."""
    given = plain_items(value)
    if given is None or isinstance(value, str):
        raise InvalidArgumentError(f"{field} must be a list of boxes; got {value!r}")
    found: list[list[float]] = []
    for place, each in enumerate(given):
        numbers = _numbers(each, 4)
        parts = _halves(numbers) if numbers and _is_across_180(numbers) else [each]
        found += [box(f"{field}[{place}]", part) for part in parts]
    return found


def pair(field: str, value: Any) -> list[float]:
    """Two numbers, x and y; given so or as `x,y`."""
    numbers = _numbers(value, 2)
    if numbers is None:
        raise InvalidArgumentError(f"{field} must be x and y as two numbers; got {value!r}")
    return numbers


def ids(field: str, value: Any) -> list[int]:
    """Numbers of features or rows; never an empty list, which would mean all."""
    if isinstance(value, str):
        parts: Sequence[Any] = [part.strip() for part in value.split(",")]
        value = [int(part) if part.isascii() and part.isdigit() else part for part in parts]
    items = plain_items(value)
    if items is None:
        raise InvalidArgumentError(f"{field} must be a list of whole numbers; got {value!r}")
    # A column of pandas that had gaps once holds whole numbers as floats.
    items = [int(i) if isinstance(i, float) and i.is_integer() else i for i in items]
    found = [whole(f"{field}[{place}]", item, 0) for place, item in enumerate(items)]
    return _not_empty(field, found)


def names(field: str, value: Any) -> list[str]:
    """Names; given so or as one text with commas; never an empty list."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    items = plain_items(value)
    if items is None:
        raise InvalidArgumentError(f"{field} must be a list of names; got {value!r}")
    found = [text(f"{field}[{place}]", item, "a name") for place, item in enumerate(items)]
    return _not_empty(field, found)


#: The name of a field.
FieldName = Annotated[str, partial(text, meaning="a field")]

#: A text that may be empty.
AnyText = Annotated[str, any_text]

PositiveNumber = Annotated[float, Gt(0)]
NonNegativeNumber = Annotated[float, Ge(0)]
PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]

#: The number of a user of Geobox.
UserId = Annotated[int, Ge(0)]

#: A zoom level of tiles.
Zoom = Annotated[int, Ge(0), Le(30)]

#: An EPSG code.
Srid = Annotated[int, srid]

#: West, south, east and north, also as the text `w,s,e,n`; reaches an operation as a list.
BBox = Annotated[str | Iterable[float], box]

#: Several of these.
BBoxes = Annotated[Iterable[Iterable[float]], boxes]

#: x and y, also as the text `x,y`; reaches an operation as a list.
Pair = Annotated[str | Sequence[float], pair]

#: Numbers of features or rows, also as a text with commas; reaches an operation as a list.
Ids = Annotated[str | Iterable[int], ids]

#: Names, also as a text with commas; reaches an operation as a list.
Names = Annotated[str | Iterable[str], names]


def joined(items: Iterable[Any] | None) -> str | None:
    """A list as one text with commas, where the API wants it so; None stays None."""
    return None if items is None else ",".join(str(item) for item in items)


def unknown(
    field: str, value: Any, known: Iterable[str], also: Iterable[str] = ()
) -> InvalidArgumentError:
    """The error for a name that does not exist, with similar names that do.

    Args:
        field: The parameter's name.
        value: The given name.
        known: The names that exist.
        also: Names that may have been meant, and are not listed where none is similar.
    """
    options = list(known)
    near = near_names(value, [*options, *also])
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(options)}."
    return InvalidArgumentError(f"{field}: there is no {value!r}. {hint}")


def near_names(value: Any, known: Iterable[str]) -> list[str]:
    """Up to three of the names that are similar to the given one, or contain it."""
    if not isinstance(value, str) or not value:
        return []
    options: dict[str, list[str]] = {}
    for name in known:
        options.setdefault(_folded(name), []).append(name)
    wanted = _folded(value)
    close = difflib.get_close_matches(wanted, options, n=3, cutoff=0.5)
    longer = [folded for folded in options if wanted in folded]
    found = [name for folded in (*close, *longer) for name in options[folded]]
    return list(dict.fromkeys(found))[:3]


def _folded(name: str) -> str:
    """A name without the differences between upper and lower case and of Unicode's spellings."""
    return composed(name).casefold()


def _numbers(value: Any, count: int) -> list[float] | None:
    if isinstance(value, str):
        try:
            value = [_plain(part) for part in value.split(",")]
        except ValueError:
            return None
    items = plain_items(value)
    if items is None or len(items) != count or not all(map(_is_finite, items)):
        return None
    return items


def _is_across_180(numbers: Sequence[float]) -> bool:
    """Whether a box in degrees begins west of the 180° meridian and ends east of it."""
    west, south, east, north = numbers
    return 180 >= west > 0 > east >= -180 and -90 <= south <= north <= 90


def _halves(numbers: Sequence[float]) -> list[list[float]]:
    west, south, east, north = numbers
    return [[west, south, 180, north], [-180, south, east, north]]


def _not_empty(field: str, items: list[T]) -> list[T]:
    """Refuses an empty list, which would not be sent at all."""
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


def check_box(bbox: Any, bbox_srid: Any) -> None:
    """Refuses the EPSG code of a box that is not given.

    Raises:
        InvalidArgumentError: There is a code and no box.
    """
    if bbox is None and bbox_srid is not None:
        raise InvalidArgumentError(
            f"bbox_srid says in which coordinates bbox is; got bbox_srid={bbox_srid} without bbox. "
            "Give the box too, or leave both out."
        )


def search_remarks(q: Any, search: Any) -> list[str]:
    """Says that words to look for have no effect beside a filter.

    Args:
        q: The filter.
        search: The words.
    """
    if q is None or search is None:
        return []
    return ["search has no effect beside q: the server takes the filter alone."]
