"""The table that takes the place of many summaries: a row for each step that ended in a crowd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from prefect_geobox.client.model.text import printable
from prefect_geobox.reporting.markdown import escaped, markdown_table

#: The key of the artifact.
TABLE_KEY: Final = "geobox-steps"

#: Rows at most. What failed comes first where there are more.
_MAX_ROWS: Final = 1000

_COLUMNS: Final = ("Step", "Name", "State", "Features", "Seconds", "Output", "Reason")


@dataclass(frozen=True, slots=True)
class StepRow:
    """What the table says of one step.

    Attributes:
        step: The step's name with hyphens.
        name: What it made or worked on.
        state: The state of its remote task, or DONE.
        features: Features of its output.
        seconds: How long the remote task ran.
        output: The uuid of the output.
        url: Where the API has it; no secret.
        reason: Why it failed, or what is missing.
    """

    step: str
    name: str
    state: str
    features: int | None = None
    seconds: float | None = None
    output: str = ""
    url: str = ""
    reason: str = ""
    is_failed: bool = False


def table_markdown(rows: Sequence[StepRow]) -> str:
    """Returns the markdown of the table. Text of the server is escaped.

    Args:
        rows: The steps in the order of their ends.
    """
    shown = list(rows)
    if len(shown) > _MAX_ROWS:
        shown.sort(key=lambda row: not row.is_failed)
        shown = shown[:_MAX_ROWS]
    table = markdown_table(_COLUMNS, [_cells(row) for row in shown])
    left_out = len(rows) - len(shown)
    more = f"\n\n… and {left_out:,} more." if left_out else ""
    return f"### {escaped(table_description(rows))}\n\n{table}{more}"


def table_description(rows: Sequence[StepRow]) -> str:
    """Returns how many steps of each kind there are, and how many of them failed.

    Args:
        rows: The steps.
    """
    counts = Counter(row.step for row in rows)
    failed = sum(row.is_failed for row in rows)
    steps = ", ".join(f"{count:,} {step}" for step, count in counts.items())
    return f"{steps}: {f'{failed:,} failed' if failed else 'all succeeded'}"


def _cells(row: StepRow) -> tuple[str, ...]:
    # A base URL may contain what ends a link or a cell.
    url = quote(row.url, safe=":/%[]~@!$&'*+,;=?#")
    link = f"[{row.output}]({url})" if row.url else row.output
    return (
        row.step,
        escaped(printable(row.name, 100)),
        escaped(printable(row.state, 40)),
        "" if row.features is None else f"{row.features:,}",
        "" if row.seconds is None else f"{row.seconds:.1f}",
        link,
        escaped(printable(row.reason, 200)),
    )
