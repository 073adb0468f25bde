"""The architecture: which part may import which, how large parts are, what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.architecture_levels import APART, ENTRY_POINTS, LEVELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "prefect_geobox"


def _module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {_module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def _imported_names(path: Path) -> tuple[str, ...]:
    """Each imported name with its module in front; imports for types count too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}: no relative imports in the package"
            assert node.level == 0, f"{path}: no relative imports in the package"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def _imports(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    found: set[str] = set()
    for name in _imported_names(MODULES[module]):
        known = name if name in MODULES else name.rpartition(".")[0]
        if known in MODULES and known != module:
            found.add(known)
    return found


@cache
def _all_imports() -> dict[str, set[str]]:
    """The modules of the package that each imports; read when the first test asks."""
    return {module: _imports(module) for module in MODULES}


def _part(folder: str, module: str) -> str:
    """The part of a folder that a module is in, or `__init__` for the folder itself."""
    return module.removeprefix(folder).lstrip(".").partition(".")[0] or "__init__"


def test_the_client_imports_no_prefect():
    """No module of the client imports Prefect, or a part of the package above it."""
    for module, path in MODULES.items():
        if module.startswith("prefect_geobox.client"):
            for name in _imported_names(path):
                assert name.partition(".")[0] != "prefect", module
            for imported in _all_imports()[module]:
                assert imported.startswith("prefect_geobox.client"), module


def test_the_emulator_knows_two_enums():
    """Of the rest of the package, the emulator imports two enums of the client's model."""
    names = {
        name
        for module, path in MODULES.items()
        if module.startswith("prefect_geobox.emulator")
        for name in _imported_names(path)
        if name.startswith("prefect_geobox.") and not name.startswith("prefect_geobox.emulator")
    }
    assert names == {
        "prefect_geobox.client.model.assets.AssetKind",
        "prefect_geobox.client.model.tasks.TaskState",
    }


def test_each_folder_has_levels():
    """Every folder of the package has its levels, and no other has."""
    assert set(LEVELS) == {_module_name(path.parent) for path in MODULES.values()}


@pytest.mark.parametrize("folder", LEVELS)
def test_imports_point_downward(folder):
    """Each part of a folder imports only itself and parts of lower levels."""
    level_of = {part: level for level, parts in enumerate(LEVELS[folder]) for part in parts}
    for module, imported in _all_imports().items():
        part = _part(folder, module)
        is_apart = folder == "prefect_geobox" and module.startswith(APART)
        if not module.startswith(f"{folder}.") or part in ENTRY_POINTS or is_apart:
            continue
        assert part in level_of, f"{module} has no level: add it to tests/architecture_levels.py"
        assert folder not in imported, f"{module} imports the folder that it is in"
        for other in imported:
            below = _part(folder, other)
            if other.startswith(f"{folder}.") and below != part:
                assert below in level_of, f"{module} imports {other}, which nothing may import"
                assert level_of[below] < level_of[part], f"{module} imports {other}"


def test_each_level_names_a_part_that_exists():
    """The levels name no part that has gone."""
    for folder, levels in LEVELS.items():
        for part in (part for parts in levels for part in parts):
            path = ROOT / Path(*folder.split(".")) / part
            assert path.is_dir() or path.with_suffix(".py").is_file(), f"{folder}.{part}"


def test_there_is_no_circle_of_modules():
    """No module imports itself through others, even if only for its types."""
    remaining = {module: set(imported) for module, imported in _all_imports().items()}
    while True:
        free = {module for module, imported in remaining.items() if not imported & set(remaining)}
        if not free:
            break
        for module in free:
            del remaining[module]
    assert not remaining, f"in a circle, or above one: {sorted(remaining)}"


def test_a_folder_has_at_most_fifteen_modules():
    """No folder has more than fifteen modules, but the operations: one for each subject."""
    for folder in {path.parent for path in MODULES.values()}:
        modules = list(folder.glob("*.py"))
        assert len(modules) <= 15 or folder.name == "operations", folder


def test_a_module_has_at_most_400_lines():
    """No module of the package has more than 400 lines."""
    for module, path in MODULES.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 400, f"{module} has {lines} lines"


def test_operations_do_no_io():
    """Descriptions of operations import nothing that could send or read anything."""
    allowed = ("model", "operations", "polling.policy")
    for module, imported in _all_imports().items():
        if module.startswith("prefect_geobox.client.operations"):
            for other in imported:
                below = other.removeprefix("prefect_geobox.client.")
                assert below.startswith(allowed), f"{module} imports {other}"


def test_nothing_private_of_prefect_is_imported():
    """No module imports from prefect._internal."""
    for module, path in MODULES.items():
        assert not any(name.startswith("prefect._") for name in _imported_names(path)), module


@pytest.mark.processes
@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("prefect_geobox", ("prefect", "httpx", "pydantic")),
        ("prefect_geobox.client", ("prefect", "starlette", "shapely")),
        ("prefect_geobox.emulator.pytest_plugin", ("prefect", "starlette", "uvicorn", "shapely")),
    ],
)
def test_an_import_loads_only_what_it_needs(module, absent):
    """Importing a part loads none of the heavy libraries that it can do without."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(absent) & set(loaded)


@pytest.mark.processes
def test_every_public_name_can_be_imported():
    """Each public name is there, and nothing else pretends to be."""
    import prefect_geobox

    assert "publish_file" in prefect_geobox.__all__
    for name in prefect_geobox.__all__:
        assert getattr(prefect_geobox, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = prefect_geobox.nonsense
