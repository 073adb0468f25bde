"""The expressions of the raster calculator: the part of numpy's syntax that they may use."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from prefect_geobox.emulator.geodata.errors import JobError

# The numpy functions that an expression may call.
_FUNCTIONS = frozenset(
    """where clip minimum maximum fmin fmax
    abs sign sqrt square power exp log log2 log10 mod floor ceil rint round
    sin cos tan arcsin arccos arctan arctan2 hypot sinh cosh tanh degrees radians
    isnan isfinite logical_and logical_or logical_not""".split()  # noqa: SIM905
)
_CONSTANTS = frozenset({"pi", "e", "nan"})
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "mod",
    ast.Pow: "power",
    ast.BitAnd: "logical_and",
    ast.BitOr: "logical_or",
    ast.BitXor: "logical_xor",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.USub: "negative",
    ast.UAdd: "positive",
    ast.Invert: "logical_not",
    ast.Not: "logical_not",
}
_LONGEST = 2000


class Expression:
    """An expression such as `where(SLOPE > 30, 1, 0)` or `(NIR - RED) / (NIR + RED)`.

    Python never executes it: a tree of known operations is evaluated.

    Args:
        text: The expression.

    Attributes:
        names: The variables in it.

    Raises:
        ValueError: It cannot be parsed, or uses something that is not allowed.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise ValueError(f"is longer than {_LONGEST} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError("is not an expression") from None
        self.names: set[str] = set()
        try:
            self._check(self._tree)
        except RecursionError:
            raise ValueError("is nested too deeply") from None

    def evaluate(self, variables: Mapping[str, Any], shape: tuple[int, int]) -> Any:
        """The value of the expression.

        Args:
            variables: Arrays by name.
            shape: Rows and columns of the result; a single value is repeated.

        Raises:
            JobError: It cannot be computed, for example if a function gets too few arguments.
        """
        import numpy as np

        def value(node: ast.AST) -> Any:
            match node:
                case ast.Constant(value=bool() | int() | float() as number):
                    # Integers of any size could take any time.
                    return np.float64(number)
                case ast.Name(id=name) if name in variables:
                    return variables[name]
                case ast.BinOp(left=left, op=op, right=right):
                    operands = [left, right]
                case ast.Compare(left=left, ops=[op], comparators=[right]):
                    operands = [left, right]
                case ast.UnaryOp(op=op, operand=operand):
                    operands = [operand]
                case ast.Call(func=func, args=operands):
                    return getattr(np, _numpy_name(func))(*map(value, operands))
                case _:
                    return getattr(np, _numpy_name(node))
            return getattr(np, _OPERATORS[type(op)])(*map(value, operands))

        try:
            with np.errstate(all="ignore"):
                result = np.asarray(value(self._tree), dtype="float64")
                return np.broadcast_to(result, shape)
        except (TypeError, ValueError, OverflowError) as error:
            reason = f"the expression cannot be computed: {error}"
            raise JobError(reason, "geobox.InvalidExpressionError") from None

    def _check(self, node: ast.AST) -> None:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return
            case ast.Name(id=name):
                if name not in _CONSTANTS:
                    self.names.add(name)
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name) if name in _CONSTANTS:
                return
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                self._check_all(left, right)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
                self._check(operand)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                self._check_all(left, right)
            case ast.Call(func=func, args=args, keywords=[]) if _numpy_name(func) in _FUNCTIONS:
                self._check_all(*args)
            case _:
                raise ValueError(f"may not use {ast.unparse(node)[:50]!r}")

    def _check_all(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self._check(node)


def _numpy_name(node: ast.AST) -> str:
    """The numpy name of a node, with or without `np.` before it."""
    match node:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
            return name
    return ""
