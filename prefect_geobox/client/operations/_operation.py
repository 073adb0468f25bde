"""Operations: descriptions of what starts a remote task, and the register of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any, Final, Generic, Literal, ParamSpec, TypeVar

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.options import option_parameters
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.validation import refuse_coroutine
from prefect_geobox.client.operations._annotations import checks_of, plain_annotation
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._signature_errors import argument_error
from prefect_geobox.client.operations._validation import Check, flag, unknown
from prefect_geobox.client.polling.policy import WAIT_DEFAULTS, WaitOptions, WaitPolicy

P = ParamSpec("P")
R = TypeVar("R")
Next = TypeVar("Next")
M = TypeVar("M", bound=Callable[..., Any])

Output = Literal["asset", "task", "tasks"]


class Evidence(str, Enum):
    """How it is known what an operation sends and what its output is."""

    CONFIRMED = "output confirmed by the SDK's tests"
    DOCUMENTED = "output named by the SDK's documentation"
    INFERRED = "output inferred"

    def __str__(self) -> str:
        return self.value


class LayerOptions(WaitOptions, total=False):
    """How to wait for a remote task whose output is a layer or a raster.

    Attributes:
        temporary: Whether the output is temporary: Geobox deletes it after a day. False by default.
    """

    temporary: bool


#: The options of an operation where none are given.
DEFAULTS: Final[Mapping[str, Any]] = {
    **WAIT_DEFAULTS,
    # What an operation has started itself, it does not leave running.
    "on_timeout": "abort",
    "temporary": False,
}

#: The options that make a `WaitPolicy`.
_POLICY_OPTIONS: Final = tuple(
    name for name in DEFAULTS if name not in ("progress_bar", "temporary")
)

_KINDS_THAT_CAN_BE_TEMPORARY: Final = (AssetKind.VECTOR, AssetKind.RASTER)


@dataclass(frozen=True)
class BoundOperation(Generic[R]):
    """An operation with its parameters and with how to wait for it.

    Attributes:
        operation: The operation.
        parameters: Its parameters by name, checked, in the form in which they are sent; inputs as
            `Input`.
        wait: How to wait for the remote task.
        progress_bar: Whether to read the progress too and show it.
        temporary: Whether the output is made temporary.
    """

    operation: Operation[..., R]
    parameters: Mapping[str, Any] = field(repr=False)
    wait: WaitPolicy
    progress_bar: bool = True
    temporary: bool = False

    def request(self) -> Request:
        """The request that starts it, its inputs not yet looked up. Sends nothing.

        Raises:
            InvalidArgumentError: The parameters do not go together; the message names them.
        """
        describe: Callable[..., Request] = self.operation.describe
        return describe(**self.parameters)

    def then(self, operation: Operation[..., Next], *args: Any) -> BoundOperation[Next]:
        """Another operation, to be waited for in the same way.

        Args:
            operation: The operation.
            *args: Its parameters.
        """
        return replace(
            operation.bind(args, {}),
            wait=self.wait,
            progress_bar=self.progress_bar,
            temporary=self.temporary,
        )


class Operation(Generic[P, R]):
    """One kind of remote task: how it is started, and what its output is.

    Made by the decorators `creates_asset`, `edits_asset` and `seeds_cache`.

    Attributes:
        name: Its name.
        describe: Makes the request of the parameters. Sends nothing.
        endpoint: Where it is started, for people.
        sdk: The method, or for several the class, of the official SDK that sends the same.
        output: What is returned: an asset, or the remote task or remote tasks themselves.
        kinds: The kinds of asset that it can make.
        evidence: How that is known.
    """

    def __init__(
        self,
        describe: Callable[P, Request],
        endpoint: str,
        *,
        sdk: str,
        output: Output,
        kinds: tuple[AssetKind, ...] = (),
        evidence: Evidence,
    ) -> None:
        self.name: str = describe.__name__
        self.describe = describe
        self.endpoint = endpoint
        self.sdk = sdk
        self.output: Output = output
        self.kinds = kinds
        self.evidence = evidence
        self.__doc__ = describe.__doc__
        self.__name__ = self.name
        OPERATIONS[self.name] = self

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # There is one of each in a process; copies would be missing in the register.
        return _registered, (self.name,)

    @property
    def slug(self) -> str:
        """The name with hyphens."""
        return self.name.replace("_", "-")

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it takes."""
        has_temporary = any(kind in _KINDS_THAT_CAN_BE_TEMPORARY for kind in self.kinds)
        return tuple(name for name in DEFAULTS if has_temporary or name != "temporary")

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundOperation[R]:
        """Binds the operation to its parameters and options. Sends nothing.

        Args:
            args: Its parameters.
            kwargs: Its parameters and options by name.

        Raises:
            InvalidArgumentError: One is missing, unknown or invalid; the message names it.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            raise argument_error(
                self.name, self.signature, self.__doc__, len(args), kwargs
            ) from None
        for name, value in bound.arguments.items():
            refuse_coroutine(name, value)
        bound.apply_defaults()
        given = bound.arguments
        for name, check in self._checks.items():
            given[name] = check(name, given[name])
        for parameter in self.signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name)
        wait = wait_policy({name: given.pop(name) for name in _POLICY_OPTIONS})
        progress_bar = given.pop("progress_bar")
        return BoundOperation(self, given, wait, progress_bar, given.get("temporary", False))

    @cached_property
    def _checks(self) -> dict[str, Check]:
        """The checks of the parameters, read from their annotations once."""
        found = checks_of(self.describe)
        return {**found, "temporary": flag} if "temporary" in self.options else found

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature with its options as parameters of their own."""
        parameters: list[inspect.Parameter] = []
        last: list[inspect.Parameter] = []
        for parameter in inspect.signature(self.describe).parameters.values():
            if parameter.kind is not parameter.VAR_KEYWORD:
                annotation = plain_annotation(self.describe, parameter.annotation)
                parameters.append(parameter.replace(annotation=annotation))
            elif "Unpack[" not in str(parameter.annotation):
                last.append(parameter)
        own = {parameter.name for parameter in parameters}
        parameters += option_parameters(
            LayerOptions,
            {name: DEFAULTS[name] for name in self.options if name not in own},
        )
        return inspect.Signature([*parameters, *last])


