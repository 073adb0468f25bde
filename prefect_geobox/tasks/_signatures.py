"""The signatures of steps: arguments that do not fit raise errors of this package, which name them.

Prefect binds by the signature, before a task run begins; Python's own error names one parameter
and, with an argument forgotten, often the wrong one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import refuse_coroutine
from prefect_geobox.client.operations._inputs import ByName
from prefect_geobox.client.operations._signature_errors import argument_error
from prefect_geobox.credentials import GeoboxCredentials

F = TypeVar("F", bound=Callable[..., Any])

#: What is given to steps in other places, and is no account. Futures and mocks may be one.
_OTHER_ARGUMENTS: Final = (str, os.PathLike, UUID, OutputAsset, RemoteTask, ByName, int)


class StepSignature(inspect.Signature):
    """The signature of a step.

    Attributes:
        step_name: The name of the step.
        doc: Its docstring, which describes the parameters.
    """

    step_name: str = "this step"
    doc: str | None = None

    def bind(self, /, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """Binds arguments to the parameters.

        Raises:
            InvalidArgumentError: They do not fit; the message names what is missing or unknown.
        """
        first = kwargs.get("credentials", args[0] if args else None)
        # A coroutine may be in the place of anything, so it is looked for first.
        for name, value in [*zip(self.parameters, args, strict=False), *kwargs.items()]:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                refuse_coroutine(name, each)
        if isinstance(first, _OTHER_ARGUMENTS):
            raise credentials_error(first, self.step_name)
        try:
            return super().bind(*args, **kwargs)
        except TypeError:
            raise argument_error(self.step_name, self, self.doc, len(args), kwargs) from None


def with_argument_errors(function: F) -> F:
    """Makes arguments that do not fit a step raise errors that name them.

    Args:
        function: The function of the step, beneath `@task`. An async twin is defined after its sync
            one, whose docstring describes the parameters of both.
    """
    twin = getattr(function, "__globals__", {}).get(function.__name__[1:])
    described = twin if inspect.iscoroutinefunction(function) and twin else function
    return with_signature_errors(function, described.__doc__)


def with_signature_errors(function: F, doc: str | None) -> F:
    """As `with_argument_errors`, with a docstring of its own that describes the parameters.

    Args:
        function: The function of the step.
        doc: The docstring.
    """
    found = inspect.signature(function)
    signature = StepSignature(
        list(found.parameters.values()), return_annotation=found.return_annotation
    )
    signature.step_name, signature.doc = function.__name__, doc
    vars(function)["__signature__"] = signature
    return function


def checked_credentials(given: GeoboxCredentials) -> GeoboxCredentials:
    """The account of a step.

    Raises:
        InvalidArgumentError: It is something else, such as an argument after a forgotten account.
    """
    refuse_coroutine("credentials", given)
    if not hasattr(given, "get_async_client"):
        raise credentials_error(given)
    return given


def credentials_error(given: object, step: str | None = None) -> InvalidArgumentError:
    """The error for something else in the place of the account.

    Args:
        given: What was given.
        step: The step that it was given to.
    """
    hint = "GeoboxCredentials.load(…) returns one that was saved."
    if isinstance(given, str):
        shown = repr(given[:80])
        hint = f"If that is the name of a saved block, pass GeoboxCredentials.load({shown})."
    else:
        shown = f"an object of type {type(given).__name__}"
    begin = f"{step}: credentials" if step else "credentials"
    return InvalidArgumentError(
        f"{begin} must be a GeoboxCredentials block, given first; got {shown}. {hint}"
    )
