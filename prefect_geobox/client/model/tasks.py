"""Remote tasks and their progress, as the API describes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError, computed_field

from prefect_geobox.client.model.assets import AssetKind, TaskOutput
from prefect_geobox.client.model.base import FrozenModel
from prefect_geobox.client.model.errors import InvalidResponseError
from prefect_geobox.client.model.text import (
    error_text,
    is_identifier,
    is_too_deep,
    json_type_name,
    printable,
)


class TaskState(str, Enum):
    """The state of a remote task.

    `UNKNOWN` is used for a state name that this version does not know; it is not final, and
    `RemoteTask.state_text` keeps the name as the server sent it.
    """

    PENDING = "PENDING"
    PROGRESS = "PROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"

    def __str__(self) -> str:
        return self.value

    @property
    def is_final(self) -> bool:
        """Whether a remote task in this state has ended for good."""
        return self in (TaskState.SUCCESS, TaskState.FAILURE, TaskState.ABORTED)


# The key of a task's result that names its output. The order decides where several are present.
_RESULT_KEYS: tuple[tuple[str, AssetKind], ...] = (
    ("layer_uuid", AssetKind.VECTOR),
    ("raster_uuid", AssetKind.RASTER),
    ("model_uuid", AssetKind.MODEL),
    ("file_uuid", AssetKind.FILE),
    ("3dtiles_uuid", AssetKind.TILES3D),
    ("table_uuid", AssetKind.TABLE),
)

_DATETIME: TypeAdapter[datetime] = TypeAdapter(datetime)


class RemoteTask(FrozenModel):
    """One remote task of Geobox, as last seen.

    Attributes:
        uuid: The identifier that every method takes.
        id: The server's own row number; not accepted by the methods.
        name: What it does, such as `import:publish-file-to-vector-layer`; may be empty.
        state: Its state; `UNKNOWN` for a name not known here.
        result: The result that the server stored; any JSON.
        accepted_at: When the server accepted it. Without a time zone where the server sends none.
        started_at: When work began.
        finished_at: When it ended.
        data: The raw object of the API.
        companions: The uuids of other remote tasks that the same request has started, where it was
            this program that sent it; a cache can take two.

    Example:
        >>> task = RemoteTask.from_payload({"uuid": "u1", "state": "SUCCESS",
        ...                                 "result": {"layer_uuid": "l1"}})
        >>> task.succeeded, task.output.kind.value
        (True, 'vector')
    """

    uuid: str
    id: int | str | None = None
    name: str = ""
    state: TaskState = TaskState.UNKNOWN
    result: Any = None
    accepted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    companions: tuple[str, ...] = ()

    @classmethod
    def from_payload(cls, payload: Any) -> RemoteTask:
        """Reads the JSON that the API sends for one remote task.

        Args:
            payload: The decoded JSON value.

        Raises:
            InvalidResponseError: It is not an object, or has no uuid or no state.
        """
        if not isinstance(payload, Mapping):
            raise InvalidResponseError(f"expected a remote task, got {json_type_name(payload)}")
        if is_too_deep(payload):
            raise InvalidResponseError("expected a remote task, got an object nested too deeply")
        uuid, state, name = payload.get("uuid"), payload.get("state"), payload.get("name")
        if not isinstance(uuid, str) or not is_identifier(uuid):
            raise InvalidResponseError("expected a remote task, got an object without a `uuid`")
        if not isinstance(state, str):
            raise InvalidResponseError(
                f"remote task {uuid} came with {json_type_name(state)} where its `state` should be"
            )
        identifier = payload.get("id")
        return cls(
            uuid=uuid,
            id=identifier if type(identifier) in (int, str) else None,
            name=name if isinstance(name, str) else "",
            state=_known_state(state),
            result=payload.get("result"),
            accepted_at=_datetime_or_none(payload.get("accepted_at")),
            started_at=_datetime_or_none(payload.get("started_at")),
            finished_at=_datetime_or_none(payload.get("finished_at")),
            data=dict(payload),
        )

    @classmethod
    def unseen(cls, uuid: str) -> RemoteTask:
        """A placeholder for a remote task whose state has not been read yet."""
        return cls(uuid=uuid)

    @property
    def is_final(self) -> bool:
        """Whether it has ended: SUCCESS, FAILURE or ABORTED."""
        return self.state.is_final

    @property
    def succeeded(self) -> bool:
        """Whether it ended in SUCCESS."""
        return self.state is TaskState.SUCCESS

    @property
    def state_text(self) -> str:
        """The state's name as the server wrote it; differs from `state` only for UNKNOWN."""
        text = self.data.get("state")
        return text if isinstance(text, str) else self.state.value

    @property
    def label(self) -> str:
        """A name for messages: the remote task's name, or its uuid where it has none."""
        return printable(self.name) or self.uuid

    @property
    def errors(self) -> dict[str, Any] | None:
        """The errors as the server reports them, or None.

        A remote task can succeed and still report errors (features left out, for example).
        """
        if isinstance(self.result, dict):
            has_errors = bool(self.result.get("errors")) or bool(self.result.get("detail"))
            return self.result if has_errors else None
        if self.state is TaskState.FAILURE and self.result:
            return {"detail": self.result}
        return None

    @property
    def reason(self) -> str | None:
        """The server's reason in one line, or None where it gave none."""
        errors = self.errors
        if errors is None:
            return None
        detail = errors.get("detail") or errors.get("errors")
        return error_text(detail) if detail else error_text(errors)

    @property
    def output(self) -> TaskOutput | None:
        """The asset that the result names, without a request; None where it names none."""
        if not isinstance(self.result, dict):
            return None
        for key, kind in _RESULT_KEYS:
            uuid = self.result.get(key)
            if isinstance(uuid, str) and is_identifier(uuid):
                return TaskOutput(kind=kind, uuid=uuid)
        return None

    @property
    def seconds(self) -> float | None:
        """How long it ran by the server's clock, from start to end; None while unknown."""
        start, end = self.started_at or self.accepted_at, self.finished_at
        if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
            return None
        return (end - start).total_seconds()

    def __str__(self) -> str:
        return f"{self.label} ({self.uuid}): {printable(self.state_text)}"


