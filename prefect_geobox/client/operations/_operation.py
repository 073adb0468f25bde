"""Operations: descriptions of what starts a remote task, and the register of them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Generic, Literal, ParamSpec, TypeVar

from typing_extensions import TypedDict

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.operations._request import Request
from prefect_geobox.client.operations._signature_errors import argument_error
from prefect_geobox.client.polling.policy import Action

P = ParamSpec("P")
R = TypeVar("R")

Output = Literal["asset", "task", "tasks"]


class Evidence(str, Enum):
    """How it is known what an operation sends and what comes of it."""

    CONFIRMED = "output confirmed by the SDK's tests"
    DOCUMENTED = "output named by the SDK's documentation"
    INFERRED = "output inferred"

    def __str__(self) -> str:
        return self.value


class StepOptions(TypedDict, total=False):
    """How a step waits for the remote task that it starts, and owns it.

    Attributes:
        timeout: Seconds from now until the wait gives up; None, the default, for no limit.
        interval: The shortest pause between looks, in seconds; above 0; 1 by default.
        max_interval: The longest pause, in seconds; above 0; 30 by default.
        outage: Seconds of unbroken failure that are borne; 300 by default.
        retry: Instead of `outage`: the number of attempts that may fail in a row.
        progress_bar: Whether to read the progress too and show it; True by default.
        on_cancel: "abort", the default, or "leave" the remote task when the step is cancelled.
        on_timeout: "abort", the default, or "leave" it when the time is up.
        key: Tells apart steps with equal arguments that a retry could mix up. Steps only.
        on_gone: "resubmit" or, by default, "fail" where a retry finds that its remote task is no
            longer there. Steps only.
        reattach: "run", the default, or "deployment": whose earlier attempts to look for. Steps
            only.
    """

    timeout: float | None
    interval: float
    max_interval: float
    outage: float
    retry: int | None
    progress_bar: bool
    on_cancel: Action
    on_timeout: Action
    key: str | None
    on_gone: Literal["resubmit", "fail"]
    reattach: Literal["run", "deployment"]


class LayerOptions(StepOptions, total=False):
    """Those of a step whose output is a layer or a raster.

    Attributes:
        temporary: Whether the output is temporary: Geobox deletes it after a day. False by default.
    """

    temporary: bool


#: What the options are where nothing is said.
DEFAULTS: Final[Mapping[str, Any]] = {
    "timeout": None,
    "interval": 1.0,
    "max_interval": 30.0,
    "outage": 300.0,
    "retry": None,
    "progress_bar": True,
    "on_cancel": "abort",
    "on_timeout": "abort",
    "key": None,
    "on_gone": "fail",
    "reattach": "run",
    "temporary": False,
}

_KINDS_THAT_CAN_BE_TEMPORARY: Final = (AssetKind.VECTOR, AssetKind.RASTER)


class Operation(Generic[P, R]):
    """One kind of remote task: how it is started, and what comes of it.

    Made by the decorators `makes`, `changes` and `fills`.

    Attributes:
        name: Its name, as of the step.
        describe: Checks the parameters and makes the request. Sends nothing.
        endpoint: Where it is started, for people.
        row: Which rows of the API's table of starts it covers.
        output: What comes of it: an asset, or the remote task or remote tasks themselves.
        kinds: The kinds of asset that it can make.
        evidence: How that is known.
        label: The parameter that names a run of it.
        brief: What names a run of it begin with.
        done: What has been done to its output, as a participle.
    """

    def __init__(
        self,
        describe: Callable[P, Request],
        endpoint: str,
        *,
        row: int | tuple[int, ...],
        output: Output,
        kinds: tuple[AssetKind, ...] = (),
        evidence: Evidence,
        label: str | None,
        brief: str | None,
        done: str = "made",
    ) -> None:
        self.name: str = describe.__name__
        self.describe = describe
        self.endpoint = endpoint
        self.rows = row if isinstance(row, tuple) else (row,)
        self.output: Output = output
        self.kinds = kinds
        self.evidence = evidence
        self.label = label
        self.brief = brief or self.slug
        self.done = done
        self.signature = self._flat_signature(describe)
        self.__doc__ = describe.__doc__
        self.__name__ = self.name
        OPERATIONS[self.name] = self

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # There is one of each in a process; copies would miss in the register.
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

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name, with the defaults of those left out.

        Raises:
            InvalidArgumentError: One is missing, or there is none of that name.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            raise argument_error(
                self.name, self.signature, self.__doc__, len(args), kwargs
            ) from None
        bound.apply_defaults()
        return bound.arguments

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """The request that starts it, its inputs not yet looked up.

        Args:
            arguments: As `bind` returns them.

        Raises:
            InvalidArgumentError: A parameter makes no sense; the message names it.
        """
        given = dict(arguments)
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                # Its own keywords are not options: it is told only of options that it names.
                own = inspect.signature(self.describe).parameters
                given = {key: value for key, value in given.items() if key in own}
                given |= given.pop(name)
        # What the signature checks is what the description declares.
        describe: Callable[..., Request] = self.describe
        return describe(**given)

    def _flat_signature(self, describe: Callable[..., Any]) -> inspect.Signature:
        """The signature of a description with its options spelled out."""
        parameters: list[inspect.Parameter] = []
        last: list[inspect.Parameter] = []
        for parameter in inspect.signature(describe).parameters.values():
            if parameter.kind is not parameter.VAR_KEYWORD:
                parameters.append(parameter)
            elif "Unpack[" not in str(parameter.annotation):
                last.append(parameter)
        annotations = {**StepOptions.__annotations__, **LayerOptions.__annotations__}
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=DEFAULTS[name],
                annotation=getattr(annotations[name], "__forward_arg__", annotations[name]),
            )
            for name in self.options
            if name not in {parameter.name for parameter in parameters}
        ]
        return inspect.Signature([*parameters, *last])


#: All operations by name, in the order in which they are defined.
OPERATIONS: dict[str, Operation[Any, Any]] = {}


def _registered(name: str) -> Operation[Any, Any]:
    return OPERATIONS[name]


def creates_asset(
    *kinds: AssetKind,
    endpoint: str,
    row: int | tuple[int, ...],
    evidence: Evidence = Evidence.INFERRED,
    label: str | None = None,
    brief: str | None = None,
    done: str = "made",
) -> Callable[[Callable[P, Request]], Operation[P, OutputAsset]]:
    """Registers an operation that makes an asset.

    Args:
        *kinds: What it can make.
        endpoint: Where it is started.
        row: Which rows of the API's table of starts it covers.
        evidence: How it is known that it makes that.
        label: The parameter that names a run of it.
        brief: What such a name begins with; the operation's own by default.
        done: What has been done to its output, as a participle.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, OutputAsset]:
        return Operation(
            describe,
            endpoint,
            row=row,
            output="asset",
            kinds=kinds,
            evidence=evidence,
            label=label,
            brief=brief,
            done=done,
        )

    return register


def edits_asset(
    *, endpoint: str, row: int | tuple[int, ...], label: str | None = None
) -> Callable[[Callable[P, Request]], Operation[P, RemoteTask]]:
    """Registers an operation that changes what is there, and makes nothing.

    Args:
        endpoint: Where it is started.
        row: Which rows of the API's table of starts it covers.
        label: The parameter that names a run of it.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, RemoteTask]:
        return Operation(
            describe,
            endpoint,
            row=row,
            output="task",
            evidence=Evidence.INFERRED,
            label=label,
            brief=None,
        )

    return register


def seeds_cache(
    *, endpoint: str, row: int | tuple[int, ...], label: str | None = None
) -> Callable[[Callable[P, Request]], Operation[P, list[RemoteTask]]]:
    """Registers an operation on a cache, which may start several remote tasks.

    Args:
        endpoint: Where it is started.
        row: Which rows of the API's table of starts it covers.
        label: The parameter that names a run of it.
    """

    def register(describe: Callable[P, Request]) -> Operation[P, list[RemoteTask]]:
        return Operation(
            describe,
            endpoint,
            row=row,
            output="tasks",
            evidence=Evidence.CONFIRMED,
            label=label,
            brief=None,
        )

    return register
