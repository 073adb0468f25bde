"""Options that several methods share: declared once in a `TypedDict`, shown flat by `help()`."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def flat_signature(options: type, defaults: Mapping[str, object]) -> Callable[[T], T]:
    """Shows the options behind `**name: Unpack[options]` one by one.

    The signature lists each option as a keyword with its default, in front of the other keywords,
    and the docstring has the text of the `TypedDict` in place of its line on `**name`. Prefect
    binds the arguments of a task by the signature, so that it records each option by its name. The
    call itself stays as it is: whatever takes the options checks them with `complete_options`.

    Args:
        options: The `TypedDict`. Its docstring has a section `Attributes`.
        defaults: The default of each option, in the order in which they are shown.
    """

    def decorate(target: T) -> T:
        is_class = isinstance(target, type)
        function: Any = inspect.getattr_static(target, "__init__") if is_class else target
        signature = inspect.signature(function)
        parameters = signature.parameters.values()
        vars(function)["__signature__"] = signature.replace(
            parameters=[
                *(each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD),
                *option_parameters(options, defaults),
                *(each for each in parameters if each.kind is each.KEYWORD_ONLY),
            ]
        )
        target.__doc__ = _with_options(target.__doc__, options)
        return target

    return decorate


def complete_options(defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, Any]:
    """The options that were given, and the defaults of the others, in the order of the defaults.

    Raises:
        TypeError: There is no such option; the message names it, and one that is spelled alike.
    """
    for name in given:
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(defaults)}"
            raise TypeError(f"got an unexpected keyword argument {name!r}; {hint}")
    return {**defaults, **given}


def option_parameters(options: type, defaults: Mapping[str, object]) -> list[inspect.Parameter]:
    """Options as keyword-only parameters of a signature.

    Args:
        options: The `TypedDict`.
        defaults: The names of the options, with their defaults.
    """
    annotations = options.__annotations__
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            # As written, like all other annotations of a module that does not evaluate them.
            annotation=getattr(annotations[name], "__forward_arg__", annotations[name]),
        )
        for name, default in defaults.items()
    ]


def _with_options(doc: str | None, options: type) -> str | None:
    """A docstring with the text of the options in place of its line on `**name`."""
    if doc is None:
        return None
    _, _, listing = inspect.cleandoc(options.__doc__ or "").partition("Attributes:\n")
    return re.sub(
        r"^    \*\*\w+: .*(?:\n {8}.*)*",
        lambda _: listing.rstrip(),
        inspect.cleandoc(doc),
        flags=re.MULTILINE,
    )
