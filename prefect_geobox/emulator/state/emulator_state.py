"""The state of an emulator, which outlives a restart of its server."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from starlette.responses import JSONResponse

from prefect_geobox.emulator.faults.middleware import FaultControl
from prefect_geobox.emulator.http.recording import InFlight
from prefect_geobox.emulator.state.import_sources import Sources
from prefect_geobox.emulator.state.map_compositions import Compositions
from prefect_geobox.emulator.state.remote_tasks import EmulatedTask, RemoteTasks, Work
from prefect_geobox.emulator.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from prefect_geobox.emulator.http.access import Access
    from prefect_geobox.emulator.http.recording import RecordedRequest

# With this many features a task takes twice as long as without any.
_FEATURES_FOR_DOUBLE_TIME = 5000

# Limits the memory of an emulator that runs for long.
_REQUESTS_KEPT = 200_000

Item = TypeVar("Item")

TaskIdKind = Literal["uuid", "id"]
CountShape = Literal["int", "object"]


@dataclass
class EmulatorState:
    """The state of an emulator.

    Attributes:
        access: The credentials.
        seconds: The least duration of a remote task.
        task_id_kind: Which identifier the answer to a start has as `task_id`. Which one the API
            uses is not known; its clients accept both.
        count_shape: Whether a count is a plain number or `{"count": …}`. Both occur.
        sources: The sources of imports from other servers and databases.
        requests: The last requests.
        in_flight: The number of simultaneous requests.
        faults: The fault plan.
        store: The assets.
        compositions: The maps, tilesets and mosaics.
        caches: The tasks that seeded or updated the cache of an asset, by its uuid.
        tasks: The remote tasks.
    """

    access: Access
    seconds: float
    task_id_kind: TaskIdKind
    count_shape: CountShape
    sources: Sources = field(default_factory=lambda: Sources({}))
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))
    in_flight: InFlight = field(default_factory=InFlight)
    faults: FaultControl = field(default_factory=FaultControl)
    store: Store = field(default_factory=Store)
    compositions: Compositions = field(default_factory=Compositions)
    caches: dict[str, list[EmulatedTask]] = field(default_factory=dict)
    tasks: RemoteTasks = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = RemoteTasks(self.store.add)

    def start(self, name: str, work: Work, features: int = 0) -> dict[str, str | int]:
        """Starts a remote task.

        Returns:
            The answer to the request that asked for it.
        """
        seconds = self.seconds * (1 + features / _FEATURES_FOR_DOUBLE_TIME)
        task = self.tasks.start(name, seconds, work, units=features or 100)
        return {"task_id": self.task_id(task)}

    def task_id(self, task: EmulatedTask) -> str | int:
        """The identifier of a task in the answer to a start."""
        return task.id if self.task_id_kind == "id" else task.uuid

    def list_response(
        self, found: list[Item] | int, describe: Callable[[Item], Any]
    ) -> JSONResponse:
        """The answer to a request for a list.

        Args:
            found: The items, or their number if only that is wanted.
            describe: An item as the API describes it.
        """
        if isinstance(found, int):
            return JSONResponse(self.count(found))
        return JSONResponse([describe(item) for item in found])

    def count(self, number: int) -> int | dict[str, int]:
        """The answer to a request for a count."""
        return {"count": number} if self.count_shape == "object" else number


def state_of(request: Request) -> EmulatorState:
    """The state of the emulator that received a request, with all tasks up to date."""
    state: EmulatorState = request.app.state.emulator
    state.tasks.finish_due()
    return state
