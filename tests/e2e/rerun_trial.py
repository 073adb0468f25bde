"""One flow run that is attempted several times."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.observed_geobox import ObservedGeobox
from tests.kit.until import until

from .flow_processes import FlowProcess
from .testbed import Testbed

#: Waits that poll often, so that an end is found soon.
FAST = {"interval": 0.2, "max_interval": 0.5}


@dataclass
class RerunTrial:
    """A flow run and the processes that have run it.

    Attributes:
        testbed: Where.
        geobox: Its own.
        flow: The flow's name.
        paths: What it uploads and publishes.
        publish: Options of the publishing.
        more: Further parameters of the flow.
    """

    testbed: Testbed
    geobox: ObservedGeobox
    flow: str
    paths: list[Path]
    publish: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    run: str = ""
    processes: list[FlowProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.testbed.name(self.flow)

    def parameters(self) -> dict[str, Any]:
        """The trial as its flow takes it."""
        return {
            "name": self.name,
            "folder": str(self.testbed.folder),
            "host": self.geobox.url,
            "apikey": self.geobox.apikey,
            "paths": [str(path) for path in self.paths],
            "publish": {**FAST, **self.publish},
            **self.more,
        }

    def first(self, **command: Any) -> FlowProcess:
        """Starts the first attempt."""
        return self._launch(do="run", parameters=self.parameters(), **command)

    def run_deployment(self, deployment: str) -> str:
        """Has the served or deployed flow run."""
        parameters = {"trial": self.parameters()}
        self.run = self.testbed.run_deployment(self.flow, deployment, self.name, parameters)
        return self.run

    def rerun(self, **command: Any) -> FlowProcess:
        """Has the same flow run retried in another process."""
        self.testbed.forget(self.name, "begun")
        self.testbed.schedule_rerun(self.run)
        return self._launch(do="rerun", parameters={}, run=self.run, **command)

    def _launch(self, **command: Any) -> FlowProcess:
        process = self.testbed.launcher.launch(flow=self.flow, **command)
        self.processes.append(process)
        begun = self.testbed.note(self.name, "begun")
        assert begun is not None, process.log.read_text()
        self.run = begun["run"]
        return process

    def is_waiting(self) -> bool:
        """Whether all that it publishes, one by one or side by side, is started and recorded."""
        number = 1 if self.flow in ONE_BY_ONE else len(self.paths)
        if self.geobox.posts("publish") < number:
            return False
        records = self.testbed.records(self.run)
        return sum(r.data["step"] == "publish-file" and bool(r.uuid) for r in records) >= number

    def killed_while_waiting(self, after: float = 0.3) -> FlowProcess:
        """Starts the first attempt and kills it while it waits."""
        process = self.first()
        assert until(self.is_waiting), process.log.read_text()
        time.sleep(after)
        process.send(signal.SIGKILL)
        return ended(process)

    def finished(self, process: FlowProcess, *, once: str = "", times: int = 1) -> list[str]:
        """The layers of an attempt that succeeds, whose remote tasks are then let succeed.

        Args:
            process: Of the attempt.
            once: What its log has to say before.
            times: How often.
        """

        def is_due() -> bool:
            return process.log.read_text().count(once) >= times or process.ended.is_set()

        if once:
            assert until(is_due), process.log.read_text()
        self.let_succeed(process.ended.is_set)
        ended(process)
        assert process.exit_code == 0, process.log.read_text()
        assert self.testbed.final_state(self.run) == "Completed", process.log.read_text()
        return self.layers()

    def let_succeed(self, is_over: Callable[[], bool]) -> None:
        """Has all remote tasks succeed, the ones that are still to be started too, until then."""

        def finish_all() -> bool:
            self.geobox.finish_all()
            return is_over()

        until(finish_all, pause=0.2)

    def completed(self, run: str, log: Path) -> list[str]:
        """The layers of a deployed run that succeeds, once its remote tasks are let succeed."""
        self.let_succeed(lambda: self.testbed.is_final(run))
        assert self.testbed.state_name(run) == "Completed", log.read_text()
        return self.layers()

    def layers(self) -> list[str]:
        """The layers that the flow has returned."""
        note = self.testbed.note(self.name, "ended")
        assert note is not None
        layers: list[str] = note["layers"]
        return layers

    @property
    def counts(self) -> tuple[int, int]:
        """How many uploads and how many starts there were."""
        return self.geobox.posts("files"), self.geobox.posts("publish")

    def decisions(self) -> list[str]:
        """What the artifacts of the publishings say, the oldest first."""
        artifacts = [
            artifact
            for run in (self.run, *self.testbed.subflows(self.run))
            for artifact in self.testbed.artifacts(run, "markdown")
            if artifact.key == "geobox-publish-file"
        ]
        artifacts.sort(key=lambda artifact: artifact.created)
        texts = [str(artifact.data) for artifact in artifacts]
        rows = [line for text in texts for line in text.splitlines() if "Remote task was" in line]
        return [row.split("|")[2].strip().replace("\\", "") for row in rows]

    def event_decisions(self, last: str) -> list[str]:
        """What the events say, the oldest first, once the last one says this, or as they are."""

        def read() -> list[str]:
            payloads = [event["payload"] for event in self.testbed.events(self.run)]
            return [payload["decision"] for payload in payloads if "decision" in payload]

        until(lambda: read()[-1:] == [last], pause=0.3)
        return read()


#: Flows that publish one file after the other.
ONE_BY_ONE = {"rerun-direct", "rerun-async", "rerun-subflow", "rerun-uploads"}


def ended(process: FlowProcess) -> FlowProcess:
    """A process once it has ended."""
    if not process.end():
        # Where it stands is written to its log.
        process.send(signal.SIGUSR1)
        process.end(2)
        pytest.fail(process.log.read_text())
    return process


@contextmanager
def rerun_trial(
    testbed: Testbed, flow: str, paths: list[Path], **options: Any
) -> Iterator[RerunTrial]:
    """A flow run with a Geobox of its own, whose remote tasks run until they are let succeed."""
    more = {name: options.pop(name) for name in list(options) if name != "publish"}
    with ObservedGeobox(seconds=3600) as geobox:
        yield RerunTrial(testbed, geobox, flow, paths, more=more, **options)
