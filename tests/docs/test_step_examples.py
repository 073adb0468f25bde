"""The examples in the docstrings of the steps run, on data that they could be about."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Task

import prefect_geobox
from prefect_geobox import GeoboxCredentials, OutputAsset, by_name
from prefect_geobox.client import GeoboxClient, operations
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.tasks import assets, files, operations as operations_as_tasks

pytest.importorskip("geopandas")
pytest.importorskip("rasterio")
pytest.importorskip("geobox")

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from geobox import GeoboxClient as SdkClient
from rasterio.transform import from_origin
from shapely import Point, box

pytestmark = pytest.mark.slow

STEPS = [
    name
    for module in (assets, files, operations_as_tasks)
    for name in dir(module)
    if isinstance(step := getattr(module, name), Task) and "Example:" in (step.__doc__ or "")
]
COLLECTIONS = ("vectorLayers", "rasters", "tables", "files")
WORDS = ["built", "fields", "built", "woods"]


def _parcels(numbers: range) -> Any:
    return geopandas.GeoDataFrame(
        {
            "name": [f"parcel {number}" for number in numbers],
            "parcel_id": list(numbers),
            "kind": [WORDS[number % 4] for number in numbers],
            "owner": [f"owner {number}" for number in numbers],
            "status": ["obsolete" if number % 5 == 0 else "in force" for number in numbers],
            "population": [10.0 * number for number in numbers],
            "area": [900.0 + 40 * number for number in numbers],
            "density": [0.0 for _ in numbers],
            "height": [100.0 + number for number in numbers],
        },
        geometry=[box(300 * number, 0, 300 * number + 200, 200) for number in numbers],
        crs=3857,
    )


def _write_raster(path: Path, bands: Any) -> None:
    count, height, width = bands.shape
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": "float32",
        "crs": "EPSG:3857",
        "transform": from_origin(0, 1000, 50, 50),
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands.astype("float32"))


def _write_data(folder: Path) -> None:
    _parcels(range(1, 11)).to_file(folder / "parcels.gpkg", layer="parcels")
    _parcels(range(5, 15)).to_file(folder / "new.gpkg", layer="new")
    elsewhere = folder / "elsewhere.gpkg"
    for layer in ("parcels", "new_parcels", "roads"):
        _parcels(range(20, 25)).to_file(elsewhere, layer=layer)
    owners = pd.DataFrame({"owner": ["a", "b"]})
    pyogrio.write_dataframe(owners, elsewhere, layer="owners")
    city = geopandas.GeoDataFrame({"name": ["city"]}, geometry=[box(0, 0, 800, 800)], crs=3857)
    city.to_file(folder / "city.gpkg")
    gauges = [Point(100 + 200 * number, 50 * number) for number in range(10)]
    rain = {"millimetres": [float(number) for number in range(10)]}
    geopandas.GeoDataFrame(rain, geometry=gauges, crs=3857).to_file(folder / "gauges.gpkg")
    readings = pd.DataFrame(
        {"taken_at": ["2026-01-02", "2026-01-01"], "price": [2, 3], "amount": [4, 5], "total": 0}
    )
    readings.to_csv(folder / "readings.csv", index=False)
    readings.to_csv(folder / "more.csv", index=False, sep=";")
    slope = np.add.outer(np.arange(20.0), np.arange(20.0))
    _write_raster(folder / "heights.tif", slope[None])
    _write_raster(folder / "scene.tif", np.stack([slope + band for band in range(1, 5)]))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The names that the examples use, and what they stand for."""
    folder = tmp_path_factory.mktemp("world")
    _write_data(folder)
    sources = {
        "https://gis.example.org/wfs": folder / "elsewhere.gpkg",
        "db.example.org:5432/cadastre": folder / "elsewhere.gpkg",
    }
    with (
        GeoboxEmulator(seconds=0, sources=sources) as geobox,
        GeoboxClient(geobox.url, apikey=geobox.apikey) as client,
    ):

        def published(file: str, name: str, **options: Any) -> OutputAsset:
            return client.run(
                operations.publish_file,
                client.upload_file(folder / file),
                name,
                interval=0.02,
                progress_bar=False,
                **options,
            )

        named = {
            "layer": published("parcels.gpkg", "parcels"),
            "survey": published("new.gpkg", "survey"),
            "boundary": published("city.gpkg", "city"),
            "gauges": published("gauges.gpkg", "gauges"),
            "raster": published("heights.tif", "heights"),
            "scene": published("scene.tif", "scene"),
            "table": published("readings.csv", "readings", publish_as="table"),
            "file": client.find_asset("file", "new.gpkg"),
        }
        published("heights.tif", "roads_raster")
        named |= {"parcels": named["layer"], "slope": named["raster"], "dem": named["raster"]}
        sdk = SdkClient(host=geobox.url, apikey=geobox.apikey)
        shown = [sdk.get_vector(named["layer"].uuid)]
        sdk.create_map(name="city map")
        named["tileset"] = sdk.create_tileset(name="base map", layers=shown)
        mosaic = sdk.create_mosaic(name="orthophotos")
        mosaic.add_rasters([sdk.get_raster(named["raster"].uuid)])
        sdk.create_group_layer("utilities", layers=shown)
        sdk.session.close()
        yield {
            **named,
            "by_name": by_name,
            "more": client.upload_file(folder / "more.csv"),
            "cadastre": operations.Database(
                db_type="postgis",
                host="db.example.org",
                port=5432,
                db_name="cadastre",
                username="reader",
                password="of-the-test",
            ),
            "credentials": GeoboxCredentials(host=geobox.url, apikey=geobox.apikey),
            "folder": folder,
        }


@pytest.fixture
def cleaned(world: dict[str, Any]) -> Iterator[None]:
    """Deletes what an example has made, so that the next one finds its names free."""
    settings = world["credentials"].get_settings()
    with httpx.Client(
        base_url=settings.base_url, params={"apikey": str(settings.credential.secret)}
    ) as http:

        def paths() -> set[str]:
            return {
                f"{collection}/{found['uuid']}/"
                for collection in COLLECTIONS
                for found in http.get(f"{collection}/", params={"limit": 1000}).json()
            }

        before = paths()
        yield
        for path in paths() - before:
            http.delete(path)


def _step(name: str) -> Callable[..., Any]:
    # As Prefect would call it, but without the pauses of a flow run and of a wait.
    function: Callable[..., Any] = getattr(prefect_geobox, name).fn
    is_waiting = "interval" in inspect.signature(function).parameters
    return partial(function, interval=0.02) if is_waiting else function


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.usefixtures("cleaned", "prefect_server")
def test_the_example_of_a_step_runs(
    name: str, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example uses the step that it is about, and runs."""
    doc = inspect.cleandoc(getattr(prefect_geobox, name).__doc__ or "")
    (code,) = re.findall(r"```python\n(.*?)```", doc, re.DOTALL)
    code = textwrap.dedent(code)
    assert f"{name}(" in code
    used = {word: _step(word) for word in re.findall(r"\b(\w+)\(credentials", code)}
    own = {"file": world["more"]} if name == "import_rows" else {}
    monkeypatch.chdir(world["folder"])

    exec(compile(code, name, "exec"), {**world, **own, **used})


def test_every_operation_has_an_example() -> None:
    """No step is without one."""
    assert set(operations.OPERATIONS) <= set(STEPS)
