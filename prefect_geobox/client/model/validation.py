"""Checks of arguments that several client methods share. They send nothing."""

from __future__ import annotations

import asyncio
import inspect
import math
import re
import sys
from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, Final, Protocol, SupportsIndex, runtime_checkable
from uuid import UUID

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.plain_values import plain_number

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")

#: Names between slashes. No percent sign, which could hide a slash or a dot; no colon, which could
#: end a scheme.
_PATH: Final = re.compile(r"[\w.~-]+(/[\w.~-]+)*/?", re.ASCII)


@runtime_checkable
class HasUuid(Protocol):
    """Anything with a uuid, such as an object of the official SDK."""

    @property
    def uuid(self) -> Any:
        """The uuid."""


#: How the methods accept a remote task or an asset.
UuidLike = str | UUID | HasUuid


def refuse_coroutine(field: str, value: object) -> None:
    """Refuses the result of an async function that was called without `await`.

    Args:
        field: The argument's name, for the message.
        value: Its value.

    Raises:
        InvalidArgumentError: It is a coroutine, or an asyncio task or future.
    """
    if inspect.iscoroutine(value):
        # It is never awaited now; Python would warn of that, far from here.
        value.close()
        raise InvalidArgumentError(
            f"{field} is a coroutine: `await` is missing before the call that made it."
        )
    if isinstance(value, asyncio.Future):
        raise InvalidArgumentError(
            f"{field} is an asyncio {type(value).__name__}: `await` is missing before it."
        )


def refuse_undecoded(field: str, value: str) -> None:
    """Refuses a text with bytes of another encoding in it, such as Python makes of file names.

    Args:
        field: The argument's name, for the message.
        value: The text.

    Raises:
        InvalidArgumentError: It cannot be written as UTF-8.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{field} must be a text that can be sent; got {value!r}, in which bytes of another "
            "encoding are left. Decode them first, or write the text again."
        ) from None


def checked_uuid(field: str, value: UuidLike, *, has_name: bool = False) -> str:
    """The uuid of an argument.

    Args:
        field: The argument's name, for the message.
        value: A uuid, or an object with a `uuid`.
        has_name: Whether it can be given by its name too.

    Raises:
        InvalidArgumentError: It is not a uuid.
    """
    refuse_coroutine(field, value)
    text = value if isinstance(value, (str, UUID)) else getattr(value, "uuid", value)
    candidate = str(text).strip()
    if not isinstance(text, (str, UUID)) or not _UUID.fullmatch(candidate):
        named = ', or by_name("…") for what has a name' if has_name else ""
        raise InvalidArgumentError(
            f"{field} must be a uuid such as 12345678-1234-5678-1234-567812345678, or an object "
            f"with one as its `uuid`{named}; got {candidate[:80]!r}"
        )
    return candidate


def checked_uuids(field: str, values: Iterable[UuidLike]) -> list[str]:
    """The uuids of a list.

    Raises:
        InvalidArgumentError: It is not a list, or an item is not a uuid.
    """
    refuse_coroutine(field, values)
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{field} must be a list of uuids; got {str(values)[:80]!r}")
    return [checked_uuid(f"{field}[{place}]", value) for place, value in enumerate(values)]


def checked_path(path: str) -> str:
    """A path below the base URL that cannot lead to another place.

    Raises:
        InvalidArgumentError: It has a scheme, a host, a query, `..`, or a slash at its beginning.
    """
    if not isinstance(path, str) or not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise InvalidArgumentError(
            f"path must be relative to the API's version, such as files/UUID/publish/, without a "
            f"host, a query or `..`; got {str(path)[:80]!r}"
        )
    return path


def checked_method(method: str) -> str:
    """An HTTP method that can start a remote task.

    Raises:
        InvalidArgumentError: It is not such a method.
    """
    known = ("POST", "PUT", "PATCH", "DELETE")
    if not isinstance(method, str) or method.upper() not in known:
        raise InvalidArgumentError(f"method must be one of {', '.join(known)}; got {method!r}")
    return method.upper()


def checked_params(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    """A query as pairs of texts; None is left out.

    Raises:
        InvalidArgumentError: It is not a query, or contains an API key.
    """
    pairs = params.items() if isinstance(params, Mapping) else params
    try:
        found = [(str(name), str(value)) for name, value in pairs if value is not None]
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"params must be names and values; got {str(params)[:80]!r}"
        ) from None
    if any(name.lower() == "apikey" for name, _ in found):
        raise InvalidArgumentError("params must not carry an apikey: the credentials add it")
    return found


def seconds_or_none(field: str, value: float | None) -> None:
    """Refuses a value that is neither None nor a number of seconds, 0 or more."""
    if value is None:
        return
    if not is_number(value) or math.isnan(value) or value < 0:
        raise InvalidArgumentError(
            f"{field} must be None or a number of seconds, 0 or more; got {value!r}"
        )


def positive_seconds(field: str, value: float) -> None:
    """Refuses a value that is not a finite number of seconds above 0."""
    if not is_number(value) or not math.isfinite(value) or value <= 0:
        raise InvalidArgumentError(f"{field} must be a number of seconds above 0; got {value!r}")


def whole_number(field: str, value: SupportsIndex, *, least: int) -> None:
    """Refuses a value that is not a whole number of at least so much; NumPy's are whole numbers."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or index(value) < least:
        raise InvalidArgumentError(
            f"{field} must be a whole number, {least} or more; got {value!r}"
        )


def positive_rate(field: str, value: float) -> None:
    """Refuses a value that is not a finite number above 0."""
    if not is_number(value) or not math.isfinite(value) or value <= 0:
        raise InvalidArgumentError(f"{field} must be a number above 0; got {value!r}")


def is_number(value: object) -> bool:
    """Whether it is a number that a float can hold; True and False are not."""
    plain = plain_number(value)
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        return False
    # No float can hold a larger whole number.
    return isinstance(plain, float) or abs(plain) <= sys.float_info.max


def check_search(search: Any, search_fields: Any) -> None:
    """Refuses the fields of a search without words.

    Raises:
        InvalidArgumentError: There are fields and nothing to look for.
    """
    if search is None and search_fields is not None:
        raise InvalidArgumentError(
            f"search_fields says where to look for search; got search_fields={search_fields!r} "
            "without search. Give the words too, or leave both out."
        )