class TaskProgress(FrozenModel):
    """The progress of a remote task.

    Attributes:
        current: Units done, or None where the server does not say.
        total: Units in all, or None.

    Example:
        >>> TaskProgress(current=29, total=100).percent
        29
    """

    current: float | None = None
    total: float | None = None

    @classmethod
    def from_payload(cls, payload: Any) -> TaskProgress:
        """Reads the JSON of `GET tasks/{uuid}/status/`.

        Numbers written as text are read as numbers; anything else counts as unknown.

        Raises:
            InvalidResponseError: It is not an object.
        """
        if not isinstance(payload, Mapping):
            raise InvalidResponseError(f"expected a progress, got {json_type_name(payload)}")
        return cls(current=_number(payload.get("current")), total=_number(payload.get("total")))

    @property
    def share(self) -> float | None:
        """How much is done, from 0 to 1; None where the server does not say."""
        if self.current is None or self.total is None or self.total <= 0:
            return None
        return max(0.0, min(self.current / self.total, 1.0))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def percent(self) -> int | None:
        """Whole percent from 0 to 100, rounded down; None where the server does not say."""
        share = self.share
        # 0.29 * 100 is 28.999999999999996: round before the fraction is cut.
        return None if share is None else math.floor(round(share * 100, 9))


def _known_state(text: str) -> TaskState:
    try:
        return TaskState(text)
    except ValueError:
        return TaskState.UNKNOWN


def _datetime_or_none(value: Any) -> datetime | None:
    # Pydantic would read a bare number as a Unix time; the API sends ISO text only.
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        return _DATETIME.validate_python(value)
    except ValidationError:
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
