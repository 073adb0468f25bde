"""Owned steps besides publishing: retries, several remote tasks, clean-up, any endpoint."""

from __future__ import annotations

import pytest
from prefect import flow

from prefect_geobox import (
    AssetKind,
    InvalidArgumentError,
    TaskFailedError,
    TaskTimeoutError,
    astart_task,
    delete_outputs,
    export_features,
    get_output_asset,
    import_features,
    polygonize,
    publish_file,
    rasterize,
    run_vector_tool,
    save_as_layer,
    seed_tileset_cache,
    start_task,
    upload_file,
)
from tests.kit.sample_data import CITIES

pytest.importorskip("rasterio")

FAST = {"interval": 0.02, "max_interval": 0.05}


def starts(geobox_emulator):
    """The paths of the requests that started something, below the version."""
    ends = ("/export/", "/saveAsLayer/", "/polygonize/", "/publish/", "/seed/")
    return [
        request.path.removeprefix("/v1/")
        for request in geobox_emulator.requests
        if request.method == "POST" and request.path.endswith(ends)
    ]


def test_a_retried_flow_starts_each_step_once(credentials, geobox_emulator, layer):
    """A second attempt finds the tool's layer and the exported file of the first one."""
    attempts = []

    @flow(retries=1)
    def run():
        near = run_vector_tool(credentials, "buffer", layer, "near", distance=5, **FAST)
        file = export_features(credentials, near, "near.gpkg", **FAST)
        attempts.append((near.uuid, file.uuid))
        if len(attempts) == 1:
            raise RuntimeError("once")

    geobox_emulator.clear_requests()
    run()
    assert attempts[0] == attempts[1]
    assert len(starts(geobox_emulator)) == 2


def test_polygons_are_published_by_a_second_remote_task(
    credentials, geobox_emulator, layer, records_of
):
    """Polygonize with `publish` starts two remote tasks, each once, and shows both outputs."""
    attempts = []

    @flow(retries=1)
    def run():
        raster = rasterize(credentials, layer, "raster", pixel_size=500_000, **FAST)
        made = polygonize(credentials, raster, "polygons", publish=True, temporary=True, **FAST)
        attempts.append(made.uuid)
        if len(attempts) == 1:
            raise RuntimeError("once")
        return made

    geobox_emulator.clear_requests()
    state = run(return_state=True)
    made = state.result()
    assert (made.kind, made.name) == (AssetKind.VECTOR, "polygons")
    assert made.data["temporary"] is True
    assert attempts[0] == attempts[1]
    assert len([path for path in starts(geobox_emulator) if "poly" in path]) == 1
    assert len([path for path in starts(geobox_emulator) if path.endswith("publish/")]) == 1
    artifacts = [artifact.key for artifact in records_of(state).artifacts]
    assert {"geobox-polygonize", "geobox-publish-file"} <= set(artifacts)


def test_all_remote_tasks_of_a_cache_are_owned(credentials, geobox_emulator, layer):
    """Of two that one request starts both are waited for, found again, and aborted when late."""
    pytest.importorskip("geobox")
    sdk = credentials.get_sdk_client()
    tileset = sdk.create_tileset(name="tiles", layers=[sdk.get_vector(layer.uuid)])
    attempts = []

    @flow(retries=1)
    def run():
        tasks = seed_tileset_cache(credentials, tileset, **FAST)
        attempts.append([task.uuid for task in tasks])
        if len(attempts) == 1:
            raise RuntimeError("once")
        return tasks

    geobox_emulator.clear_requests()
    tasks = run()
    assert len(tasks) == 2
    assert all(task.succeeded for task in tasks)
    assert attempts[0] == attempts[1]
    assert len(starts(geobox_emulator)) == 1

    geobox_emulator.seconds = 60
    with pytest.raises(TaskTimeoutError) as error:
        seed_tileset_cache.fn(credentials, tileset, timeout=0.3, **FAST)
    with credentials.get_client() as client:
        late = [client.get_task(task).state_text for task in error.value.tasks]
    assert late == ["ABORTED", "ABORTED"]
    sdk.session.close()


