"""The cells of the table: what is done to a flow that waits, and what came of it."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect_geobox.emulator.faults import always, hang, on

from .testbed import HANGING, Geobox, Lab, is_alive, until

#: How many remote tasks a row waits for; negative where it publishes files.
ROWS = {
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

COLUMNS = (
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

#: Seconds: time limits long enough for all waits to have begun, on a busy machine.
LIMITS = {"task-limit": 4.0, "flow-limit": 8.0, "timeout": 4.0}

#: Seconds that remote tasks take: longer than any cell, but where the end is waited for.
LONG, SHORT = 600.0, 15.0

OPTIONS = {"interval": 1.0, "max_interval": 2.0}


@dataclass(frozen=True)
class Cell:
    """What is to be tried.

    Attributes:
        row: How the flow waits.
        column: What is done to it.
        wait: Options of the wait that differ.
    """

    row: str
    column: str
    wait: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        options = "".join(f"-{name}={value}" for name, value in self.wait)
        return f"{self.column}-{self.row}{options}"


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        remote: The states of the remote tasks after the process has ended, each once.
        flow_run: The final state of the flow run.
        exit_code: Of the process, where it can be told; under serve and a worker it cannot.
        abort_seconds: From the signal or the end of the time limit to the last abort.
        late_seconds: From when the process noticed, as its log says, to the last abort.
        end_seconds: From there to the end of the process.
        is_hanging: Whether the process had to be killed.
        log: The output of the process.
    """

    remote: tuple[str, ...]
    flow_run: str
    exit_code: int | None
    abort_seconds: float | None
    late_seconds: float
    end_seconds: float
    is_hanging: bool
    log: str = field(repr=False, default="")

    @property
    def fate(self) -> str:
        """What became of the remote tasks, in a word or two."""
        kinds = set(self.remote)
        if kinds == {"ABORTED"}:
            return "aborted"
        if kinds <= {"PENDING", "PROGRESS", "SUCCESS"}:
            return "runs on"
        return f"mixed: {', '.join(sorted(kinds))}"

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return {
            "remote": self.fate,
            "hangs": self.is_hanging,
            "flow_run": self.flow_run,
            "exit_code": self.exit_code,
            "abort_seconds": self.abort_seconds,
            "end_seconds": self.end_seconds,
        }


