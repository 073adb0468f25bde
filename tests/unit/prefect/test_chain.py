"""Steps whose outputs feed the next ones, on a real server with real geodata."""

from __future__ import annotations

import asyncio

import geopandas
import pytest
from prefect import flow, unmapped

from prefect_geobox import (
    InvalidArgumentError,
    NameLookupError,
    TaskFailedError,
    adownload_file,
    aexport_features,
    apublish_file,
    arun_vector_tool,
    aupload_file,
    by_name,
    calculate_field,
    delete_asset,
    download_file,
    export_features,
    find_asset,
    publish_file,
    run_vector_tool,
    seed_tileset_cache,
    upload_file,
)
from tests.kit.sample_data import CITIES, COUNTRIES

FAST = {"interval": 0.02, "max_interval": 0.05}


def _edges(records, count):
    return {
        event["resource"]["prefect.resource.id"]: {
            related["prefect.resource.id"]
            for related in event["related"]
            if related["prefect.resource.role"] == "asset"
        }
        for event in records.events("prefect.asset.materialization.succeeded", count)
    }


def test_a_chain_of_steps_is_right_and_shows_its_lineage(credentials, records_of, tmp_path):
    """Publish, buffer, export, download: the file is right, and each output leads to the next."""

    @flow
    def chain():
        file = upload_file(credentials, COUNTRIES)
        layer = publish_file(credentials, file, "countries", **FAST)
        near = run_vector_tool(
            credentials, "buffer", layer, "countries_50km", distance=50_000, **FAST
        )
        exported = export_features(credentials, near, "near.gpkg", zipped=False, **FAST)
        place = download_file(credentials, exported, f"{tmp_path}/out/")
        return file, layer, near, exported, place

    state = chain(return_state=True)

    file, layer, near, exported, place = state.result()
    assert place == tmp_path / "out" / "near.gpkg"
    made = geopandas.read_file(place)
    before = geopandas.read_file(COUNTRIES).to_crs(3857)
    assert len(made) == len(before) == 177
    assert made.crs.to_epsg() == 3857
    expected = before.set_index("name").geometry.apply(
        lambda shape: shape.buffer(50_000, quad_segs=8)
    )
    found = made.set_index("name").geometry
    # The south pole is cut off where Web Mercator ends.
    names = [name for name in expected.index if name != "Antarctica"]
    ratio = found.loc[names].area / expected.loc[names].area
    assert ratio.between(0.999, 1.001).all()

    records = records_of(state)
    edges = _edges(records, 5)
    (local,) = [key for key in edges if key.endswith("/out/near.gpkg")]
    assert edges[layer.asset_key] == {file.asset_key}
    assert edges[near.asset_key] == {layer.asset_key}
    assert edges[exported.asset_key] == {near.asset_key}
    assert edges[local] == {exported.asset_key}
    assert records.task_names(5) == {
        "upload-countries.geojson",
        "publish-countries",
        "run-countries_50km",
        "export-near.gpkg",
        "download-near.gpkg",
    }
    shown = records.artifact("geobox-run-vector-tool").replace("\\", "")
    assert "Run buffer on countries as countries_50km" in shown
    assert "data:image/svg+xml;base64," in shown
    assert "| Features | 177 |" in shown


async def test_the_async_twins_chain_too(credentials, tmp_path):
    """The async twins do the same, several at once."""

    @flow
    async def chain():
        file = await aupload_file(credentials, CITIES)
        layer = await apublish_file(credentials, file, "cities", **FAST)
        near = await asyncio.gather(
            *(
                arun_vector_tool(
                    credentials, "buffer", layer, f"cities_{far}", distance=far, **FAST
                )
                for far in (10, 20)
            )
        )
        exported = await aexport_features(credentials, near[1], "near.geojson", **FAST)
        return await adownload_file(credentials, exported, tmp_path / "near.zip")

    place = await chain()
    made = geopandas.read_file(f"zip://{place}")
    assert len(made) == 243
    # A circle of 32 corners.
    assert made.to_crs(3857).area.between(1240, 1260).all()


