"""The `q` filter: the part of OGC CQL that lists of tasks, assets and features take."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
Predicate = Callable[[Record], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>(?:[A-Za-z_]|[^\x00-\x7f\s])(?:[A-Za-z0-9_.]|[^\x00-\x7f\s])*|"(?:[^"]|"")+")
      | (?P<sign><>|!=|<=|>=|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "TRUE", "FALSE"})
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class FilterError(ValueError):
    """A filter that cannot be read."""


@dataclass(frozen=True)
class Filter:
    """A filter that was read.

    Attributes:
        matches: Whether a record matches.
        fields: The fields that it uses.
        uuids: The only uuids of records that can match, so that a long `uuid IN (…)` is a look-up
            instead of a scan. None if any record could match.
    """

    matches: Predicate
    fields: frozenset[str]
    uuids: frozenset[str] | None = None


def parse_filter(text: str) -> Filter:
    """Reads a filter such as `state = 'PENDING' AND name LIKE 'import%'`.

    Raises:
        FilterError: It cannot be read.
    """
    try:
        return _Parser(text).parse()
    except RecursionError:
        raise FilterError("too many parentheses") from None


class _Parser:
    """Recursive descent: a disjunction of conjunctions of (negated) conditions."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def parse(self) -> Filter:
        found = self._disjunction()
        if self._at < len(self._tokens):
            raise FilterError(f"unexpected {self._tokens[self._at][1]!r}")
        return found

    def _disjunction(self) -> Filter:
        parts = [self._conjunction()]
        while self._take("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _conjunction(self) -> Filter:
        parts = [self._negation()]
        while self._take("AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else _all_of(parts)

    def _negation(self) -> Filter:
        if self._take("NOT"):
            return _not(self._negation())
        if self._take("("):
            inner = self._disjunction()
            self._expect(")")
            return inner
        return self._condition()

    def _condition(self) -> Filter:
        kind, field = self._next()
        if kind != "name":
            raise FilterError(f"expected a field, got {field!r}")
        if self._take("NOT"):
            return _not(self._set_condition(field))
        kind, sign = self._peek()
        if kind == "sign" and sign in _COMPARISONS:
            self._at += 1
            return _comparison(field, sign, self._literal())
        return self._set_condition(field)

    def _set_condition(self, field: str) -> Filter:
        if self._take("LIKE"):
            return _like(field, self._literal())
        if self._take("IN"):
            self._expect("(")
            values = [self._literal()]
            while self._take(","):
                values.append(self._literal())
            self._expect(")")
            return _one_of(field, values)
        raise FilterError(f"expected a comparison after {field!r}")

    def _literal(self) -> Any:
        kind, value = self._next()
        if kind == "text":
            return value[1:-1].replace("''", "'")
        if kind == "number":
            return float(value) if any(char in value for char in ".eE") else int(value)
        if kind == "word" and value in {"TRUE", "FALSE"}:
            return value == "TRUE"
        raise FilterError(f"expected a value, got {value!r}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, symbol: str) -> bool:
        kind, value = self._peek()
        if kind in {"word", "sign"} and value == symbol:
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise FilterError(f"expected {symbol!r}, got {self._peek()[1]!r}")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterError(f"cannot read {text[at:].strip()[:40]!r}")
        kind = str(match.lastgroup)
        value = match.group(kind)
        if kind == "name" and value.upper() in _WORDS:
            kind, value = "word", value.upper()
        if kind == "name" and value.startswith('"'):
            value = value[1:-1].replace('""', '"')
        tokens.append((kind, value))
        at = match.end()
    return tokens


def _any_of(parts: list[Filter]) -> Filter:
    uuids: frozenset[str] | None = frozenset()
    for part in parts:
        uuids = None if uuids is None or part.uuids is None else uuids | part.uuids
    return Filter(lambda record: any(p.matches(record) for p in parts), _fields(parts), uuids)


def _all_of(parts: list[Filter]) -> Filter:
    known = [part.uuids for part in parts if part.uuids is not None]
    uuids = frozenset.intersection(*known) if known else None
    return Filter(lambda record: all(p.matches(record) for p in parts), _fields(parts), uuids)


def _not(part: Filter) -> Filter:
    return Filter(lambda record: not part.matches(record), part.fields)


def _fields(parts: list[Filter]) -> frozenset[str]:
    return frozenset().union(*(part.fields for part in parts))


def _comparison(field: str, sign: str, expected: Any) -> Filter:
    compare = _COMPARISONS[sign]

    def matches(record: Record) -> bool:
        value = record.get(field)
        if value is None:
            return False
        if isinstance(value, (int, float)) and isinstance(expected, (int, float)):
            return compare(value, expected)
        return compare(str(value), str(expected))

    uuids = frozenset({str(expected)}) if field == "uuid" and sign == "=" else None
    return Filter(matches, frozenset({field}), uuids)


def _one_of(field: str, values: list[Any]) -> Filter:
    expected = frozenset(str(value) for value in values)
    uuids = expected if field == "uuid" else None
    return Filter(lambda record: str(record.get(field)) in expected, frozenset({field}), uuids)


def _like(field: str, pattern: Any) -> Filter:
    wildcards = {"%": ".*", "_": "."}
    expression = "".join(wildcards.get(char) or re.escape(char) for char in str(pattern))
    matcher = re.compile(expression, re.DOTALL)

    def matches(record: Record) -> bool:
        value = record.get(field)
        return value is not None and matcher.fullmatch(str(value)) is not None

    return Filter(matches, frozenset({field}))
