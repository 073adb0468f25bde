"""What is wrong with the arguments of an operation, told in its own words."""

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
        name: What the operation is called.
        signature: Its parameters.
        doc: Its docstring, which tells what they mean.
        count: How many arguments came by their place.
        given: The names of those that came by name.
    """
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    for argument in given:
        if argument not in signature.parameters and not takes_any:
            return unknown(name, argument, signature.parameters)
    placed = [
        each.name
        for each in signature.parameters.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    if count > len(placed):
        rest = ", ".join(option for option in signature.parameters if option not in placed)
        return InvalidArgumentError(
            f"{name} takes {', '.join(placed)} by their place, and the others by name: {rest}; "
            f"got {count} arguments"
        )
    for argument in given:
        if argument in placed[:count]:
            return InvalidArgumentError(f"{name}: {argument} is given twice")
    meant = meanings(doc)
    missing = [
        f"{each.name} ({_kind(each)}): {meant.get(each.name, '')}".rstrip(": ")
        for each in signature.parameters.values()
        if each.default is each.empty
        and each.kind is not each.VAR_KEYWORD
        and each.name not in {*placed[:count], *given}
    ]
    return InvalidArgumentError(f"{name} needs {'; '.join(missing)}")


def meanings(doc: str | None) -> Mapping[str, str]:
    """What the section `Args` of a docstring says of each parameter, on one line each."""
    _, _, rest = inspect.cleandoc(doc or "").partition("\nArgs:\n")
    arguments = rest.partition("\n\n")[0]
    parts = re.split(r"^ {4}(\**\w+): ", arguments, flags=re.MULTILINE)[1:]
    return {
        name: re.sub(r"\s*\n\s*", " ", text.strip())
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _kind(parameter: inspect.Parameter) -> str:
    plain = re.sub(r" \| (Any|Enum|HasName)\b", "", str(parameter.annotation))
    return re.sub(r"\b([A-Z]\w+)Like\b", lambda found: found[1].lower(), plain)
