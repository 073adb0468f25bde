"""Writes docs/operations.md from the register of operations: `python -m tests.docs.operations`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect_geobox.client.operations import OPERATIONS, Operation
from prefect_geobox.client.operations._operation import DEFAULTS
from prefect_geobox.client.operations._signature_errors import meanings
from prefect_geobox.client.operations._vector_tool_catalogue import VECTOR_TOOLS
from prefect_geobox.ownership.submit_once import OWNERSHIP_DEFAULTS

PATH = Path(__file__).parents[2] / "docs" / "operations.md"

_HEAD = "\n\n".join(
    [
        "# Operations",
        "<!-- Written by `python -m tests.docs.operations`; do not edit. -->",
        (
            "Each kind of remote task of Geobox is an operation: one "
            "description, from which the steps `name` and `aname` of a flow are made, and "
            "which the clients start with `client.start(operations.name, …)` or carry out "
            "with `client.run(operations.name, …)`. What a step does around its request, "
            "and the options that all take, are described in [Concepts](concepts.md#steps)."
        ),
        (
            "The tables name the parameters of each operation after `credentials`, with "
            "their defaults. Besides these every step takes {options}; those whose output "
            "is a layer or raster also take `temporary`."
        ),
        (
            "**Inputs** are given as a uuid, as what a step returned, as a remote task that "
            'has ended, as an object of the official SDK, or as `by_name("…")`. A name that '
            "nothing has, or that several have, raises `NameLookupError` with their uuids; "
            "an input of the wrong kind is refused before any request. A bare uuid given "
            "for a layer is that of a vector layer; with `is_view=True` that of a view."
        ),
        (
            "**Known from** says how it is known what the output of an operation is. The request "
            "of each was compared, field by field, with that of the official SDK 2.11.0; "
            "no live server was used. *output confirmed* is by the SDK's own tests, "
            "*documented* by its documentation, *inferred* only from the purpose "
            "of the operation."
        ),
        "",
    ]
)

_SUBJECTS = {
    "files": "Files",
    "vector_export": "Layers and views",
    "vector_edit": "Changes to layers and views",
    "tables": "Tables",
    "vector_tools": "Vector tools by name",
    "sql": "SQL",
    "raster_conversion": "Between layers and rasters",
    "raster_terrain": "Terrain",
    "raster_cell_values": "Cell values of rasters",
    "raster_tools": "Raster analyses by name",
    "tile_caches": "Caches",
    "map_export": "Maps and groups of layers",
    "import_wfs": "From web feature services",
    "import_database": "From databases",
    "custom_endpoint": "Anything else",
}


def text() -> str:
    """The whole document."""
    names = [*(name for name in DEFAULTS if name != "temporary"), *OWNERSHIP_DEFAULTS]
    options = ", ".join(f"`{name}`" for name in names)
    return "".join([_HEAD.format(options=options), *_overview(), *_subjects(), *_tools()])


def _overview() -> Iterator[str]:
    yield "## All of them\n\n"
    yield "| step | endpoint | official SDK | makes | known from |\n|---|---|---|---|---|\n"
    for operation in _in_order():
        endpoint = ", then ".join(f"`{part}`" for part in operation.endpoint.split("; "))
        if not operation.endpoint.startswith(("POST", "GET")):
            endpoint = operation.endpoint
        sdk = f"`{operation.sdk}`" if operation.sdk else ""
        yield (
            f"| [`{operation.name}`](#{operation.name}) | {endpoint} | {sdk} | "
            f"{_output(operation)} | {operation.evidence} |\n"
        )
    yield "\n"


def _in_order() -> list[Operation[Any, Any]]:
    """The operations by subject, and within a subject as they are defined."""
    subjects = [*_SUBJECTS]
    return sorted(OPERATIONS.values(), key=lambda each: subjects.index(_module(each)))


def _subjects() -> Iterator[str]:
    for module, title in _SUBJECTS.items():
        own = [each for each in OPERATIONS.values() if _module(each) == module]
        yield f"## {title}\n\n"
        for operation in own:
            yield from _described(operation)


def _described(operation: Operation[Any, Any]) -> Iterator[str]:
    doc = inspect.cleandoc(operation.__doc__ or "")
    summary, _, rest = doc.partition("\nArgs:\n")
    _, _, example = rest.partition("\nExample:\n")
    yield f"### {operation.name}\n\n{_flowing(summary)}\n\n"
    meant = {name: meaning.replace("|", "\\|") for name, meaning in meanings(doc).items()}
    yield "| parameter | default | meaning |\n|---|---|---|\n"
    for name, parameter in operation.signature.parameters.items():
        if name in DEFAULTS and name not in meant:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            yield f"| `**{name}` | | {meant[f'**{name}']} |\n"
            continue
        default = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        yield f"| `{name}` | {default} | {meant[name]} |\n"
    yield f"\n{inspect.cleandoc(example).replace('```python', '```py')}\n\n"


def _tools() -> Iterator[str]:
    yield "## The vector tools\n\n"
    yield "What `run_vector_tool` takes. The first input is its parameter `layer`.\n\n"
    yield "| tool | parameters |\n|---|---|\n"
    for name, parameters in VECTOR_TOOLS.items():
        listed = ", ".join(f"`{each.name}` ({each.meaning})" for each in parameters)
        yield f"| `{name}` | {listed} |\n"


def _flowing(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())


def _output(operation: Operation[Any, Any]) -> str:
    if operation.output == "asset":
        return " or ".join(kind.value for kind in operation.kinds)
    return "the remote task" if operation.output == "task" else "the remote tasks"


def _module(operation: Operation[Any, Any]) -> str:
    return str(operation.describe.__module__).rpartition(".")[2]


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
