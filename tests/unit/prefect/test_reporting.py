"""Maps, markdown and lineage by themselves, and the guards around what Prefect may change."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st
from prefect import flow, task
from prefect.assets import Asset
from prefect.context import AssetContext, TaskRunContext
from prefect.settings import get_current_settings

from prefect_geobox.client.api.run_mode import run_to_completion
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.subscription import WaitStats, WaitUpdate
from prefect_geobox.ownership.run_context import rename_task_run
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.reporting.assets import local_file_asset, materialize, prefect_asset
from prefect_geobox.reporting.left_out import left_out
from prefect_geobox.reporting.markdown import escaped
from prefect_geobox.reporting.summary import StepSummary, summary_markdown
from prefect_geobox.reporting.svg_map import MAX_SVG_BYTES, MapUnavailableError, draw_map
from prefect_geobox.reporting.wait_report import WaitReport
from tests.kit.sample_data import DATA


def _features(name: str) -> list[dict]:
    return json.loads((DATA / name).read_text())["features"]


SVG = "{http://www.w3.org/2000/svg}"


def _square(n: int) -> dict:
    x, y = (n % 100) * 10.0, (n // 100) * 10.0
    ring = [[x, y], [x + 8, y], [x + 8, y + 8], [x, y + 8], [x, y]]
    return {"geometry": {"type": "Polygon", "coordinates": [ring]}}


def test_a_map_of_polygons_is_small_and_well_formed():
    """The map of 177 countries is well-formed SVG within its limit and draws every part."""
    drawing = draw_map(_features("countries.geojson"), "countries & <more>")
    root = ElementTree.fromstring(drawing.svg)
    assert len(drawing.svg) <= MAX_SVG_BYTES
    assert drawing.drawn == drawing.parts >= 177
    assert len(root.findall(f"{SVG}g/{SVG}path")) == drawing.parts
    assert root.find(f"{SVG}title").text == "countries & <more>"


def test_a_map_of_points_draws_every_point_inside_the_picture():
    """The map of 243 cities has 243 dots, all inside its frame."""
    drawing = draw_map(_features("cities.geojson"))
    root = ElementTree.fromstring(drawing.svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    (path,) = root.findall(f"{SVG}g/{SVG}path")
    dots = [tuple(map(int, dot.split())) for dot in re.findall(r"M(\d+ \d+)h0", path.get("d"))]
    assert drawing.drawn == len(dots) == 243
    assert all(0 <= x <= width and 0 <= y <= height for x, y in dots)


@pytest.mark.parametrize(
    "features",
    [
        [_square(n) for n in range(2000)],
        [_square(n) for n in range(20_000)],
        [{"geometry": {"type": "MultiPoint", "coordinates": [[n, n % 97] for n in range(30_000)]}}],
        [
            {
                "geometry": {
                    "type": "LineString",
                    "coordinates": [[i, (i * 7919) % 101] for i in range(60_000)],
                }
            }
        ],
    ],
    ids=["2,000 squares", "20,000 squares", "30,000 points", "one wild line"],
)
def test_every_layer_has_a_map_within_the_limit(features):
    """The map of a layer with many parts fits the limit and says how many of them it draws."""
    drawing = draw_map(features)
    ElementTree.fromstring(drawing.svg)
    assert len(drawing.svg) <= MAX_SVG_BYTES
    assert 1 <= drawing.drawn <= drawing.parts
    assert drawing.parts == max(len(features), drawing.parts)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [1.0, 2.0]},
        {"type": "Point", "coordinates": [1.0, 2.0, 3.0]},
        {"type": "LineString", "coordinates": [[0, 0], [0, 5]]},
        {
            "type": "GeometryCollection",
            "geometries": [{"type": "MultiPoint", "coordinates": [[1, 1], [2, 2]]}],
        },
    ],
)
def test_degenerate_layers_have_a_map(geometry):
    """A single point, a straight line and a collection are drawn."""
    ElementTree.fromstring(draw_map([{"geometry": geometry}]).svg)


@pytest.mark.parametrize(
    "features",
    [[], [{"geometry": None}], [{}], [{"geometry": {"type": "Nonsense"}}], [None], ["text"]],
)
def test_what_cannot_be_drawn_says_so(features):
    """Features without a usable geometry give a clear message instead of a map."""
    with pytest.raises(MapUnavailableError, match="no geometry"):
        draw_map(features)


@given(st.text(max_size=200))
def test_escaped_text_cannot_open_markup(text):
    """Server text can start no tag, link, table cell or line of its own in an artifact."""
    result = escaped(text)
    assert "\n" not in result
    for position, sign in enumerate(result):
        if sign in "<>[]()|`*_!#":
            assert result[position - 1] == "\\"


def test_a_summary_escapes_names_of_the_server():
    """A hostile remote task name stays text in the summary."""
    hostile = RemoteTask.from_payload(
        {"uuid": "u-1", "state": "SUCCESS", "name": "[x](javascript:alert(1)) <script> | `"}
    )
    text = summary_markdown(StepSummary("wait-for-task", "title", [hostile]))
    assert "](javascript" not in text
    assert "<script>" not in text


def test_a_feature_with_two_reasons_is_left_out_once():
    """Features that were left out are counted once, whatever number of reasons each has."""
    reasons = [{"feature": 3, "msg": "no geometry"}, {"feature": 3, "msg": "no name"}]
    result = {"layer_uuid": "l", "errors": reasons}
    task = RemoteTask.from_payload({"uuid": "u", "state": "SUCCESS", "result": result})
    assert left_out(task, 9).startswith("1 of 10 features was left out: ")


def test_asset_keys_follow_prefects_rule():
    """Keys of outputs, of hosts with IPv6 and of local files with odd names are accepted."""
    asset = OutputAsset(
        kind=AssetKind.RASTER, uuid="u-1", name="dem", api_url="http://[::1]:8000/v1/rasters/u-1/"
    )
    assert prefect_asset(asset).key == "geobox://::1:8000/raster/u-1"
    local = local_file_asset(Path("/tmp/a b#c?[d] 100%.geojson"))
    assert local.key.startswith("file://")
    assert " " not in local.key


def test_prefect_still_takes_assets_that_are_known_only_at_run_time():
    """The undocumented way to add an asset to a running task still ends in its asset context."""
    asset = OutputAsset(kind=AssetKind.VECTOR, uuid="u-1", api_url="http://h/v1/vectorLayers/u-1/")
    seen = {}

    @task
    def makes_an_asset():
        materialize(asset, {"features": 1})
        context = AssetContext.get()
        seen["keys"] = {made.key for made in context.downstream_assets}
        seen["metadata"] = dict(context.materialization_metadata)
        seen["by"] = context.materialized_by

    @flow
    def run():
        makes_an_asset()

    run()
    assert seen == {
        "keys": {"geobox://h/vector/u-1"},
        "metadata": {"geobox://h/vector/u-1": {"features": 1}},
        "by": "geobox",
    }


def test_upstream_assets_stay_below_the_limit_of_prefects_events(caplog):
    """Of 150 inputs 75 become upstream assets, those of the step itself first, and a warning."""
    asset = OutputAsset(kind=AssetKind.VECTOR, uuid="u-1", api_url="http://h/v1/vectorLayers/u-1/")
    own = {Asset(key=f"geobox://h/vector/own-{n}") for n in range(30)}
    inherited = {Asset(key=f"geobox://h/vector/inherited-{n}") for n in range(120)}
    seen = {}

    @task
    def makes_an_asset():
        context = AssetContext.get()
        context.upstream_assets = set(inherited)
        materialize(asset, {}, own)
        seen["direct"] = set(context.direct_asset_dependencies)
        seen["inherited"] = set(context.upstream_assets)

    @flow
    def run():
        makes_an_asset()

    run()
    assert seen["direct"] == own
    assert len(seen["inherited"]) == 45
    assert seen["inherited"] < inherited
    assert "has 150 upstream assets; Prefect cannot take so many, and 75 of them" in caplog.text
    # Room for the run, its flow, deployment and tags.
    assert get_current_settings().server.events.maximum_related_resources >= 90


def test_lineage_trouble_is_logged_and_fails_nothing(monkeypatch, caplog):
    """Where Prefect's asset context breaks, the step goes on with a warning."""

    def broken():
        raise AttributeError("gone")

    asset = OutputAsset(kind=AssetKind.VECTOR, uuid="u-1", api_url="http://h/v1/vectorLayers/u-1/")

    @task
    def makes_an_asset():
        monkeypatch.setattr("prefect_geobox.reporting.assets.AssetContext.get", broken)
        materialize(asset, {})
        return "done"

    assert makes_an_asset() == "done"
    assert "is not tracked: AttributeError" in caplog.text


