"""Correct uses of the public names: neither type checker reports anything here."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture
from typing_extensions import assert_type

from prefect_geobox import (
    AsyncGeoboxClient,
    GeoboxClient,
    GeoboxCredentials,
    OutputAsset,
    RemoteTask,
    TaskProgress,
    adelete_asset,
    aexport_features,
    apublish_file,
    aseed_layer_cache,
    await_for_tasks,
    by_name,
    calculate_field,
    count_tasks,
    export_features,
    get_output_asset,
    get_progress,
    get_task,
    list_tasks,
    publish_file,
    run_vector_tool,
    seed_layer_cache,
    upload_file,
    wait_for_task,
    wait_for_tasks,
)
from prefect_geobox.client import operations


@flow
def steps(credentials: GeoboxCredentials, path: str) -> None:
    """Steps that are called, submitted and changed by `with_options`."""
    file = upload_file(credentials, path)
    assert_type(file, OutputAsset)
    layer = publish_file(credentials, file, "cities", timeout=600, on_cancel="leave", key="a")
    assert_type(layer, OutputAsset)
    near = run_vector_tool(credentials, "buffer", layer, "near", distance=10, temporary=True)
    assert_type(near, OutputAsset)
    exported = export_features(credentials, by_name("near"), "near.gpkg", out_format="GPKG")
    assert_type(exported, OutputAsset)
    assert_type(calculate_field(credentials, layer, "name", "name"), RemoteTask)
    assert_type(seed_layer_cache(credentials, layer), list[RemoteTask])
    future = export_features.submit(credentials, near, "near.geojson", zipped=False)
    assert_type(future, PrefectFuture[OutputAsset])
    patient = publish_file.with_options(retries=3, retry_delay_seconds=1)
    assert_type(patient(credentials, file, "cities_2"), OutputAsset)


@flow
async def async_steps(credentials: GeoboxCredentials, file: OutputAsset) -> None:
    """The async twins return the same."""
    layer = await apublish_file(credentials, file, "cities", reattach="deployment")
    assert_type(layer, OutputAsset)
    assert_type(await aexport_features(credentials, layer, "cities.gpkg"), OutputAsset)
    assert_type(await aseed_layer_cache(credentials, layer), list[RemoteTask])
    await adelete_asset(credentials, layer)
    both = await asyncio.gather(
        aexport_features(credentials, layer, "a.gpkg"),
        aexport_features(credentials, layer, "b.gpkg"),
    )
    assert_type(both[0], OutputAsset)


@flow
def waits(credentials: GeoboxCredentials, uuid: str) -> None:
    """Remote tasks that exist already."""
    assert_type(get_task(credentials, uuid), RemoteTask)
    assert_type(get_progress(credentials, uuid), TaskProgress)
    tasks = list_tasks(credentials, state="PROGRESS", limit=5, order_by="accepted_at D")
    assert_type(tasks, list[RemoteTask])
    assert_type(count_tasks(credentials, q="name LIKE 'import%'"), int)
    ended = wait_for_task(credentials, uuid, timeout=60, interval=0.5, on_timeout="abort")
    assert_type(ended, RemoteTask)
    assert_type(wait_for_tasks(credentials, tasks, raise_on_failure=False), list[RemoteTask])
    assert_type(get_output_asset(credentials, ended), OutputAsset | None)


@flow
async def async_waits(credentials: GeoboxCredentials, uuids: list[str]) -> None:
    """Several remote tasks, awaited."""
    assert_type(await await_for_tasks(credentials, uuids, outage=60), list[RemoteTask])


def without_prefect(path: str) -> dict[str, Any]:
    """The same operations by the client."""
    with GeoboxClient("https://geobox.example", apikey="…", requests_per_second=5) as client:
        file = client.upload_file(path)
        layer = client.run(operations.publish_file, file, "cities", timeout=600)
        assert_type(layer, OutputAsset)
        started = client.start(operations.calculate_field, layer, "name", "name")
        assert_type(started, RemoteTask)
        assert_type(client.wait_for_task(started, timeout=5, max_interval=1), RemoteTask)
        return client.get_features(layer, limit=1)


async def without_prefect_async(file: OutputAsset) -> None:
    """The same by the async client."""
    async with AsyncGeoboxClient() as client:
        layer = await client.run(operations.publish_file, file, "cities")
        assert_type(layer, OutputAsset)
        assert_type(await client.run(operations.seed_layer_cache, layer), list[RemoteTask])
