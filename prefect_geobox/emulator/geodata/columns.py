"""Columns: the types of their values, values as JSON, names that do not collide."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_LONG = range(-(2**63), 2**63)
_INTEGER = range(-(2**31), 2**31)


def number_of(text: str) -> int | float | None:
    """The number that a text stands for, or None.

    Only a number that gives the same text again is one: `02138`, `1.50` and `1e5` are texts.
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text) if "." in text else int(text)
    same = text_of(value) == text and (isinstance(value, float) or value in _LONG)
    return value if same else None


def text_of(value: Any) -> str:
    """A value as text: numbers without exponents, lists and objects as JSON."""
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def json_value(value: Any) -> Any:
    """A value of any library as JSON that can be sent.

    Numbers that are not finite become None, bytes become hexadecimal digits, and half of a
    surrogate pair becomes a replacement character.
    """
    found: Any
    if value is None or isinstance(value, (bool, int)):
        found = value
    elif isinstance(value, float):
        found = value if math.isfinite(value) else None
    elif isinstance(value, str):
        found = value if value.isascii() else _whole(value)
    elif isinstance(value, dict):
        found = {_whole(str(key)): json_value(child) for key, child in value.items()}
    elif isinstance(value, (list, tuple)):
        found = [json_value(child) for child in value]
    elif isinstance(value, (bytes, bytearray, memoryview)):
        found = bytes(value).hex().upper()
    elif hasattr(value, "isoformat"):
        found = value.isoformat()
    else:
        # An array or a scalar of numpy.
        found = json_value(value.tolist()) if hasattr(value, "tolist") else str(value)
    return found


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fitted(value: Any, datatype: str) -> Any:
    """A value of a file as a value of a column that exists.

    Args:
        value: The value.
        datatype: The type of the column.
    """
    if datatype == "String" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return text_of(value)
    if datatype in {"Integer", "Long", "Float"} and isinstance(value, str):
        try:
            number = float(value) if datatype == "Float" else int(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value


def unique_names(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """Names that differ in more than case: a later one gets the next free number, as by GDAL.

    Args:
        names: The names.
        reserved: Further names that are taken.
    """
    taken = {name.casefold() for name in reserved}
    found: list[str] = []
    for name in names:
        unique, number = name, 2
        while unique.casefold() in taken:
            unique, number = f"{name}{number}", number + 1
        taken.add(unique.casefold())
        found.append(unique)
    return found


def datatypes(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The types of columns, derived from their values."""
    found: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is None:
                found.setdefault(name, "")
                continue
            kind = _kind(value)
            before = found.get(name) or kind
            numbers = {"Integer": 0, "Long": 1, "Float": 2}
            if before in numbers and kind in numbers:
                kind = max(before, kind, key=lambda number: numbers[number])
            found[name] = kind if before in numbers or before == kind else "String"
    return {name: kind or "String" for name, kind in found.items()}


def _kind(value: Any) -> str:
    if isinstance(value, int):
        if value in _INTEGER:
            return "Integer"
        return "Long" if value in _LONG else "Float"
    return "Float" if isinstance(value, float) else "String"
