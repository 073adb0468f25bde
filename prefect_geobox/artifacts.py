"""What a finished step or wait leaves to read: a summary, its output, and a preview of that."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.context import TaskRunContext

from prefect_geobox.cancellation import flow_run_id
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.errors import GeoboxError
from prefect_geobox.client.models import AssetKind, OutputAsset, RemoteTask, printable
from prefect_geobox.client.watch import WaitStats
from prefect_geobox.execution import Execution
from prefect_geobox.maps import MapUnavailableError, draw_map
from prefect_geobox.runs import is_in_run, run_logger

logger = logging.getLogger(__name__)

#: How many features a map shows at most, and how many are read at once.
_MAP_FEATURES: Final = 2000
_PAGE: Final = 500

_FATE: Final = (
    'A cancel aborts remote tasks that are not final, unless on_cancel is "leave". Otherwise they '
    "go on: a retry of this run re-attaches to those that it has started, and any of them can be "
    "waited for again by its uuid."
)

#: Rows of the table of several remote tasks.
_MOST_ROWS: Final = 100

_MARKDOWN_SIGNS: Final = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$^:/@=\"'])")


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """What is known about an output, and its preview.

    Attributes:
        asset: The output.
        features: How many features a vector layer has.
        geometry_type: Of a vector layer, as the server names it.
        srid: The EPSG code of the coordinates that the server sends.
        extent: West, south, east, north in that system.
        preview: A markdown image, or a sentence that says why there is none.
    """

    asset: OutputAsset
    features: int | None = None
    geometry_type: str | None = None
    srid: int | None = None
    extent: tuple[float, float, float, float] | None = None
    preview: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The facts as metadata of a Prefect asset."""
        values = {
            "name": self.asset.name,
            "features": self.features,
            "geometry_type": self.geometry_type,
            "srid": self.srid,
            "extent": list(self.extent) if self.extent else None,
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class StepSummary:
    """What the artifact of one step or wait says.

    Attributes:
        step: The step's name with hyphens, such as `publish-file`.
        title: What it worked on.
        tasks: The remote tasks, as last seen.
        stats: What waiting cost.
        facts: The output.
        error: Why it did not succeed.
        notes: More rows.
    """

    step: str
    title: str
    tasks: Sequence[RemoteTask] = ()
    stats: WaitStats | None = None
    facts: OutputFacts | None = None
    error: BaseException | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


async def gather_facts(client: AsyncGeoboxClient, asset: OutputAsset) -> OutputFacts:
    """Reads what there is to tell of an output. Trouble leaves gaps; it never raises.

    Args:
        client: Reads.
        asset: The output.
    """
    try:
        if asset.kind is AssetKind.VECTOR:
            return await _vector_facts(client, asset)
        if asset.kind is AssetKind.RASTER:
            return OutputFacts(asset, preview=await _thumbnail(client, asset))
    except GeoboxError as error:
        return OutputFacts(asset, preview=f"No preview: {escaped(printable(str(error)))}")
    except Exception as error:  # noqa: BLE001 - what was made does not fail for its preview
        logger.warning("No preview of %s: %s: %s", asset, type(error).__name__, error)
    return OutputFacts(asset)


async def _vector_facts(client: AsyncGeoboxClient, asset: OutputAsset) -> OutputFacts:
    count = await client.count_features(asset)
    features: list[Any] = []
    srid: int | None = None
    while len(features) < min(count, _MAP_FEATURES):
        page = await client.get_features(asset, skip=len(features), limit=_PAGE)
        srid = srid or _srid_of(page)
        if not page["features"]:
            break
        features += page["features"]
    try:
        drawing = draw_map(features, asset.name)
        preview = _image("svg+xml", drawing.svg.encode(), "map")
        if len(features) < count:
            preview += f"\n\nThe map shows the first {len(features):,} of {count:,} features."
        if drawing.drawn < drawing.parts:
            preview += f"\n\nIt draws {drawing.drawn:,} of their {drawing.parts:,} parts."
    except MapUnavailableError as error:
        preview = escaped(str(error))
    geometry_type = asset.data.get("layer_type")
    return OutputFacts(
        asset,
        features=count,
        geometry_type=geometry_type if isinstance(geometry_type, str) else None,
        srid=srid,
        extent=_box(asset.data.get("extent")) or _extent_of(features, count),
        preview=preview,
    )


async def _thumbnail(client: AsyncGeoboxClient, asset: OutputAsset) -> str:
    picture = await client.get_thumbnail(asset)
    if not picture.startswith(b"\x89PNG"):
        return "No preview: the thumbnail is no PNG."
    return _image("png", picture, "thumbnail")


async def leave_summary(execution: Execution, summary: StepSummary) -> None:
    """Leaves the markdown artifact of a step, with the stable key `geobox-<step>`.

    Trouble with it is logged and never fails the step.
    """
    if not is_in_run():
        return
    try:
        await execution.create_markdown(
            f"geobox-{summary.step}", summary_markdown(summary), f"Geobox: {summary.step}"
        )
    except Exception as error:  # noqa: BLE001 - what was done does not fail for not being shown
        run_logger().warning("The summary could not be saved: %s: %s", type(error).__name__, error)


async def leave_last_summary(execution: Execution, summary: StepSummary) -> None:
    """Leaves the artifact of a step that was interrupted, and says what becomes of its work."""
    run_id, task = flow_run_id(), TaskRunContext.get()
    if run_id is None:
        return
    fate = f"Interrupted by {type(summary.error).__name__}. " + _FATE
    summary = replace(summary, error=GeoboxError(fate))

    async def create() -> None:
        async with get_client() as client:
            await client.create_artifact(
                ArtifactCreate(
                    key=f"geobox-{summary.step}",
                    type="markdown",
                    description=f"Geobox: {summary.step}",
                    data=summary_markdown(summary),
                    flow_run_id=run_id,
                    task_run_id=task.task_run.id if task is not None else None,
                )
            )

    try:
        await execution.at_last(create())
    except Exception as error:  # noqa: BLE001 - the interruption matters more
        run_logger().warning("The summary could not be saved: %s", type(error).__name__)


def summary_markdown(summary: StepSummary) -> str:
    """The markdown of a summary. Text of the server's is escaped."""
    parts = [f"### {escaped(summary.title)}"]
    if summary.error is not None:
        # Of several remote tasks, the table below says more than the rest of the message.
        message = str(summary.error)
        if len(summary.tasks) > 1:
            message = message.partition("\n")[0]
        parts.append(f"**{escaped(printable(message, 2000))}**")
    if summary.facts and summary.facts.preview:
        parts.append(summary.facts.preview)
    if rows := _rows(summary):
        parts.append(_table(rows[0], rows[1:]))
    if len(summary.tasks) > 1:
        parts.append(_task_table(summary.tasks))
    return "\n\n".join(parts)


def _rows(summary: StepSummary) -> list[tuple[str, str]]:
    rows = _output_rows(summary.facts) if summary.facts else []
    if len(summary.tasks) == 1:
        rows += _task_rows(summary.tasks[0])
    if summary.stats:
        stats = summary.stats
        rows.append(
            ("Waited", f"{stats.waited:.1f} s, {stats.looks} looks, {stats.requests} requests")
        )
        if stats.failures:
            outage = f"{stats.outage_seconds:.1f} s without contact"
            rows.append(("Trouble", f"{stats.failures} failures, {outage}"))
    return rows + [(label, escaped(text)) for label, text in summary.notes.items()]


def _task_rows(task: RemoteTask) -> list[tuple[str, str]]:
    rows = [
        ("Remote task", f"{escaped(task.label)}, `{task.uuid}`"),
        ("State", escaped(printable(task.state_text))),
    ]
    for label, moment in (
        ("Accepted", task.accepted_at),
        ("Started", task.started_at),
        ("Finished", task.finished_at),
    ):
        if moment is not None:
            rows.append((label, moment.isoformat(sep=" ", timespec="seconds")))
    if task.seconds is not None:
        rows.append(("Ran", f"{task.seconds:.1f} s"))
    if task.succeeded and task.reason:
        rows.append(("Reported", escaped(task.reason)))
    return rows


def _output_rows(facts: OutputFacts) -> list[tuple[str, str]]:
    asset = facts.asset
    rows = [
        ("Output", f"{asset.kind.value} **{escaped(asset.name or asset.uuid)}**, `{asset.uuid}`"),
        ("Asset", f"`{asset.asset_key}`"),
        ("API", f"<{asset.api_url}>"),
    ]
    if facts.features is not None:
        rows.append(("Features", f"{facts.features:,}"))
    if facts.geometry_type:
        rows.append(("Geometry", escaped(printable(facts.geometry_type, 40))))
    if facts.srid is not None:
        rows.append(("SRID", f"EPSG:{facts.srid}"))
    if facts.extent is not None:
        rows.append(("Extent", ", ".join(f"{value:.2f}" for value in facts.extent)))
    return rows


def _task_table(tasks: Sequence[RemoteTask]) -> str:
    rows = [
        (
            escaped(task.label),
            f"`{task.uuid}`",
            escaped(printable(task.state_text)),
            escaped(task.reason or ""),
        )
        for task in tasks[:_MOST_ROWS]
    ]
    table = _table(("Remote task", "uuid", "State", "Reason"), rows)
    left_out = len(tasks) - _MOST_ROWS
    return f"{table}\n\n… and {left_out} more." if left_out > 0 else table


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text as markdown that shows it as it is, on one line."""
    return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))


def _image(kind: str, content: bytes, text: str) -> str:
    return f"![{text}](data:image/{kind};base64,{base64.b64encode(content).decode()})"


def _srid_of(collection: Mapping[str, Any]) -> int | None:
    try:
        return int(str(collection["crs"]["properties"]["name"]).rpartition(":")[2])
    except (KeyError, TypeError, ValueError):
        return None


def _box(value: Any) -> tuple[float, float, float, float] | None:
    is_box = isinstance(value, list) and len(value) == 4
    if not is_box or not all(type(number) in (int, float) for number in value):
        return None
    west, south, east, north = map(float, value)
    return west, south, east, north


def _extent_of(features: Sequence[Any], count: int) -> tuple[float, float, float, float] | None:
    """The extent of all features, where all of them were read."""
    geometries = [feature.get("geometry") for feature in features if isinstance(feature, dict)]
    points = [point for geometry in geometries for point in _points(geometry)]
    if len(features) < count or not points:
        return None
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def _points(geometry: Any) -> list[tuple[float, float]]:
    if not isinstance(geometry, dict):
        return []
    if isinstance(geometry.get("geometries"), list):
        return [point for part in geometry["geometries"] for point in _points(part)]
    return list(_flat(geometry.get("coordinates")))


def _flat(coordinates: Any) -> list[tuple[float, float]]:
    if not isinstance(coordinates, list) or not coordinates:
        return []
    if type(coordinates[0]) in (int, float):
        numbers = [number for number in coordinates[:2] if type(number) in (int, float)]
        return [(float(numbers[0]), float(numbers[1]))] if len(numbers) == 2 else []
    return [point for part in coordinates for point in _flat(part)]
