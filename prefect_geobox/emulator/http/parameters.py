"""Reads the parameters of a request; a missing or invalid one is a 422."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_geobox.emulator.http.errors import invalid_parameter, missing_parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import QueryParams

    from prefect_geobox.emulator.http.request_body import Body


def required(body: Body, name: str) -> str:
    """A field of a body as text.

    Raises:
        ApiError: It is missing or empty.
    """
    value = body.text(name)
    if value is None:
        raise missing_parameter("body", name)
    return value


def required_query(params: QueryParams, name: str) -> str:
    """A parameter of a query as text.

    Raises:
        ApiError: It is missing.
    """
    value = params.get(name)
    if value is None:
        raise missing_parameter("query", name)
    return value


def choice(value: str, where: str, name: str, choices: Iterable[str]) -> str:
    """Reads one of some names.

    Raises:
        ApiError: The value is not one of them.
    """
    names = list(choices)
    if value not in names:
        message = f"{value!r} is none of {', '.join(names)}"
        raise invalid_parameter(where, name, message, "type_error.enum")
    return value


def integer(value: str | None, where: str, name: str, default: int) -> int:
    """Reads a whole number that is not negative.

    Raises:
        ApiError: It is not one.
    """
    if value is None or value == "":
        return default
    if not (value.isascii() and value.isdigit()):
        raise invalid_parameter(where, name, "value is not a valid integer", "type_error.integer")
    return int(value)


def boolean(value: str | None, *, default: bool = False) -> bool:
    """Reads a truth value as the official SDK spells it (`True`) or as JSON does (`true`)."""
    return default if value is None else value.strip().lower() in {"true", "1", "yes"}