def test_steps_are_mapped_over_names(credentials):
    """A step fans out over layers that are named, and waits for others that it does not use."""

    @flow
    def fan_out():
        file = upload_file(credentials, CITIES)
        first = publish_file.submit(credentials, file, "first", **FAST)
        second = publish_file.submit(credentials, file, "second", **FAST)
        return run_vector_tool.map(
            unmapped(credentials),
            unmapped("centroid"),
            [by_name("first"), by_name("second")],
            ["a", "b"],
            wait_for=[first, second],
            **{name: unmapped(value) for name, value in FAST.items()},
        ).result()

    assert [layer.name for layer in fan_out()] == ["a", "b"]


def test_a_failure_names_the_reason_the_tool_and_its_parameters(credentials, records_of):
    """A refusal of the server is shown with the request, in the error and on the run page."""

    @flow
    def fail():
        layer = publish_file(credentials, upload_file(credentials, CITIES), "cities", **FAST)
        run_vector_tool(
            credentials, "dissolve", layer, "dissolved", dissolve_field="no_such_field", **FAST
        )

    state = fail(return_state=True)

    with pytest.raises(TaskFailedError, match=r"no_such_field.*Run dissolve on cities as") as error:
        state.result()
    assert "dissolve_field=no_such_field" in str(error.value)
    shown = records_of(state).artifact("geobox-run-vector-tool").replace("\\", "")
    assert "Could not run dissolve on cities as dissolved" in shown
    assert "dissolve_field=no_such_field" in shown


def test_names_that_are_not_clear_are_refused(credentials, geobox_emulator):
    """A name that nothing has, or that a layer and a view have, starts nothing."""

    @flow
    def ask(name):
        export_features(credentials, by_name(name), "x.gpkg", **FAST)

    with pytest.raises(NameLookupError, match="no vector layer or view named 'none'"):
        ask("none")
    assert not [request for request in geobox_emulator.requests if request.method == "POST"]


def test_wrong_inputs_are_refused_before_any_request(credentials, geobox_emulator):
    """A file as a layer, and an unknown tool, parameter type or keyword are refused."""
    with credentials.get_client() as client:
        file = client.upload_file(CITIES)
    geobox_emulator.clear_requests()
    uuid = "00000000-0000-4000-8000-000000000000"
    for call, message in (
        (lambda: export_features.fn(credentials, file, "x.gpkg"), "got the file cities.geojson"),
        (lambda: export_features.fn(credentials, uuid, "x.txt"), "out_format must be given"),
        (lambda: export_features.fn(credentials, uuid, "x.gpkg", ziped=True), "mean zipped"),
        (lambda: export_features(credentials, uuid, ziped=True), "ziped'. Did you mean zipped"),
        (lambda: export_features(credentials, uuid), r"needs filename \(str\): The name of"),
        (lambda: export_features(None, uuid, "x.gpkg"), "must be a GeoboxCredentials block, given"),
        (export_features, r"needs credentials \(GeoboxCredentials\)"),
        (lambda: run_vector_tool.fn(credentials, "bufer", uuid, "x"), "mean buffer"),
        (lambda: run_vector_tool.fn(credentials, "buffer", uuid, "x"), "distance is missing"),
        (
            lambda: run_vector_tool.fn(credentials, "buffer", uuid, "x", distance="far"),
            "distance must be a number; got 'far'",
        ),
        (
            lambda: run_vector_tool.fn(credentials, "clip", uuid, "x", clip=file),
            "clip must be a vector layer or a view; got the file",
        ),
        (lambda: calculate_field.fn(credentials, uuid, "", "1"), "target_field"),
        (lambda: seed_tileset_cache.fn(credentials, uuid, 3, 2), "from_zoom must not exceed"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            call()
    assert geobox_emulator.requests == []


def test_what_a_flow_has_made_is_found_and_deleted(credentials):
    """A flow finds a layer by its name and deletes it, as a view of what it leaves."""

    @flow
    def tidy():
        publish_file(credentials, upload_file(credentials, CITIES), "cities", **FAST)
        layer = find_asset(credentials, "vector", "cities")
        delete_asset(credentials, layer)
        return layer

    layer = tidy()
    with credentials.get_client() as client:
        assert client.find_assets("vector", layer.name) == []
