"""What the project file declares: dependencies, extras and the version."""

from __future__ import annotations

import re
from typing import Any

import pytest

import prefect_geobox

from .documents import ROOT, rows, section

tomllib = pytest.importorskip("tomllib")  # from Python 3.11


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["project"]
    return table


def _lower_bounds(requirements: list[str]) -> dict[str, str]:
    """The lower bound of each requirement that has one, by its name without extras."""
    matches = [re.match(r"([\w-]+)(?:\[[^]]*\])?>=([\w.]+)", text) for text in requirements]
    return {match[1]: match[2] for match in matches if match is not None}


def test_lowest_versions_are_the_lower_bounds(project: dict[str, Any]) -> None:
    """The constraints of `make lowest` pin each direct dependency to its lower bound."""
    extras = project["optional-dependencies"]
    bounds = _lower_bounds(project["dependencies"])
    for name in ("map", "geopandas", "emulator", "socks"):
        bounds |= _lower_bounds(extras[name])
    lines = (ROOT / "tests" / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pins.pop("fastapi")  # no dependency of this package
    assert {name: _numbers(pin) for name, pin in pins.items()} == {
        name: _numbers(bound) for name, bound in bounds.items()
    }


def _numbers(version: str) -> list[str]:
    """The parts of a version, without zeros at its end: 9.0.0 is 9."""
    return re.sub(r"(\.0)+$", "", version).split(".")


def test_readme_lists_each_extra(project: dict[str, Any]) -> None:
    """The table of extras in the README has each extra but the one for developers."""
    listed = [row[0].strip("`") for row in rows(section(ROOT / "README.md", "## Install"))]
    assert sorted([*listed, "dev"]) == sorted(project["optional-dependencies"])


def test_version_is_that_of_the_project_file(project: dict[str, Any]) -> None:
    """`__version__` is the version of the project file."""
    assert prefect_geobox.__version__ == project["version"]


def test_change_log_has_the_version(project: dict[str, Any]) -> None:
    """The change log has a section for the present version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in text
