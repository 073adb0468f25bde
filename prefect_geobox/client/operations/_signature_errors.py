"""Errors for arguments that do not fit the signature of an operation, in its own words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._validation import unknown


def argument_error(
    name: str, signature: inspect.Signature, doc: str | None, count: int, given: Collection[str]
) -> InvalidArgumentError:
    """The error for arguments that a signature does not take.

    Args:
        name: The name of the operation.
        signature: Its parameters.
        doc: Its docstring, which describes them.
        count: The number of positional arguments.
        given: The names of the keyword arguments.
    """
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    for argument in given:
        if argument not in signature.parameters and not takes_any:
            return unknown(name, argument, signature.parameters)
    positional = [
        each.name
        for each in signature.parameters.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    if count > len(positional):
        rest = ", ".join(option for option in signature.parameters if option not in positional)
        return InvalidArgumentError(
            f"{name} takes {', '.join(positional)} by their place, and the others by name: {rest}; "
            f"got {count} arguments"
        )
    for argument in given:
        if argument in positional[:count]:
            return InvalidArgumentError(f"{name}: {argument} is given twice")
    meant = meanings(doc)
    missing = [
        f"{each.name} ({_kind(each)}): {meant.get(each.name, '')}".rstrip(": ")
        for each in signature.parameters.values()
        if each.default is each.empty
        and each.kind is not each.VAR_KEYWORD
        and each.name not in {*positional[:count], *given}
    ]
    return InvalidArgumentError(f"{name} needs {'; '.join(missing)}")


def meanings(doc: str | None) -> Mapping[str, str]:
    """The descriptions of parameters in the section `Args` of a docstring, on one line each."""
    _, _, rest = inspect.cleandoc(doc or "").partition("\nArgs:\n")
    arguments = rest.partition("\n\n")[0]
    parts = re.split(r"^ {4}(\**\w+): ", arguments, flags=re.MULTILINE)[1:]
    return {
        name: re.sub(r"\s*\n\s*", " ", text.strip())
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _kind(parameter: inspect.Parameter) -> str:
    plain = re.sub(r" \| (Any|Enum|HasName)\b", "", str(parameter.annotation))
    plain = plain.replace("os.PathLike[str]", "Path")
    return re.sub(r"\b([A-Z]\w+)Like\b", lambda found: found[1].lower(), plain)