@dataclass
class Trial:
    """A cell that is being tried."""

    lab: Lab
    cell: Cell
    geobox: Geobox
    paths: list[Path]
    name: str = ""

    def parameters(self) -> dict[str, Any]:
        """The cell as its flow takes it."""
        number = ROWS[self.cell.row]
        wait: dict[str, Any] = {**OPTIONS, **dict(self.cell.wait)}
        if self.cell.column == "timeout":
            wait["timeout"] = LIMITS["timeout"]
        return {
            "name": self.name,
            "folder": str(self.lab.folder),
            "host": self.geobox.url,
            "apikey": self.geobox.apikey,
            "tasks": [
                self.geobox.add_task(name=f"task {i}", pending=0) for i in range(max(number, 0))
            ],
            "files": [self.geobox.upload(path) for path in self.paths[: max(-number, 0)]],
            "wait": wait,
            "limit": LIMITS["task-limit"] if self.cell.column == "task-limit" else None,
            "fails": 3.0 if self.cell.column == "other-fails" else None,
        }

    def has_begun(self) -> bool:
        """Whether all remote tasks of the cell have been looked at."""
        return len(self.geobox.looked_at()) == abs(ROWS[self.cell.row])

    @property
    def _patience(self) -> float:
        return 20.0 if self.cell.column in LIMITS else HANGING

    def in_script(self) -> Outcome:
        """Runs the flow as a script and does to its process what the column says."""
        column = self.cell.column
        process = self.lab.starter.launch(
            do="run",
            flow=self.cell.row,
            cell=self.parameters(),
            limit=LIMITS["flow-limit"] if column == "flow-limit" else None,
        )
        begun = self.lab.note(self.name, "begun")
        assert begun is not None, process.log.read_text()
        assert until(self.has_begun, 60), process.log.read_text()
        since = self._strike(process, begun)
        is_hanging = not process.end(max(0.0, since - time.monotonic()) + self._patience)
        log = process.log.read_text()
        if is_hanging:
            process.send(signal.SIGKILL)
            process.end(10)
        return self._outcome(
            since,
            process.ended_at,
            is_hanging=is_hanging,
            flow_run=self.lab.state_name(begun["run"]),
            exit_code=process.exit_code,
            log=log,
        )

    def _strike(self, process: Any, begun: dict[str, Any]) -> float:
        column = self.cell.column
        if column in ("task-limit", "timeout"):
            return max(self.geobox.looked_at().values()) + LIMITS[column]
        if column == "flow-limit":
            return begun["at"] + LIMITS[column]
        if column == "other-fails":
            return begun["at"] + 3.0
        time.sleep(1.0)
        if column == "ctrl-c-twice":
            self.geobox.faults = on(always(hang()), path="tasks/*/abort")
            process.send(signal.SIGINT)
            until(lambda: self.geobox.most_in_flight, 3)
            time.sleep(1.5)
        return process.send(signal.SIGTERM if column == "sigterm" else signal.SIGINT)

    def in_deployment(self, log: Path) -> Outcome:
        """Has a served or deployed flow run, and cancels it as a user does."""
        kind = "serve-cells" if self.cell.column == "serve" else "pooled"
        run = self.lab.run_deployment(self.cell.row, kind, self.name, {"cell": self.parameters()})
        begun = self.lab.note(self.name, "begun")
        assert begun is not None, log.read_text()
        assert until(self.has_begun, 60), log.read_text()
        time.sleep(1.0)
        since = time.monotonic()
        self.lab.cancel(run)
        until(lambda: not is_alive(begun["pid"]), HANGING)
        is_hanging = is_alive(begun["pid"])
        ended = time.monotonic()
        if is_hanging:
            os.kill(begun["pid"], signal.SIGKILL)
        return self._outcome(
            since,
            ended,
            is_hanging=is_hanging,
            flow_run=self.lab.final_state(run),
            exit_code=None,
            log=log.read_text(),
        )

    def _outcome(self, since: float, ended: float, **known: Any) -> Outcome:
        aborts = [at - since for at in self.geobox.aborts()]
        noticed = _noticed(str(known["log"]), self.geobox.uuids())
        last = max(self.geobox.aborts(), default=0.0)
        return Outcome(
            late_seconds=last - noticed if aborts and noticed is not None else 0.0,
            remote=tuple(sorted(set(self.geobox.states()))),
            abort_seconds=round(max(aborts), 1) if aborts else None,
            end_seconds=round(ended - since, 1),
            **known,
        )


def _noticed(log: str, uuids: list[str]) -> float | None:
    """When the first abort of some remote tasks was logged, on the monotonic clock."""
    lines = [line for line in log.splitlines() if "; aborting " in line]
    times = [line.split()[0] for line in lines if any(uuid in line for uuid in uuids)]
    if not times:
        return None
    today = datetime.now()  # noqa: DTZ005 - the log has local times
    at = datetime.strptime(min(times), "%H:%M:%S.%f")  # noqa: DTZ007
    ago = (today - at.replace(year=today.year, month=today.month, day=today.day)).total_seconds()
    return time.monotonic() - ago % 86400


def try_out(lab: Lab, cell: Cell, paths: list[Path], log: Path | None = None) -> Outcome:
    """Tries a cell with a Geobox of its own.

    Args:
        lab: Where.
        cell: What.
        paths: Files to publish.
        log: Of the process that serves the flow, where one does.
    """
    seconds = SHORT if cell.column == "other-fails" else LONG
    with Geobox(seconds=seconds) as geobox:
        trial = Trial(lab, cell, geobox, paths, lab.name(str(cell).replace("=", "-")))
        return trial.in_deployment(log) if log is not None else trial.in_script()


#: What the last full run has measured, by cell.
KEPT = Path(__file__).with_name("interruption_matrix.json")

#: What may differ from run to run; only set this variable to keep them anew.
SECONDS, ANEW = ("abort_seconds", "end_seconds"), "RECORD_CELLS"


def kept() -> dict[str, dict[str, Any]]:
    """What the last full run has measured, by cell."""
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def keep(measured: dict[str, dict[str, Any]]) -> None:
    """Keeps what has been measured, where anything but seconds has changed."""
    before = kept()

    def is_news(name: str) -> bool:
        old, new = before.get(name), measured[name]
        return old is None or any(old[key] != new[key] for key in new if key not in SECONDS)

    updates = {name: cell for name, cell in measured.items() if is_news(name) or ANEW in os.environ}
    if updates:
        lines = [
            f"{json.dumps(name)}: {json.dumps(cell)}"
            for name, cell in sorted({**before, **updates}.items())
        ]
        KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
