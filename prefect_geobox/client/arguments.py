"""Checks of what the public verbs are given, and its way onto the wire."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

from prefect_geobox.client.errors import InvalidArgumentError
from prefect_geobox.client.models import TaskState

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")

#: Names between slashes, beginning with one. No percent sign, which could hide a slash or a dot; no
#: colon, which could end a scheme.
_PATH: Final = re.compile(r"[\w.~-]+(/[\w.~-]+)*/?", re.ASCII)

_STATES: Final = tuple(state.value for state in TaskState if state is not TaskState.UNKNOWN)


@runtime_checkable
class HasUuid(Protocol):
    """Anything that Geobox knows by a uuid, such as an object of the official SDK."""

    @property
    def uuid(self) -> Any:
        """The uuid."""


#: How the verbs accept a remote task or an asset.
UuidLike = str | UUID | HasUuid


def checked_uuid(field: str, value: UuidLike, *, has_name: bool = False) -> str:
    """The uuid that an argument stands for.

    Args:
        field: The argument's name, for the message.
        value: A uuid, or an object with a `uuid`.
        has_name: Whether it could be given by its name as well.

    Raises:
        InvalidArgumentError: It is no uuid.
    """
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
    """The uuids that a list stands for.

    Raises:
        InvalidArgumentError: It is no list, or something in it is no uuid.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{field} must be a list of uuids; got {str(values)[:80]!r}")
    return [checked_uuid(f"{field}[{place}]", value) for place, value in enumerate(values)]


def task_filters(
    *,
    state: TaskState | str | None = None,
    q: str | None = None,
    search: str | None = None,
    search_fields: str | Iterable[str] | None = None,
    order_by: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
    user_id: int | None = None,
    shared: bool = False,
    return_count: bool = False,
) -> list[tuple[str, str]]:
    """The query of the task list.

    Raises:
        InvalidArgumentError: A filter makes no sense; the message names it.
    """
    if state is not None and str(state) not in _STATES:
        raise InvalidArgumentError(
            f"state must be one of {', '.join(_STATES)}; got {str(state)[:80]!r}"
        )
    for field, value, least in (("skip", skip, 0), ("limit", limit, 1), ("user_id", user_id, 0)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < least
        ):
            raise InvalidArgumentError(
                f"{field} must be a whole number, {least} or more; got {value!r}"
            )
    if search_fields is not None and not isinstance(search_fields, str):
        search_fields = ",".join(search_fields)
    filters: dict[str, object] = {
        "f": "json",
        "return_count": return_count,
        "shared": bool(shared),
        "state": None if state is None else str(state),
        "q": q,
        "search": search,
        "search_fields": search_fields,
        "order_by": order_by,
        "skip": skip,
        "limit": limit,
        "user_id": user_id,
    }
    return [(name, str(value)) for name, value in filters.items() if value is not None]


def readable_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that exists, has content and can be read.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        PermissionError: It cannot be read.
        InvalidArgumentError: It is empty.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise FileNotFoundError(
            f"There is no file {str(file)!r} here ({Path.cwd()}). Check the spelling, or give "
            "the whole path."
        )
    if file.is_dir():
        raise IsADirectoryError(
            f"{str(file)!r} is a folder. Give one file; pack a Shapefile's parts or a file "
            "geodatabase into a .zip first."
        )
    if not os.access(file, os.R_OK):
        raise PermissionError(f"{str(file)!r} may not be read. Change its permissions.")
    if file.stat().st_size == 0:
        raise InvalidArgumentError(f"{str(file)!r} is empty: there is nothing to upload.")
    return file


def quoted(text: str) -> str:
    """A text as a literal of the API's filter language (OGC CQL)."""
    return "'" + text.replace("'", "''") + "'"


def checked_path(path: str) -> str:
    """A path below the base URL, and nothing that leads elsewhere.

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
    """An HTTP method that can start something.

    Raises:
        InvalidArgumentError: It is none.
    """
    known = ("POST", "PUT", "PATCH", "DELETE")
    if not isinstance(method, str) or method.upper() not in known:
        raise InvalidArgumentError(f"method must be one of {', '.join(known)}; got {method!r}")
    return method.upper()


def checked_params(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    """A query as pairs of texts; None is left out.

    Raises:
        InvalidArgumentError: It is no query, or carries an API key.
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
