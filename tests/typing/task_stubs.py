"""Writes the types of the steps from their signatures: `python -m tests.typing.task_stubs`.

A step takes the parameters of an operation, credentials and options of its own; no type of Python's
can say that of a pair of generated tasks, so that type checkers read a stub.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import Task

from prefect_geobox.client.operations import OPERATIONS, Operation
from prefect_geobox.tasks import operations as steps

PATH = Path(steps.__file__).with_suffix(".pyi")

_HEAD = """\
# Written by `python -m tests.typing.task_stubs`; do not edit.
# ruff: noqa: A002 - some steps have a parameter `map`
"""

_RETURNS = {"asset": "OutputAsset", "task": "RemoteTask", "tasks": "list[RemoteTask]"}

#: Where names in annotations come from that the module of an operation does not import itself.
_OTHER_MODULES = (
    "prefect_geobox.client.operations._validation",
    "prefect_geobox.client.operations._inputs",
    "prefect_geobox.client.operations._operation",
    "prefect_geobox.client.operations.import_wfs",
    "prefect_geobox.client.polling.policy",
    "prefect_geobox.ownership.submit_once",
    "prefect_geobox.credentials",
)


def text() -> str:
    """The whole stub."""
    imports: set[str] = {"from prefect import task"}
    functions: list[str] = []
    for operation_name in vars(steps)["NAMING"]:
        operation = OPERATIONS[operation_name]
        for name in (operation_name, f"a{operation_name}"):
            step: Task[..., Any] = getattr(steps, name)
            functions.append(_function(name, step, operation))
            imports |= set(_imports(step, operation))
    return _formatted("\n".join([_HEAD, *sorted(imports), *functions]) + "\n")


def _function(name: str, step: Task[..., Any], operation: Operation[..., Any]) -> str:
    signature = inspect.signature(step.fn)
    parameters: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        star = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parameters.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    kind = "async def" if step.isasync else "def"
    returns = _RETURNS[operation.output]
    return f"@task\n{kind} {name}({', '.join(parameters)}) -> {returns}: ..."


def _imports(step: Task[..., Any], operation: Operation[..., Any]) -> Iterator[str]:
    annotations = [each.annotation for each in inspect.signature(step.fn).parameters.values()]
    for annotation in [*annotations, _RETURNS[operation.output]]:
        for node in ast.walk(ast.parse(annotation)):
            if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
                yield f"from {_home(node.id, operation.describe.__module__)} import {node.id}"


def _home(name: str, first: str) -> str:
    """The module that defines a name."""
    for module in (first, *_OTHER_MODULES):
        imported, defined = _names_of(module)
        if name in imported:
            return imported[name]
        if name in defined:
            return module
    raise LookupError(name)


@cache
def _names_of(module: str) -> tuple[dict[str, str], set[str]]:
    """The names that a module imports, each with its module, and those that it defines."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    imported = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    defined |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return imported, defined


def _formatted(source: str) -> str:
    for command in (
        ["check", "--select", "I", "--fix", "--quiet", "--stdin-filename", str(PATH), "-"],
        ["format", "--quiet", "--stdin-filename", str(PATH), "-"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command],
            input=source,
            capture_output=True,
            text=True,
            check=True,
        )
        source = done.stdout
    return source


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
