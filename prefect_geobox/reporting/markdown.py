"""Markdown made from text of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MARKDOWN_SIGNS: Final = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$^:/@=\"'])")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text as markdown that shows it as it is, on one line."""
    return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
