"""An emulator that says what it was sent, and whose remote tasks end when a test says so."""

from __future__ import annotations

import heapq
import time
from pathlib import Path

from prefect_geobox import GeoboxClient
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.state.remote_tasks import failure


class ObservedGeobox(GeoboxEmulator):
    """An emulator that counts what it was sent and ends its remote tasks on request."""

    def upload(self, path: Path) -> str:
        """Uploads a file, before a flow begins."""
        with GeoboxClient(self.url, apikey=self.apikey) as client:
            return client.upload_file(path).uuid

    def states(self) -> list[str]:
        """The states of all remote tasks, the oldest first."""
        self._state.tasks.finish_due()
        return [task.state for task in self._state.tasks.all()][::-1]

    def remove(self, uuid: str) -> None:
        """Ends and forgets a remote task, as if it had been deleted."""
        self.fail(uuid)
        tasks = self._state.tasks
        del tasks._by_id[str(tasks._tasks.pop(uuid).id)]

    def fail(self, uuid: str) -> None:
        """Has a remote task end in FAILURE now."""
        task = self._state.tasks.find(uuid)
        assert task is not None
        task.outcome = failure("it is broken", "test.Broken")
        task.ended_clock = time.monotonic()

    def succeed(self, uuid: str) -> None:
        """Has a remote task of a settled course end as it would, but now."""
        task = self._state.tasks.find(uuid)
        assert task is not None
        task.ended_clock = time.monotonic()

    def uuids(self) -> list[str]:
        """All remote tasks, the oldest first."""
        return [task.uuid for task in self._state.tasks.all()][::-1]

    def polled(self) -> dict[str, float]:
        """The remote tasks that have been read, and when first."""
        known, first = set(self.uuids()), {}
        for request in self.requests:
            parts = request.path.strip("/").split("/")
            if request.method != "GET" or parts[1:2] != ["tasks"]:
                continue
            named = parts[2:] if len(parts) == 3 else dict(request.query).get("q", "").split("'")
            for uuid in known & set(named):
                first.setdefault(uuid, request.at)
        return first

    def aborts(self) -> list[float]:
        """When aborts came."""
        return [request.at for request in self.requests if "/abort" in request.path]

    def posts(self, ending: str) -> int:
        """How many uploads (`files`) or starts (`publish`) came."""
        return sum(
            request.method == "POST" and request.path.strip("/").endswith(ending)
            for request in self.requests
        )

    def finish_all(self) -> None:
        """Has all remote tasks that run succeed now, and later ones soon after their start."""
        self.seconds = 0.3
        tasks = self._state.tasks
        with tasks._lock:
            for task in tasks.all():
                if task.ended_clock is None:
                    task.seconds = time.monotonic() - task.accepted_clock
                    heapq.heappush(tasks._due, (task.due, task.id, task))
        tasks.finish_due()
