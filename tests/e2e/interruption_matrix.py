"""The matrix of interruptions: each way to wait against each ending, and how every case ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prefect_geobox.emulator.faults import always, hang, on
from tests.kit.observed_geobox import ObservedGeobox
from tests.kit.until import HANGING, until

from .flow_processes import FlowProcess, is_alive
from .testbed import Testbed

T = TypeVar("T")

#: The flows, and how many remote tasks each waits for; negative where it publishes files.
FLOWS = {
    "wait-direct": 1,
    "wait-submit": 1,
    "wait-map": 20,
    "await-direct": 1,
    "await-gather": 5,
    "await-submit": 1,
    "wait-many": 50,
    "publish-direct": -1,
    "publish-submit": -1,
    "publish-map": -3,
    "subflow-wait": 1,
    "subflow-publish": -1,
}

ENDINGS = (
    "serve",
    "worker",
    "sigterm",
    "ctrl-c",
    "ctrl-c-twice",
    "task-limit",
    "flow-limit",
    "timeout",
    "other-fails",
)

#: Seconds: time limits within which all waits have begun on a machine that does little else.
LIMITS = {"task-limit": 4.0, "flow-limit": 8.0, "timeout": 4.0}

#: Factors of the time limits, tried in turn until all waits begin within the limit.
FACTORS = (1, 3, 9, 27)

#: Seconds that remote tasks take: longer than any case.
LONG = 3600.0

OPTIONS = {"interval": 1.0, "max_interval": 2.0}

#: What the log says of a remote task whose abort failed, or was not answered for 30 s.
NOT_ABORTED = "could not be aborted"


@dataclass(frozen=True)
class Case:
    """One case of the matrix.

    Attributes:
        flow: How the flow waits.
        ending: What is done to it.
        wait: Options of the wait that differ.
    """

    flow: str
    ending: str
    wait: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        options = "".join(f"-{name}={value}" for name, value in self.wait)
        return f"{self.ending}-{self.flow}{options}"


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        states: The states of the remote tasks after the process has ended, each once.
        flow_run: The final state of the flow run.
        exit_code: Of the process, where it is known; under serve and a worker it is not.
        abort_seconds: From the signal or the end of the time limit to the last abort; None where
            nothing was aborted. Recorded, never compared.
        end_seconds: From there to the end of the process. Recorded, never compared.
        is_hanging: Whether the process had to be killed.
        is_aborted_first: Whether the last abort arrived before the process had ended.
        log: The output of the process.
    """

    states: tuple[str, ...]
    flow_run: str
    exit_code: int | None
    abort_seconds: float | None
    end_seconds: float
    is_hanging: bool
    is_aborted_first: bool
    log: str = field(repr=False, default="")

    @property
    def remote(self) -> str:
        """How the remote tasks ended, in a word or two."""
        kinds = set(self.states)
        if kinds == {"ABORTED"}:
            return "aborted"
        if kinds <= {"PENDING", "PROGRESS", "SUCCESS"}:
            return "runs on"
        return f"mixed: {', '.join(sorted(kinds))}"

    def as_json(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {
            "remote": self.remote,
            "hangs": self.is_hanging,
            "flow_run": self.flow_run,
            "exit_code": self.exit_code,
            "abort_seconds": self.abort_seconds,
            "end_seconds": self.end_seconds,
        }


class LimitTooShortError(Exception):
    """The time limit of a case ended before all of its waits had begun."""


@dataclass
class CaseTrial:
    """A case that is being tried.

    Attributes:
        testbed: Where.
        case: What.
        geobox: Its own.
        paths: Files to publish.
        name: Its own, of the flow run and its notes.
        factor: Of the time limits.
    """

    testbed: Testbed
    case: Case
    geobox: ObservedGeobox
    paths: list[Path]
    name: str = ""
    factor: float = 1

    @property
    def limit(self) -> float | None:
        """The time limit in seconds, where the case has one."""
        limit = LIMITS.get(self.case.ending)
        return None if limit is None else limit * self.factor

    @property
    def _failure_request(self) -> Path:
        return self.testbed.folder / f"{self.name}.fail"

    def parameters(self) -> dict[str, Any]:
        """The case as its flow takes it."""
        number = FLOWS[self.case.flow]
        wait: dict[str, Any] = {**OPTIONS, **dict(self.case.wait)}
        if self.case.ending == "timeout":
            wait["timeout"] = self.limit
        return {
            "name": self.name,
            "folder": str(self.testbed.folder),
            "host": self.geobox.url,
            "apikey": self.geobox.apikey,
            "tasks": [
                self.geobox.add_task(name=f"task {i}", pending=0) for i in range(max(number, 0))
            ],
            "files": [self.geobox.upload(path) for path in self.paths[: max(-number, 0)]],
            "wait": wait,
            "limit": self.limit if self.case.ending == "task-limit" else None,
            "fails_after": (
                str(self._failure_request) if self.case.ending == "other-fails" else None
            ),
        }

    def has_begun(self) -> bool:
        """Whether all remote tasks of the case have been polled."""
        return len(self.geobox.polled()) == abs(FLOWS[self.case.flow])

    def launch(self, flow: str | None = None) -> FlowProcess:
        """Starts the flow as a script."""
        return self.testbed.launcher.launch(
            do="run",
            flow=flow or self.case.flow,
            parameters=self.parameters(),
            limit=self.limit if self.case.ending == "flow-limit" else None,
        )

    def await_begin(self, process: FlowProcess) -> dict[str, Any]:
        """Waits until all waits of a script have begun; the note of its begin.

        Raises:
            LimitTooShortError: The script has ended before, as its time limit was over.
        """
        until(lambda: self.has_begun() or process.ended.is_set())
        if not self.has_begun():
            assert process.ended.is_set(), process.log.read_text()
            assert self.limit is not None, process.log.read_text()
            raise LimitTooShortError
        begun = self.testbed.note(self.name, "begun")
        assert begun is not None, process.log.read_text()
        return begun

    def in_script(self) -> Outcome:
        """Runs the flow as a script and does to its process what the case says."""
        process = self.launch()
        begun = self.await_begin(process)
        since = self._interrupt(process, begun)
        is_hanging = not process.end((self.limit or 0.0) + HANGING)
        log = process.log.read_text()
        if is_hanging:
            process.send(signal.SIGKILL)
            process.end()
        return self._outcome(
            since,
            process.ended_at,
            is_hanging=is_hanging,
            flow_run=self.testbed.state_name(begun["run"]),
            exit_code=process.exit_code,
            log=log,
        )

    def _interrupt(self, process: FlowProcess, begun: dict[str, Any]) -> float:
        ending = self.case.ending
        if ending in ("task-limit", "timeout"):
            return max(self.geobox.polled().values()) + (self.limit or 0.0)
        if ending == "flow-limit":
            return float(begun["at"]) + (self.limit or 0.0)
        if ending == "other-fails":
            return self._fail_another_task(process)
        time.sleep(0.5)
        if ending == "ctrl-c-twice":
            unanswered = on(always(hang()), path="tasks/*/abort")
            self.geobox.faults = unanswered
            process.send(signal.SIGINT)
            # The second one comes while the abort is under way.
            until(lambda: unanswered.given.total() or process.ended.is_set())
            time.sleep(1.0)
        sent = process.send(signal.SIGTERM if ending == "sigterm" else signal.SIGINT)
        if ending == "ctrl-c-twice" and not process.end(10):
            # On a busy machine Prefect may still have been reporting the first one.
            process.send(signal.SIGINT)
        return sent

    def _fail_another_task(self, process: FlowProcess) -> float:
        """Has the other task fail, then lets the remote tasks succeed that are still waited for."""
        self._failure_request.touch()
        failed = self.testbed.note(self.name, "failed")
        assert failed is not None, process.log.read_text()
        if self.case.flow != "await-gather":
            # Whoever gives up its waits because of the failure has time to do so.
            time.sleep(2.0)
            self.geobox.finish_all()
        return float(failed["at"])

    def in_deployment(self, log: Path) -> Outcome:
        """Has a served or deployed flow run, and cancels it as a user does."""
        deployment = "serve-matrix" if self.case.ending == "serve" else "pooled"
        run = self.testbed.run_deployment(
            self.case.flow, deployment, self.name, {"case": self.parameters()}
        )
        begun = self.testbed.note(self.name, "begun")
        assert begun is not None, log.read_text()
        assert until(self.has_begun), log.read_text()
        time.sleep(0.5)
        since = time.monotonic()
        self.testbed.cancel(run)
        until(lambda: not is_alive(begun["pid"]))
        is_hanging = is_alive(begun["pid"])
        ended = time.monotonic()
        if is_hanging:
            os.kill(begun["pid"], signal.SIGKILL)
        return self._outcome(
            since,
            ended,
            is_hanging=is_hanging,
            flow_run=self.testbed.final_state(run),
            exit_code=None,
            log=log.read_text(),
        )

    def _outcome(self, since: float, ended: float, **known: Any) -> Outcome:
        aborts = self.geobox.aborts()
        return Outcome(
            states=tuple(sorted(set(self.geobox.states()))),
            abort_seconds=round(max(aborts) - since, 1) if aborts else None,
            end_seconds=round(ended - since, 1),
            is_aborted_first=bool(aborts) and max(aborts) < ended,
            **known,
        )


def with_longer_limits(run: Callable[[float], T]) -> T:
    """Runs something by factors of the time limits, until its waits begin within the limit."""
    for factor in FACTORS:
        with suppress(LimitTooShortError):
            return run(factor)
    raise AssertionError("no time limit was long enough for the waits to begin")


def run_case(testbed: Testbed, case: Case, paths: list[Path], log: Path | None = None) -> Outcome:
    """Runs a case with a Geobox of its own, with longer time limits where the machine is slow.

    Args:
        testbed: Where.
        case: What.
        paths: Files to publish.
        log: Of the process that serves the flow, where one does.
    """

    def run(factor: float) -> Outcome:
        with ObservedGeobox(seconds=LONG) as geobox:
            name = testbed.name(str(case).replace("=", "-"))
            trial = CaseTrial(testbed, case, geobox, paths, name, factor)
            return trial.in_deployment(log) if log is not None else trial.in_script()

    return with_longer_limits(run)


#: What the last full run has measured, by case.
RECORDS = Path(__file__).with_name("interruption_matrix.json")

#: What differs from run to run; it is recorded only where this variable is set.
SECONDS, RECORD_SECONDS = ("abort_seconds", "end_seconds"), "RECORD_MATRIX"


def recorded() -> dict[str, dict[str, Any]]:
    """What the last full run has measured, by case."""
    found: dict[str, dict[str, Any]] = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    return found


def record(measured: dict[str, dict[str, Any]]) -> None:
    """Records what was measured, where anything but seconds has changed."""
    before = recorded()

    def has_changed(name: str) -> bool:
        old, new = before.get(name), measured[name]
        return old is None or any(old[key] != new[key] for key in new if key not in SECONDS)

    updates = {
        name: case
        for name, case in measured.items()
        if RECORD_SECONDS in os.environ or has_changed(name)
    }
    if updates:
        lines = [
            f"{json.dumps(name)}: {json.dumps(case)}"
            for name, case in sorted({**before, **updates}.items())
        ]
        RECORDS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