def test_a_task_run_can_be_renamed_from_within():
    """The name of a running task run changes on the object that the engine reports."""

    @task
    def renames_itself():
        rename_task_run("wait-for-something")
        return TaskRunContext.get().task_run.name

    assert renames_itself() == "wait-for-something"


def test_a_blocking_step_must_not_suspend():
    """A coroutine that suspends in a blocking step is an error."""
    import asyncio

    async def suspends():
        await asyncio.sleep(0)

    async def returns():
        return 7

    assert run_to_completion(returns()) == 7
    with pytest.raises(RuntimeError, match="tried to suspend"):
        run_to_completion(suspends())


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(caplog):
    """However often a wait fails in an outage, two lines report it, the second its duration."""
    task = RemoteTask.from_payload({"uuid": "u-1", "state": "PROGRESS", "name": "job"})
    report = WaitReport(SYNC_MODE, ["u-1"], show_progress=False)
    updates = [
        WaitUpdate(task, stats=WaitStats(outage_seconds=3.0)),
        WaitUpdate(task, stats=WaitStats(outage_seconds=3.0), trouble="503"),
        WaitUpdate(task, stats=WaitStats(outage_seconds=3.0), trouble="503"),
        WaitUpdate(task, stats=WaitStats(outage_seconds=7.5)),
    ]
    with caplog.at_level("INFO", logger="prefect_geobox"):
        for update in updates:
            run_to_completion(report(update))
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "No contact while waiting for remote task job; retrying. 503",
        "Connection restored after 4.5 s.",
    ]


async def test_both_run_modes_return_the_result_of_the_work():
    """Blocking and awaiting modes return the same value for the same work."""

    async def work():
        return 7

    assert await ASYNC_MODE.call(work()) == 7
    assert run_to_completion(SYNC_MODE.call(work())) == 7


@pytest.fixture(autouse=True)
def _server(prefect_server):
    """Tasks and flows need a server."""
