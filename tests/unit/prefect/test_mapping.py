"""Tasks mapped over some arguments, with the same block or model for all."""

from __future__ import annotations

from prefect import Task, flow, unmapped

import prefect_geobox
from prefect_geobox import (
    aget_task,
    aupload_file,
    by_name,
    export_features,
    get_output_asset,
    get_task,
    publish_file,
    sdk_step,
    upload_file,
    wait_for_task,
)
from prefect_geobox.tasks._step_task import StepTask
from tests.kit.sample_data import CITIES, COUNTRIES

FAST = {"interval": 0.02, "max_interval": 0.05}


def test_credentials_are_the_same_for_all(credentials):
    """`.map(credentials, paths)` maps over the paths, and what it returns can be mapped over."""

    @flow
    def run() -> list[str]:
        files = upload_file.map(credentials, [CITIES, COUNTRIES])
        layers = publish_file.map(credentials, files, ["cities", "countries"], **FAST)
        return [layer.name for layer in layers.result()]

    assert run() == ["cities", "countries"]


def test_a_model_alone_is_the_same_for_all(credentials, layer):
    """One asset, given as it is, by keyword or as a future, is not taken apart."""

    @flow
    def run() -> list[str]:
        names = ["a.geojson", "b.geojson"]
        options = {"out_format": "GeoJSON", **FAST}
        files = export_features.map(credentials, layer, names, **options).result()
        files += export_features.map(credentials, filename=names, layer=layer, **options).result()
        file = upload_file.submit(credentials, CITIES)
        made = publish_file.map(credentials, file, ["first", "second"], **FAST).result()
        return [each.name for each in [*files, *made]]

    names = run()
    assert len(names) == 6
    assert names[4:] == ["first", "second"]


def test_lists_of_models_are_mapped_over(credentials, geobox_emulator):
    """Remote tasks in a list, or a future of a list, are one for each task run."""
    uuids = [geobox_emulator.add_task(name=name, seconds=0) for name in "ab"]

    @flow
    def run() -> list[str]:
        tasks = get_task.map(credentials, uuids).result()
        ended = wait_for_task.map(credentials, tasks, **FAST)
        listed = prefect_geobox.list_tasks.submit(credentials, order_by="accepted_at A")
        again = get_task.map(credentials, listed).result()
        assert get_output_asset.map(credentials, ended).result() == [None, None]
        return [task.name for task in [*ended.result(), *again]]

    assert run() == ["a", "b", "a", "b"]


async def test_async_twins_are_mapped_alike(credentials, geobox_emulator):
    """The async twins take credentials and one model for all too."""
    uuids = [geobox_emulator.add_task(name=name, seconds=0) for name in "ab"]

    @flow
    async def run() -> list[str]:
        files = aupload_file.map(credentials, [CITIES, COUNTRIES])
        tasks = aget_task.map(credentials, uuids)
        return [each.name for each in [*files.result(), *tasks.result()]]

    assert await run() == ["cities.geojson", "countries.geojson", "a", "b"]


def test_with_options_keeps_it(credentials):
    """A copy with other options maps like the original, and has the options."""
    step = upload_file.with_options(retries=2, name="another").with_options(tags=["x"])
    assert (step.retries, step.name, step.tags) == (2, "another", {"x"})
    assert upload_file.retries == 0

    @flow
    def run() -> int:
        return len(step.map(credentials, [CITIES, COUNTRIES]).result())

    assert run() == 2


def test_what_is_not_a_model_needs_unmapped(credentials, layer):
    """Other arguments that can be iterated are mapped over, unless they are `unmapped`."""

    @flow
    def run() -> int:
        return len(
            export_features.map(
                unmapped(credentials),
                unmapped(layer),
                ["a.geojson", "b.geojson"],
                out_format="GeoJSON",
                bbox=unmapped([0, 0, 90, 90]),
                **FAST,
            ).result()
        )

    assert run() == 2


def test_all_tasks_of_the_package_are_of_this_kind():
    """No task of the package takes a block apart, functions with the official SDK included."""

    @sdk_step
    def own(client, name):
        return name

    tasks = [getattr(prefect_geobox, name) for name in prefect_geobox.__all__]
    tasks = [each for each in tasks if isinstance(each, Task)] + [own]
    assert len(tasks) > 20
    assert all(isinstance(each, StepTask) for each in tasks)


def test_a_name_that_stands_for_an_asset_is_the_same_for_all(credentials, layer):
    """`by_name` needs no `unmapped`."""

    @flow
    def run() -> int:
        return len(
            export_features.map(
                credentials,
                by_name("cities"),
                ["a.geojson", "b.geojson"],
                out_format="GeoJSON",
                **FAST,
            ).result()
        )

    assert run() == 2
