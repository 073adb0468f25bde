"""The page on the architecture names the folders, modules and functions that exist."""

from __future__ import annotations

import re

import pytest

from .documents import ROOT, rows

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")

#: The top folders of the project; what else lies beside them is made by tools.
TOP_FOLDERS = ("prefect_geobox", "flows", "tests", "docs", ".ci", ".github")

#: The package's folders whose modules the page does not list one by one.
SUMMED_UP = "prefect_geobox/emulator/"

#: No modules of their own: package files and entry points.
ENTRY_POINTS = {"__init__", "__main__"}

FOLDERS = rows(TEXT.partition("<!-- folders -->")[2])
CALL = rows(TEXT.partition("<!-- call -->")[2])
CHANGES = rows(TEXT.partition("## Where to change what")[2])


def _quoted(text: str) -> list[str]:
    """The words between backticks, in order."""
    return re.findall(r"`([^`]+)`", text)


def _named_folders() -> set[str]:
    return {name for row in FOLDERS for name in _quoted(row[0])}


def _folders_with_files() -> set[str]:
    """The folders that have files of their own, made by tools or not tracked ones left out."""
    found = set()
    for top in TOP_FOLDERS:
        for path in (ROOT / top).rglob("*"):
            folder = path.parent.relative_to(ROOT)
            if path.is_file() and not any(part.startswith("__pyc") for part in folder.parts):
                found.add(folder.as_posix())
    return found


def test_each_folder_that_the_page_names_exists() -> None:
    """The table of folders names no folder that is not there."""
    gone = sorted(name for name in _named_folders() if not (ROOT / name).is_dir())
    assert not gone, f"docs/architecture.md names folders that do not exist: {gone}"


def test_each_folder_is_named_on_the_page() -> None:
    """The table of folders has a row for each folder with files."""
    missing = sorted(_folders_with_files() - _named_folders())
    assert not missing, f"docs/architecture.md lacks a row for: {missing}"


@pytest.mark.parametrize(
    "row", [row for row in FOLDERS if row[0].startswith("`prefect_geobox")], ids=lambda row: row[0]
)
def test_modules_of_a_folder_are_those_that_the_page_names(row: list[str]) -> None:
    """A row of the package lists the modules of its folder; those of the emulator are left out."""
    folder = ROOT / _quoted(row[0])[0]
    if not _quoted(row[2]) and row[0].strip("`").startswith(SUMMED_UP):
        return
    modules = {path.stem for path in folder.glob("*.py")} - ENTRY_POINTS
    named = set(_quoted(row[2]))
    assert not modules - named, f"docs/architecture.md, {row[0]}, lacks {sorted(modules - named)}"
    assert not named - modules, f"docs/architecture.md, {row[0]}: no {sorted(named - modules)}"


@pytest.mark.parametrize("row", CALL, ids=lambda row: f"{row[0]}-{row[2]}")
def test_each_step_of_a_call_is_where_the_page_says(row: list[str]) -> None:
    """Each function that the way of one call names is defined in the file beside it."""
    path, name = ROOT / "prefect_geobox" / row[1].strip("`"), row[2].strip("`")
    assert path.is_file(), f"docs/architecture.md, step {row[0]}: there is no {row[1]}"
    code = path.read_text(encoding="utf-8")
    is_defined = re.search(rf"^\s*(?:async def|def|class) {name}\b", code, re.MULTILINE)
    assert is_defined, f"docs/architecture.md, step {row[0]}: {row[1]} defines no {name}"


def test_files_to_change_exist() -> None:
    """Each file and each folder that the page names exists, and each class is where it says."""
    for path in re.findall(r"`((?:[\w.]+/)+(?:[\w.]+\.\w+)?)`", TEXT):
        found = ROOT / path, ROOT / "prefect_geobox" / path
        assert any(each.exists() for each in found), f"docs/architecture.md: there is no {path}"
    for _, change in CHANGES:
        for name, path in re.findall(r"`(\w+)` in `([\w/.]+)`", change):
            assert f"class {name}" in (ROOT / path).read_text(encoding="utf-8"), name
