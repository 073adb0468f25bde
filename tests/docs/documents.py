"""Reads the documents: their code blocks, tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").glob("*.md"),
    ]
)

#: Where the files of the project are on the web. The README, which is also the page on PyPI, links
#: there, since relative links lead nowhere on that page.
_FILES_ON_THE_WEB = re.compile(
    r"^https://(?:github\.com/prefect-geobox/prefect-geobox/blob/main"
    r"|raw\.githubusercontent\.com/prefect-geobox/prefect-geobox/main)/"
)

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        document: The document's path below the project.
        line: Where its code begins.
        info: The fence's info string.
        code: What stands in it.
        output: The text of the `text` block that follows at once, if one does.
    """

    document: str
    line: int
    info: str
    code: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(path: Path, *infos: str) -> list[Block]:
    """The code blocks of a document with one of these info strings."""
    text = path.read_text(encoding="utf-8")
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in zip_longest(fences, fences[1:]):
        if fence[1].strip() not in infos:
            continue
        is_output = (
            following is not None
            and following[1].strip() == "text"
            and not text[fence.end() : following.start()].strip()
        )
        found.append(
            Block(
                path.relative_to(ROOT).as_posix(),
                text.count("\n", 0, fence.start(2)) + 1,
                fence[1].strip(),
                fence[2],
                following[2] if following is not None and is_output else None,
            )
        )
    return found


def prose(path: Path) -> str:
    """A document without its code blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def section(path: Path, heading: str) -> str:
    """What stands below a heading, up to the next heading of any level."""
    _, found, rest = path.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    assert found, f"{path.name} has no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in a text, without its head."""
    table = re.search(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    assert table, "there is no table"
    lines = table[0].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def links(path: Path) -> list[str]:
    """The targets of the links and images of a document, those within code left out."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(path)))


def is_external(link: str) -> bool:
    """Whether a link leads out of the project."""
    return link.startswith(("http://", "https://")) and not _FILES_ON_THE_WEB.match(link)


def linked_file(document: Path, link: str) -> Path:
    """The file of the project that a link of a document leads to."""
    name = link.partition("#")[0]
    if _FILES_ON_THE_WEB.match(name):
        return ROOT / _FILES_ON_THE_WEB.sub("", name)
    return (document.parent / name).resolve() if name else document


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
