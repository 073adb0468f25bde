"""Values of other libraries, such as NumPy, as Python's own, which JSON and forms can hold."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any


def plain_number(value: Any) -> Any:
    """A number, True or False as Python's own; anything else as it is.

    Args:
        value: Such as a scalar of NumPy, an array without dimensions, a fraction, or whatever has
            `__index__`.

    Example:
        >>> from fractions import Fraction
        >>> plain_number(Fraction(1, 4))
        0.25
    """
    if type(value) in (int, float) or isinstance(value, (bool, str)):
        return value
    item = getattr(value, "item", None) if getattr(value, "shape", None) == () else None
    plain: Any = item() if callable(item) else value
    try:
        if isinstance(plain, bool):
            return plain
        if hasattr(type(plain), "__index__"):
            return int(operator.index(plain))
        return float(plain) if isinstance(plain, (Real, Decimal)) else value
    except (TypeError, ValueError, OverflowError):
        # An array has `__index__` too, of whatever shape; not every number fits a float.
        return value


def plain_items(value: Any) -> list[Any] | None:
    """The items of a list, array or other iterable, numbers as Python's own; None if it is none."""
    if not isinstance(value, Iterable):
        return None
    try:
        return [plain_number(item) for item in value]
    except TypeError:
        # An array without dimensions counts as an iterable.
        return None


def plain_tree(value: Any) -> Any:
    """A value with all mappings, lists, arrays and numbers in it as Python's own."""
    if isinstance(value, Mapping):
        return {plain_number(key): plain_tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_tree(item) for item in value]
    if getattr(value, "shape", ()) != () and callable(getattr(value, "tolist", None)):
        return plain_tree(value.tolist())
    return plain_number(value)
