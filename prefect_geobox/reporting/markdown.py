"""Markdown from text of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MARKDOWN_SIGNS: Final = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$^:/@=\"'])")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of cells that are already markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Returns text as markdown that shows it literally, on one line."""
    return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
