"""One flow run that is attempted several times."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .testbed import Geobox, Lab, Launched, until

#: Waits that look often, so that what they find is found soon.
FAST = {"interval": 0.2, "max_interval": 0.5}


@dataclass
class Attempts:
    """A flow run and the processes that have run it.

    Attributes:
        lab: Where.
        geobox: Its own.
        flow: The flow's name.
        paths: What it uploads and publishes.
        publish: Options of the publishing.
        trial: What else it is told.
    """

    lab: Lab
    geobox: Geobox
    flow: str
    paths: list[Path]
    publish: dict[str, Any] = field(default_factory=dict)
    trial: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    run: str = ""
    processes: list[Launched] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.lab.name(self.flow)

    def parameters(self) -> dict[str, Any]:
        """The trial as its flow takes it."""
        return {
            "name": self.name,
            "folder": str(self.lab.folder),
            "host": self.geobox.url,
            "apikey": self.geobox.apikey,
            "paths": [str(path) for path in self.paths],
            "publish": {**FAST, **self.publish},
            **self.trial,
        }

    def first(self, **command: Any) -> Launched:
        """Starts the first attempt."""
        return self._launch(do="run", cell=self.parameters(), **command)

    def run_deployment(self, deployment: str) -> str:
        """Has the served or deployed flow run."""
        parameters = {"trial": self.parameters()}
        self.run = self.lab.run_deployment(self.flow, deployment, self.name, parameters)
        return self.run

    def again(self, **command: Any) -> Launched:
        """Has the same flow run retried in another process."""
        self.lab.forget(self.name, "begun")
        self.lab.schedule_again(self.run)
        return self._launch(do="again", cell={}, run=self.run, **command)

    def _launch(self, **command: Any) -> Launched:
        process = self.lab.starter.launch(flow=self.flow, **command)
        self.processes.append(process)
        begun = self.lab.note(self.name, "begun")
        assert begun is not None, process.log.read_text()
        self.run = begun["run"]
        return process

    def is_waiting(self) -> bool:
        """Whether all that it publishes, one by one or side by side, is started and recorded."""
        number = 1 if self.flow in ONE_BY_ONE else len(self.paths)
        if self.geobox.posts("publish") < number:
            return False
        records = [record.data for record in self.lab.records(self.run)]
        return sum(r["step"] == "publish-file" and bool(r["uuid"]) for r in records) >= number

    def killed_while_waiting(self, after: float = 0.3) -> Launched:
        """Starts the first attempt and kills it while it waits."""
        process = self.first()
        assert until(self.is_waiting, 60), process.log.read_text()
        time.sleep(after)
        process.send(signal.SIGKILL)
        return ended(process)

    def finished(self, process: Launched) -> list[str]:
        """The layers of an attempt that succeeds."""
        ended(process)
        assert process.exit_code == 0, process.log.read_text()
        assert self.lab.final_state(self.run) == "Completed", process.log.read_text()
        return self.layers()

    def layers(self) -> list[str]:
        """The layers that the flow has returned."""
        told = self.lab.note(self.name, "ended", 5)
        assert told is not None
        layers: list[str] = told["layers"]
        return layers

    @property
    def counts(self) -> tuple[int, int]:
        """How many uploads and how many starts there were."""
        return self.geobox.posts("files"), self.geobox.posts("publish")

    def decisions(self) -> list[str]:
        """What the artifacts of the publishings say, the oldest first."""
        artifacts = [
            artifact
            for run in (self.run, *self.lab.subflows(self.run))
            for artifact in self.lab.records(run, "markdown")
            if artifact.key == "geobox-publish-file"
        ]
        artifacts.sort(key=lambda artifact: artifact.created)
        texts = [str(artifact.data) for artifact in artifacts]
        rows = [line for text in texts for line in text.splitlines() if "Remote task was" in line]
        return [row.split("|")[2].strip().replace("\\", "") for row in rows]

    def event_decisions(self, last: str) -> list[str]:
        """What the events say, the oldest first, once the last one says this, or as they are."""

        def read() -> list[str]:
            payloads = [event["payload"] for event in self.lab.events(self.run)]
            return [payload["decision"] for payload in payloads if "decision" in payload]

        until(lambda: read()[-1:] == [last], 15, 0.3)
        return read()


#: Flows that publish one file after the other.
ONE_BY_ONE = {"again-direct", "again-async", "again-subflow", "again-uploads"}


def ended(process: Launched, seconds: float = 60.0) -> Launched:
    """A process once it has ended."""
    if not process.end(seconds):
        # Where it stands is written to its log.
        process.send(signal.SIGUSR1)
        process.end(2)
        pytest.fail(process.log.read_text())
    return process


@contextmanager
def attempts(
    lab: Lab, flow: str, paths: list[Path], *, seconds: float = 3.0, **options: Any
) -> Iterator[Attempts]:
    """A flow run with a Geobox of its own, whose remote tasks take some seconds."""
    trial = {name: options.pop(name) for name in list(options) if name != "publish"}
    with Geobox(seconds=seconds) as geobox:
        yield Attempts(lab, geobox, flow, paths, trial=trial, **options)
