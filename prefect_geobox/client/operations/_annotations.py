"""How the parameters of an operation are checked and shown, by their annotations.

    bool, int, float, str             a value of that type; a text must not be blank
    Annotated[float, Gt(0)]           a number within a range
    Annotated[str, check]             what the function `check` accepts and returns
    Literal["a", "b"] | Enum          one of these, or an enum with one of them as its value
    Database                          an instance of that class
    X | None                          None is accepted too

An operation checks itself what has any other annotation, such as `Any` or a `Mapping`.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import InputKinds
from prefect_geobox.client.operations._validation import (
    Check,
    choice,
    flag,
    flag_or_none,
    number,
    text,
    whole,
)

_CHECKS: Final[Mapping[type, Check]] = {bool: flag, int: whole, float: number, str: text}

#: The commonest annotations; they are shown as they are written.
_PLAIN: Final = frozenset(
    text for kind in _CHECKS for text in (kind.__name__, f"{kind.__name__} | None")
)


def checks_of(describe: Callable[..., Any]) -> dict[str, Check]:
    """The checks of the parameters of a function, by name.

    Args:
        describe: The function.
    """
    hints = get_type_hints(describe, include_extras=True)
    found: dict[str, Check] = {}
    for parameter in inspect.signature(describe).parameters.values():
        is_single = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        check = check_of(hints[parameter.name]) if is_single else None
        if check is not None:
            found[parameter.name] = check
    return found


def check_of(hint: Any) -> Check | None:
    """The check of one annotation; None where it asks for none.

    Args:
        hint: The annotation, resolved.
    """
    is_union = get_origin(hint) in (Union, types.UnionType)
    parts = get_args(hint) if is_union else (hint,)
    is_optional = type(None) in parts
    literal = next((part for part in parts if get_origin(part) is Literal), None)
    # An enum is accepted wherever a literal is.
    others = [part for part in parts if part not in (type(None), Enum, literal)]
    check: Check | None
    if not others:
        check = partial(choice, literal=literal)
    elif len(others) > 1:
        return None
    elif others == [bool] and is_optional:
        check = flag_or_none
    else:
        check = _single_check(others[0])
        if check is not None and literal is not None:
            check = _unless(partial(_is_one_of, literal), check)
    return _unless(_is_none, check) if check is not None and is_optional else check


def _single_check(hint: Any) -> Check | None:
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        for extra in extras:
            if callable(extra):
                function: Check = extra
                return function
        if base in _CHECKS:
            return partial(_CHECKS[base], **_bounds(extras))
        return None
    if hint in _CHECKS:
        return _CHECKS[hint]
    # Up to Python 3.10 `Mapping[str, Any]` counts as a type, too.
    if hint is Any or get_origin(hint) is not None or not isinstance(hint, type):
        return None
    return partial(_instance, kind=hint)


def _bounds(extras: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extra in extras:
        if isinstance(extra, Ge):
            found["least"] = extra.ge
        elif isinstance(extra, Le):
            found["most"] = extra.le
        elif isinstance(extra, Gt):
            found["above"] = extra.gt
    return found


def _unless(is_accepted: Callable[[Any], bool], check: Check) -> Check:
    return lambda field, value: value if is_accepted(value) else check(field, value)


def _is_none(value: Any) -> bool:
    return value is None


def _is_one_of(literal: Any, value: Any) -> bool:
    return any(type(value) is type(item) and value == item for item in get_args(literal))


def _instance(field: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise InvalidArgumentError(
            f"{field} must be a {kind.__name__}; got an object of type {type(value).__name__}"
        )
    return value


class _PlainTypes(ast.NodeTransformer):
    """Replaces annotated types by what they annotate; inputs keep their names."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        known = self._names.get(node.id)
        base, *extras = get_args(known) if get_origin(known) is Annotated else (None,)
        if not extras or isinstance(extras[0], InputKinds):
            return node
        shown = base.__name__ if inspect.isclass(base) else str(base)
        without_modules = re.sub(r"\b(?:\w+\.)+(?=\w)", "", shown)
        return ast.parse(without_modules, mode="eval").body

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated":
            plain: ast.expr = self.visit(cast("ast.Tuple", node.slice).elts[0])
            return plain
        return node


def plain_annotation(describe: Callable[..., Any], annotation: str) -> str:
    """The annotation of a parameter without checks, for people.

    Args:
        describe: The function that has the parameter.
        annotation: The annotation as it is written.
    """
    names: Mapping[str, Any] = getattr(describe, "__globals__", {})
    if annotation in _PLAIN:
        return annotation
    return ast.unparse(_PlainTypes(names).visit(ast.parse(annotation, mode="eval")))
