"""The rooms of the package: who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "prefect_geobox"

#: From the bottom up; a module imports only from its own room or from below.
LEVELS = [
    ["client"],
    ["credentials", "maps", "runs"],
    ["cancellation"],
    ["monitoring", "records"],
    ["takeover"],
    ["execution", "owning"],
    ["cleanup"],
    ["artifacts", "lineage", "reporting", "transfers"],
    ["showing"],
    ["steps", "tasks", "waits"],
]

#: Of which whole modules are imported.
_PACKAGES = ("prefect_geobox", "prefect_geobox.client")


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in _PACKAGES:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_client_imports_no_prefect():
    """No module of the client imports Prefect or a room above it."""
    for path in (PACKAGE / "client").rglob("*.py"):
        for name in _imports(path):
            assert name.partition(".")[0] != "prefect", path
            assert not name.startswith("prefect_geobox.") or name.startswith(
                "prefect_geobox.client"
            ), path


def test_the_emulator_knows_only_the_models():
    """The emulator imports nothing of the package but itself and the models."""
    for path in (PACKAGE / "emulator").rglob("*.py"):
        ours = {name for name in _imports(path) if name.startswith("prefect_geobox")}
        assert all(
            name.startswith("prefect_geobox.emulator") or name == "prefect_geobox.client.models"
            for name in ours
        ), path


def test_imports_point_downward():
    """Each room imports only rooms that are not above it."""
    level_of = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
    for path in [*PACKAGE.glob("*.py"), *(PACKAGE / "steps").glob("*.py")]:
        room = path.stem if path.parent == PACKAGE else path.parent.name
        if room == "__init__":
            continue
        assert room in level_of, f"{path.name} has no level"
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "prefect_geobox" and len(parts) > 1:
                assert level_of[parts[1]] <= level_of[room], f"{path.name} imports {name}"


def test_operations_do_no_io():
    """Descriptions of operations import nothing that could send or read anything."""
    allowed = {"arguments", "checks", "errors", "models", "operations", "policy", "publishing"}
    for path in (PACKAGE / "client" / "operations").glob("*.py"):
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "prefect_geobox":
                assert parts[2] in allowed | {"references"}, f"{path.name} imports {name}"


def test_nothing_private_of_prefect_is_imported():
    """No module imports from prefect._internal."""
    for path in PACKAGE.rglob("*.py"):
        assert not any(name.startswith("prefect._internal") for name in _imports(path)), path


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("prefect_geobox", ("prefect", "httpx", "pydantic")),
        ("prefect_geobox.client", ("prefect", "starlette", "shapely")),
        ("prefect_geobox.emulator.pytest_plugin", ("prefect", "starlette", "uvicorn", "shapely")),
    ],
)
def test_an_import_loads_only_what_it_needs(module, absent):
    """Importing a room loads none of the heavy libraries that it can do without."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(absent) & set(loaded)


def test_every_public_name_can_be_imported():
    """Each name in __all__ is there, and nothing else pretends to be."""
    import prefect_geobox

    for name in prefect_geobox.__all__:
        assert getattr(prefect_geobox, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = prefect_geobox.nonsense
