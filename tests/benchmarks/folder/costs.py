"""What the steps cost for each file: the row of the steps without that of the floor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

#: The types of artifacts that a page of Prefect shows the content of; others are bookkeeping.
_SHOWN = {"markdown", "table", "link", "image", "progress"}


@dataclass(frozen=True)
class Costs:
    """What the steps of a run cost.

    Attributes:
        files: How many files there were.
        ours: Requests to the Prefect API by route, without those of Prefect's engine.
        engine: Those of Prefect's engine: what the floor sends.
        events: Events by name, those of Prefect too.
        info_lines: Lines of the log at level INFO, without those of Prefect.
        artifacts: Cards on the page of the flow run, by type and key.
    """

    files: int
    ours: Counter[str]
    engine: Counter[str]
    events: Counter[str]
    info_lines: int
    artifacts: Counter[str]

    @classmethod
    def of(cls, figures: dict[str, Any]) -> Costs:
        """Those of one measurement, which has the rows `floor` and `steps`."""
        floor, steps = figures["rows"]["floor"], figures["rows"]["steps"]
        ours = Counter(steps["requests"])
        ours.subtract(floor["requests"])
        return cls(
            figures["files"],
            Counter({route: count for route, count in ours.items() if count}),
            Counter(floor["requests"]),
            Counter(steps["events"]),
            steps["logs"].get("INFO", 0) - floor["logs"].get("INFO", 0),
            Counter(steps["artifacts"]),
        )

    @property
    def requests_per_file(self) -> float:
        """Requests of ours."""
        return sum(self.ours.values()) / self.files

    @property
    def events_per_file(self) -> float:
        """All events."""
        return sum(self.events.values()) / self.files

    @property
    def info_lines_per_file(self) -> float:
        """Lines of ours."""
        return self.info_lines / self.files

    @property
    def bookkeeping(self) -> int:
        """Cards that show nothing to a reader."""
        return sum(count for kind, count in self.artifacts.items() if kind.split()[0] not in _SHOWN)

    def text(self) -> str:
        """All of it, for a terminal."""
        lines = [
            f"{self.files} files; for each:",
            f"{self.requests_per_file:8.2f} requests of ours",
            f"{self.events_per_file:8.2f} events",
            f"{self.info_lines_per_file:8.2f} INFO lines of ours",
            f"{sum(self.artifacts.values())} cards, {self.bookkeeping} of them bookkeeping",
        ]
        for title, counts in (
            ("requests of ours", self.ours),
            ("requests of Prefect's engine", self.engine),
            ("events", self.events),
            ("cards", self.artifacts),
        ):
            lines.append(f"{title}: {sum(counts.values())}")
            lines += [f"{count:8} {name}" for name, count in counts.most_common()]
        return "\n".join(lines)