def test_a_failed_run_deletes_what_it_has_made(credentials, geobox_emulator, layer, monkeypatch):
    """The hook deletes the run's uploads and outputs; what it only changed stays."""
    monkeypatch.setenv("GEOBOX_HOST", geobox_emulator.url)
    monkeypatch.setenv("GEOBOX_APIKEY", geobox_emulator.apikey)

    @flow(on_failure=[delete_outputs])
    def run():
        file = upload_file(credentials, CITIES)
        publish_file(credentials, file, "second", **FAST)
        import_features(credentials, layer, file, **FAST)
        run_vector_tool(credentials, "centroid", layer, "third", **FAST)
        raise RuntimeError("after all")

    with credentials.get_client() as client:
        files = {file.uuid for file in client.find_assets("file", "cities.geojson")}
        with pytest.raises(RuntimeError, match="after all"):
            run()
        assert client.find_assets("vector", "second") == []
        assert client.find_assets("vector", "third") == []
        assert {file.uuid for file in client.find_assets("file", "cities.geojson")} == files
        assert client.count_features(layer) == 2 * 243


def test_any_endpoint_is_a_step(credentials, layer, records_of):
    """An endpoint without a step of its own is started, waited for, and its output shown."""

    @flow
    def run():
        task = start_task(
            credentials,
            "POST",
            f"vectorLayers/{layer.uuid}/export/",
            form={"out_format": "GeoJSON", "out_filename": "x", "zipped": False},
            **FAST,
        )
        return get_output_asset(credentials, task)

    state = run(return_state=True)
    file = state.result()
    assert file.kind is AssetKind.FILE
    assert file.uuid in records_of(state).artifact("geobox-start-task")


async def test_any_endpoint_is_an_async_step(credentials, layer):
    """The async twin sends JSON and a query just as well."""

    @flow
    async def run():
        return await astart_task(
            credentials, "POST", f"vectorLayers/{layer.uuid}/cache/seed/", json={"workers": 1}
        )

    assert (await run()).succeeded


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/",
        "//evil.example/x/",
        "https://evil.example/x/",
        "files/../tasks/",
        "files/%2e%2e/tasks/",
        "files/?apikey=x",
        "files/#x",
        "files\\x",
        "..",
        "",
        "files/ x",
        "@evil.example",
        "x:80@evil.example/y",
    ],
)
def test_a_path_cannot_lead_elsewhere(credentials, geobox_emulator, path):
    """A path with a host, a scheme, a query or `..` in it is refused; nothing is sent."""
    geobox_emulator.clear_requests()
    with pytest.raises(InvalidArgumentError, match="path must be relative"):
        start_task.fn(credentials, "POST", path, json={})
    assert geobox_emulator.requests == []


def test_what_starts_nothing_is_refused(credentials, geobox_emulator):
    """A GET, two bodies at once, or a key in the query are refused; nothing is sent."""
    geobox_emulator.clear_requests()
    for options, message in (
        ({"method": "GET", "path": "x/"}, "method must be one of POST"),
        ({"method": "POST", "path": "x/", "json": {}, "form": {}}, "json and form"),
        ({"method": "POST", "path": "x/", "params": {"apikey": "x"}}, "must not carry an apikey"),
        ({"method": "POST", "path": "x/", "form": "a=b"}, "form must be"),
        ({"method": "POST", "path": "x/", "reattach": "always"}, "reattach must be one of"),
        ({"method": "POST", "path": "x/", "interval": 0}, "interval"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            start_task.fn(credentials, **options)
    assert geobox_emulator.requests == []


def test_a_failed_step_is_renewed_by_a_retry(credentials, geobox_emulator, layer):
    """A remote task that has failed is started again by a retry of the flow."""
    attempts = []

    @flow(retries=1)
    def run():
        attempts.append(1)
        if len(attempts) == 2:
            with credentials.get_client() as client:
                client.delete_asset(client.find_asset("vector", "copy"))
        return save_as_layer(credentials, layer, "copy", **FAST)

    with credentials.get_client() as client:
        from prefect_geobox.client import operations

        client.run(operations.save_as_layer, layer, "copy", **FAST)
    assert run().name == "copy"
    with pytest.raises(TaskFailedError, match="exists already"):
        save_as_layer.fn(credentials, layer, "copy", **FAST)