def wait_policy(options: Mapping[str, Any]) -> WaitPolicy:
    """How to wait for the remote task of an operation.

    Args:
        options: Some of `WaitOptions`; the others have the defaults of operations.

    Raises:
        InvalidArgumentError: One is invalid; the message names it.
    """
    return WaitPolicy.of(**{name: options.get(name, DEFAULTS[name]) for name in _POLICY_OPTIONS})


def with_parameters_of(operation: Operation[..., Any]) -> Callable[[M], M]:
    """Gives a method the signature of an operation, for `help()`, with its own keywords last.

    Args:
        operation: The operation that the method carries out.
    """

    def sign(method: M) -> M:
        signature = inspect.signature(method)
        first, *others = signature.parameters.values()
        own = [each for each in others if each.kind is each.KEYWORD_ONLY]
        parameters = [first, *operation.signature.parameters.values(), *own]
        method.__dict__["__signature__"] = signature.replace(parameters=parameters)
        return method

    return sign


#: All operations by name, in the order in which they are defined.
OPERATIONS: dict[str, Operation[Any, Any]] = {}


def to_operation(given: Operation[..., Any] | str) -> Operation[..., Any]:
    """An operation, given so or by its name.

    Raises:
        InvalidArgumentError: There is no such operation.
    """
    if isinstance(given, Operation):
        return given
    if not isinstance(given, str):
        raise InvalidArgumentError(
            "operation must be one of prefect_geobox.client.operations, such as "
            "operations.export_features, or its name; got an object of type "
            f"{type(given).__name__}"
        )
    if given not in OPERATIONS:
        raise unknown("operation", given, OPERATIONS)
    return OPERATIONS[given]


def refuse_wait_options(given: Mapping[str, Any]) -> None:
    """Refuses options of waits, where an operation is only started.

    Args:
        given: The arguments by name.

    Raises:
        InvalidArgumentError: One of them is given.
    """
    for name, default in DEFAULTS.items():
        if given.get(name, default) != default:
            raise InvalidArgumentError(
                f"{name} cannot be given here: this starts and does not wait"
            )


def _registered(name: str) -> Operation[Any, Any]:
    return OPERATIONS[name]


def creates_asset(
    *kinds: AssetKind,
    endpoint: str,
    sdk: str,
    evidence: Evidence = Evidence.INFERRED,
) -> Callable[[Callable[P, Request]], Operation[P, OutputAsset]]:
    """Registers an operation that makes an asset.

    Args:
        *kinds: What it can make.
        endpoint: Where it is started.
        sdk: The method of the official SDK that sends the same.
        evidence: How it is known that it makes that.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, OutputAsset]:
        return Operation(
            describe, endpoint, sdk=sdk, output="asset", kinds=kinds, evidence=evidence
        )

    return register


def edits_asset(
    *, endpoint: str, sdk: str = ""
) -> Callable[[Callable[P, Request]], Operation[P, RemoteTask]]:
    """Registers an operation that changes what exists, and makes nothing.

    Args:
        endpoint: Where it is started.
        sdk: The method of the official SDK that sends the same.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, RemoteTask]:
        return Operation(describe, endpoint, sdk=sdk, output="task", evidence=Evidence.INFERRED)

    return register


def seeds_cache(
    *, endpoint: str, sdk: str = ""
) -> Callable[[Callable[P, Request]], Operation[P, list[RemoteTask]]]:
    """Registers an operation on a cache, which may start several remote tasks.

    Args:
        endpoint: Where it is started.
        sdk: The method of the official SDK that sends the same.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, list[RemoteTask]]:
        return Operation(describe, endpoint, sdk=sdk, output="tasks", evidence=Evidence.CONFIRMED)

    return register
