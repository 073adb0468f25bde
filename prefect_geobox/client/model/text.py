"""Text from the server, made safe for messages, identifiers and filters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

# The server's identifiers that may be part of a URL or an asset key.
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,128}")

#: Invisible characters between letters that are a part of the spelling of some languages, such as
#: Persian: zero width non-joiner and joiner.
JOINERS: Final = "\u200c\u200d"

# Deeper nesting is cut in messages, and refused in answers.
_DEEPEST_ERROR = 10

_DEEPEST_JSON = 100


def is_identifier(text: str) -> bool:
    """Whether a server's identifier cannot change the meaning of a URL that it is put into."""
    return _IDENTIFIER.fullmatch(text) is not None


def error_text(detail: Any) -> str:
    """Formats an error of the API, in any of its shapes, as one line of limited length.

    Args:
        detail: The value of `detail`, `errors` or the whole body.
    """
    return printable(_error_text(detail, depth=0))


def _error_text(detail: Any, depth: int) -> str:
    if depth > _DEEPEST_ERROR:
        return "…"
    if isinstance(detail, Mapping):
        for key in ("msg", "message", "detail"):
            if detail.get(key):
                text = _error_text(detail[key], depth + 1)
                location = detail.get("loc")
                if isinstance(location, list) and len(location) >= 2:
                    return f"{text}: {printable(str(location[-1]), 100)!r}"
                return text
        pairs = list(detail.items())
        return _joined(
            [f"{key}: {_error_text(value, depth + 1)}" for key, value in pairs[:6]], pairs
        )
    if isinstance(detail, list):
        return _grouped([_error_text(item, depth + 1) for item in detail])
    return printable(str(detail))


def _grouped(texts: list[str]) -> str:
    counts = Counter(texts)
    grouped = [
        text if count == 1 else f"{text} ({count:,} times)" for text, count in counts.items()
    ]
    return _joined(grouped[:6], grouped)


def _joined(texts: list[str], whole: Sequence[Any]) -> str:
    more = len(whole) - 5
    return "; ".join(texts) if more <= 1 else f"{'; '.join(texts[:5])}; … and {more:,} more"


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value is nested too deeply to be serialized again."""
    level = [value]
    for _ in range(_DEEPEST_JSON):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def printable(text: str, limit: int = 500) -> str:
    """Makes a server's text safe for a log line: no control characters or line breaks, limited.

    The joiners of Persian, Indic and other scripts are part of their words and stay.
    """
    flat = "".join(char if char.isprintable() or char in JOINERS else " " for char in text)
    flat = " ".join(flat.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def json_type_name(value: Any) -> str:
    """What a JSON value is, in words for a message: an object, a list, a text, nothing ..."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "nothing" if value is None else names.get(type(value), "a number")


def quoted(text: str) -> str:
    """A text as a literal of the API's filter language (OGC CQL)."""
    return "'" + text.replace("'", "''") + "'"
