"""The request that starts a remote task, before and after its inputs are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prefect_geobox.client.model.text import printable
from prefect_geobox.client.operations._inputs import Input

#: Makes the body after all inputs were read.
Finish = Callable[["Request"], Mapping[str, Any]]

#: Makes sentences for the log after all inputs were read.
Remarks = Callable[["Request"], Sequence[str]]


@dataclass(frozen=True, slots=True)
class IsView:
    """In a body: whether an input is a view, which may be known only once it was looked up.

    Attributes:
        name: The name of the input.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Request:
    """What starts a remote task.

    `path`, `what` and the values of the body may refer to inputs: `{layer}` in the path is replaced
    by the path of the input `layer`, in `what` by its name; an `Input` in the body is sent as its
    uuid, an `IsView` as True or False.

    Attributes:
        what: The purpose, in the imperative: `Export {layer} as roads.gpkg`.
        path: Below the base URL.
        inputs: The inputs of the operation, by the names of their parameters.
        method: The HTTP method.
        form: A form body. None is left out.
        json: A JSON body.
        params: The query.
        name: The name that its output will have, as far as that is known.
        secrets: Fields of the body that are kept nowhere.
        finish: Makes the body of the request where that needs more than its inputs' uuids.
        task_names: The names that such remote tasks have, as far as they are known.
        is_temporary: Whether it asks for a temporary output itself.
        publish_as: The name under which the file that it makes is published afterwards.
        remarks: Makes the sentences that say what the arguments leave open or cannot change.
    """

    what: str
    path: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    method: str = "POST"
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    params: Sequence[tuple[str, Any]] = ()
    name: str | None = None
    secrets: frozenset[str] = frozenset()
    finish: Finish | None = field(default=None, repr=False)
    task_names: Sequence[str] = ()
    is_temporary: bool = False
    publish_as: str | None = None
    remarks: Remarks | None = field(default=None, repr=False)

    def with_inputs(self, inputs: Mapping[str, Input]) -> Request:
        """The same with inputs that were looked up."""
        return replace(self, inputs=inputs)

    @property
    def title(self) -> str:
        """The purpose, with the names of its inputs, on one line of bounded length."""
        names = {name: ref.label for name, ref in self.inputs.items()}
        return printable(self.what.format_map(names), 300)

    @property
    def wire_path(self) -> str:
        """The path with its inputs in place."""
        return self.path.format_map({name: ref.path for name, ref in self.inputs.items()})

    @property
    def wire_form(self) -> dict[str, Any] | None:
        """The form that is sent."""
        if self.form is None:
            return None
        found: dict[str, Any] = self._sent(self.form if self.finish is None else self.finish(self))
        return found

    @property
    def wire_json(self) -> Any:
        """The JSON that is sent."""
        if self.json is None:
            return None
        return self._sent(self.json if self.finish is None else self.finish(self))

    @property
    def wire_params(self) -> list[tuple[str, str]]:
        """The query that is sent."""
        return [(name, self._sent(value)) for name, value in self.params]

    @property
    def identity(self) -> dict[str, Any]:
        """The values by which it differs from other requests; JSON values, no secret."""
        return {
            "path": self.wire_path,
            "params": [list(pair) for pair in self.wire_params],
            "inputs": {name: ref.uuid for name, ref in self.inputs.items()},
            "body": self._sent(self._open_body()),
        }

    @property
    def description(self) -> str:
        """Its title and parameters for messages, without secrets, of bounded length."""
        body = self._open_body()
        if not isinstance(body, Mapping):
            shown = "" if body is None else _brief(body)
        else:
            given = [f"{key}={_brief(value)}" for key, value in body.items() if value is not None]
            shown = printable(", ".join(given), 800)
        return f"{self.title} ({shown})" if shown else self.title

    def _open_body(self) -> Any:
        """The body without secrets."""
        given = self.json if self.form is None else self.form
        if not isinstance(given, Mapping):
            return given
        return {
            key: self._sent(value) if isinstance(value, IsView) else value
            for key, value in given.items()
            if key not in self.secrets
        }

    def _sent(self, value: Any) -> Any:
        if isinstance(value, Input):
            # The caller's own argument may since have been looked up.
            return self.inputs.get(value.field, value).uuid
        if isinstance(value, IsView):
            return self.inputs[value.name].is_view
        if isinstance(value, Mapping):
            return {key: self._sent(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._sent(item) for item in value]
        return value


def literally(text: str) -> str:
    """A text as a part of `Request.what` that refers to no input."""
    return text.replace("{", "{{").replace("}", "}}")


def without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON body of only what has a value."""
    return {key: value for key, value in given.items() if value is not None}


def _brief(value: Any) -> str:
    if not isinstance(value, (str, Input)):
        return printable(json.dumps(value, default=_label), 80)
    return printable(_label(value), 80)


def _label(value: Any) -> str:
    return value.label if isinstance(value, Input) else str(value)
