"""The names of files on disk, from names that a server sends."""

from __future__ import annotations

import os
import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any, Final

from prefect_geobox.client.model.text import JOINERS

#: What file systems allow for one name. The limit is one of bytes: Persian letters take two each.
_MOST_BYTES: Final = 255

#: A longer ending is a part of the name.
_LONGEST_ENDING: Final = 32

#: Line and paragraph separators, control characters, lone surrogates.
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

#: Characters that turn the direction of what follows, by which `gpj.exe` can look like `exe.jpg`.
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_RESERVED: Final = frozenset('<>:"|?*' if os.name == "nt" else "")


#: The ending of a name, with the one before it where it is packed.
_ENDING: Final = re.compile(r"((\.\w{1,8})?\.(gz|bz2|xz|zst|zip|7z)|\.[^.\s]+)$", re.IGNORECASE)


def file_name(text: str) -> str:
    """A name for a file in a folder; empty where the text holds none.

    All letters, marks and joiners stay as they are. Of a path the last part is taken. What cannot
    be part of a name becomes `_`, and a long name is cut before its ending.

    Args:
        text: The name as the server sends it.

    Example:
        >>> file_name("../maps/roads.gpkg")
        'roads.gpkg'
    """
    last = re.split(r"[/\\]", text)[-1].strip()
    name = _cut("".join("_" if _is_forbidden(character) else character for character in last))
    return "" if name in (".", "..") else name


def file_name_of_header(disposition: str) -> str:
    """The name in a `Content-Disposition`; empty where it holds none.

    `filename*`, which can hold any letter, wins over `filename`, which older programs read
    (RFC 6266).

    Args:
        disposition: The value of the header.
    """
    message = Message()
    message["content-disposition"] = disposition
    # A value is a text, or a triple of charset, language and text in the extended form.
    parameters: list[tuple[str, Any]] = message.get_params([], "content-disposition")
    values = [value for name, value in parameters if name.lower() == "filename"]
    extended = [collapse_rfc2231_value(value) for value in values if isinstance(value, tuple)]
    plain = [value for value in values if isinstance(value, str)]
    # A text in another charset than it claims has replacement characters in it.
    readable = [value for value in extended if "\ufffd" not in value]
    names = (file_name(value) for value in (*readable, *plain, *extended))
    return next((name for name in names if name), "")


def _is_forbidden(character: str) -> bool:
    return (
        unicodedata.category(character) in _FORBIDDEN_CATEGORIES
        or character in _DIRECTION_CONTROLS
        or character in _RESERVED
    )


def _cut(name: str) -> str:
    if len(name.encode()) <= _MOST_BYTES:
        return name
    match = _ENDING.search(name)
    ending = match[0] if match and len(match[0].encode()) <= _LONGEST_ENDING else ""
    stem = name.removesuffix(ending).encode()[: _MOST_BYTES - len(ending.encode())]
    # A character that was cut in half is left out, as is a joiner that joins nothing any more.
    return stem.decode(errors="ignore").rstrip(JOINERS + " ") + ending
