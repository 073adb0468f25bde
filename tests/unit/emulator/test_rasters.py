"""What rasters tell of themselves, and what the raster analyses refuse, with the official SDK."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit.plain_api import Api, geojson, new_name, point

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("rasterio")

import numpy as np
from geobox.enums import (
    AnalysisDataType,
)
from geobox.exception import NotFoundError, ValidationError
from geobox.raster_analysis import RasterAnalysis

from prefect_geobox.emulator.raster_tools.catalogue import ANALYSES
from prefect_geobox.emulator.raster_tools.parameters import REQUIRED
from tests.kit.geotiff import (
    BUMPS,
    MERCATOR,
    NORTH,
    WEST,
    failed,
    geotiff,
    made,
    publish_raster,
    raster_of,
)
from tests.kit.official_sdk import settled


async def test_raster_tells_of_itself(client: Any, api: Api) -> None:
    """Frame, statistics and the value of a place are those of the file."""
    values = np.array([[1, 2], [3, -9999]], "int16")
    raster = await raster_of(client, api, np.stack([values, values * 10]), -9999)
    info = await settled(raster.info)
    assert (info["width"], info["height"], info["count"], info["dtype"]) == (2, 2, 2, "int16")
    assert (info["crs"], info["nodata"]) == (MERCATOR, -9999)
    assert info["extent"] == [WEST, NORTH - 20, WEST + 20, NORTH]
    statistics = await settled(raster.get_statistics())
    assert list(statistics) == ["band1", "band2"]
    assert {k: statistics["band1"][k] for k in ("min", "max", "mean", "count")} == {
        "min": 1,
        "max": 3,
        "mean": 2,
        "count": 3,
    }
    assert list(await settled(raster.get_statistics(indexes="2"))) == ["band2"]
    west, south, east, north = info["bounds"]
    at = [
        (south + (north - south) * y, west + (east - west) * x) for y, x in ((0.7, 0.2), (0.2, 0.7))
    ]
    assert [await settled(raster.get_point(lat=lat, lng=lng)) for lat, lng in at] == [
        {"value": 1},
        {"value": None},
    ]
    assert await settled(raster.get_point(lat=50, lng=50)) == {"value": None}
    assert raster.thumbnail.endswith("thumbnail.png")


async def test_raster_is_downloaded_whole_and_in_parts(
    client: Any, api: Api, tmp_path: Path
) -> None:
    """The download is the published GeoTIFF; a part of it can be asked for."""
    content = geotiff(BUMPS)
    task = api.publish("a.tif", content, publish_as="raster")
    raster = await settled(client.get_raster(task["result"]["raster_uuid"]))
    path = await settled(raster.download(save_path=f"{tmp_path}/", progress_bar=False))
    assert path.endswith(f"{raster.name}.tif")
    assert (tmp_path / f"{raster.name}.tif").read_bytes() == content
    part = api.http.get(f"rasters/{raster.uuid}/download/", headers={"Range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, content[100:])


async def test_unreadable_raster_fails_with_a_reason(client: Any, api: Api) -> None:
    """What only begins like a TIFF is published, but nothing can be made of it."""
    task = api.publish("a.tif", b"II*\0" + bytes(60), publish_as="raster")
    raster = await settled(client.get_raster(task["result"]["raster_uuid"]))
    slope = client.raster_analysis.slope(raster=raster, output_raster_name=new_name())
    assert "cannot be read" in await failed(slope)
    with pytest.raises(ValidationError, match="cannot be read"):
        await settled(raster.info)


async def test_name_that_exists_fails(client: Any, api: Api) -> None:
    """Two rasters cannot have one name; the second task fails, as one that publishes does."""
    options = {"output_raster_name": new_name(), "extent": "0,0,10,10", "value": 1}
    await made(api, client.raster_analysis.constant(**options))
    assert "exists already" in await failed(client.raster_analysis.constant(**options))


async def test_too_large_a_raster_fails_at_once(client: Any, api: Api) -> None:
    """A world of cells of ten metres is refused rather than computed."""
    run = client.raster_analysis.constant
    task = run(output_raster_name=new_name(), extent="0,0,1e7,1e7", value=1)
    assert "makes at most" in await failed(task)


async def test_nodata_that_its_type_cannot_hold_fails(client: Any, api: Api) -> None:
    """The SDK's default of -9999 does not fit bytes, which the failure says."""
    byte = {"dtype": AnalysisDataType.uint8, "extent": "0,0,10,10", "value": 1}
    task = client.raster_analysis.constant(output_raster_name=new_name(), **byte)
    assert await failed(task) == "the type uint8 cannot hold the nodata value -9999"


async def test_unknown_input_is_not_found(client: Any, api: Api) -> None:
    """A raster or layer that does not exist is a 404 for each analysis."""
    raster = await raster_of(client, api, BUMPS)
    uuid = raster.uuid
    await settled(raster.delete())
    raster.uuid = uuid
    run = client.raster_analysis
    with pytest.raises(NotFoundError, match=uuid):
        await settled(run.slope(raster=raster, output_raster_name=new_name()))
    with pytest.raises(NotFoundError, match="nowhere"):
        await settled(
            run.calculator(
                variables='{"A": "nowhere"}', expr="A + 1", output_raster_name=new_name()
            )
        )


GOOD: dict[str, dict[str, Any]] = {
    "constant": {"extent": "0,0,10,10", "value": 1},
    "slope": {"raster_uuid": "RASTER"},
    "fill": {"raster_uuid": "RASTER"},
    "reclassify": {"raster_uuid": "RASTER", "rules": '{"1": 2}', "mode": "exact"},
    "calculator": {"variables": '{"A": "RASTER"}', "expr": "A"},
    "polygonize": {"raster_uuid": "RASTER", "output_layer_name": "out"},
    "resample": {"raster_uuid": "RASTER", "scale_factor": "2"},
    "rasterize": {"layer_uuid": "LAYER"},
    "clip": {"raster_uuid": "RASTER", "layer_uuid": "LAYER"},
    "idw": {"layer_uuid": "LAYER", "z_field": "number"},
}


@pytest.mark.parametrize(
    ("analysis", "changes", "name"),
    [
        ("slope", {"output_raster_name": None}, "output_raster_name"),
        ("slope", {"raster_uuid": None}, "raster_uuid"),
        ("slope", {"slope_units": "radians"}, "slope_units"),
        ("slope", {"algorithm": "horn"}, "algorithm"),
        ("slope", {"scale": "0"}, "scale"),
        ("slope", {"compute_edges": "perhaps"}, "compute_edges"),
        ("slope", {"nodata_out": "none"}, "nodata_out"),
        ("constant", {"extent": None}, "extent"),
        ("constant", {"extent": "0,0,10"}, "extent"),
        ("constant", {"extent": "10,0,0,10"}, "extent"),
        ("constant", {"value": "nan"}, "value"),
        ("constant", {"pixel_size": "0"}, "pixel_size"),
        ("constant", {"dtype": "int8"}, "dtype"),
        ("constant", {"align_to": "1"}, "align_to"),
        ("fill", {"band": "0"}, "band"),
        ("fill", {"band": "first"}, "band"),
        ("fill", {"smoothing_iterations": "1.5"}, "smoothing_iterations"),
        ("reclassify", {"rules": "{"}, "rules"),
        ("reclassify", {"rules": "[]"}, "rules"),
        ("reclassify", {"rules": '{"a": 1}'}, "rules"),
        ("reclassify", {"rules": "[[1, 2]]"}, "rules"),
        ("reclassify", {"mode": "range"}, "mode"),
        # What the SDK makes of a dict of variables.
        ("calculator", {"variables": "A"}, "variables"),
        ("calculator", {"variables": '{"A": ["RASTER", 0]}'}, "variables"),
        ("calculator", {"variables": '{"a b": "RASTER"}'}, "variables"),
        ("polygonize", {"output_layer_name": None}, "output_layer_name"),
        ("polygonize", {"connectivity": "6"}, "connectivity"),
        ("polygonize", {"keep_values": '["a"]'}, "keep_values"),
        ("resample", {"resample_method": "nearest"}, "resample_method"),
        ("resample", {"scale_factor": None, "out_res": "5,-5"}, "out_res"),
        ("rasterize", {"burn_attribute": "colour"}, "burn_attribute"),
        ("clip", {"where": "number ="}, "where"),
        ("clip", {"where": "colour = 'red'"}, "where"),
        ("idw", {"z_field": "colour"}, "z_field"),
        ("idw", {"max_points": "0"}, "max_points"),
    ],
)
def test_bad_parameter_is_named(
    api: Api, analysis: str, changes: dict[str, Any], name: str
) -> None:
    """A 422 names the missing or invalid parameter."""
    keys = {"RASTER": publish_raster(api, BUMPS)}
    keys["LAYER"] = api.layer("a.geojson", geojson(point(1, 2)))["uuid"]
    form = {"output_raster_name": new_name(), **GOOD[analysis], **changes}
    text = json.dumps({key: value for key, value in form.items() if value is not None})
    for word, uuid in keys.items():
        text = text.replace(word, uuid)
    answer = api.http.post(f"analysis/{analysis}/", data=json.loads(text))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", name]


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        ("statistics/", {"indexes": "first"}, "indexes"),
        ("point", {"lat": 91, "lng": 0}, "lat"),
        ("point", {"lat": 1}, "lng"),
        ("point", {"lat": 1, "lng": "east"}, "lng"),
    ],
)
def test_bad_question_is_named(api: Api, path: str, params: Any, name: str) -> None:
    """A 422 names the invalid part of a question."""
    answer = api.http.get(f"rasters/{publish_raster(api, BUMPS)}/{path}", params=params)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", name]


def test_analysis_without_its_library_fails(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, an analysis fails with the command that brings it."""
    uuid = publish_raster(api, BUMPS)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    data = {"output_raster_name": new_name(), "raster_uuid": uuid}
    task = api.wait(api.json("POST", "analysis/slope/", data=data)["task_id"])
    assert task["result"]["detail"]["type"] == "geobox.MissingLibraryError"
    answer = api.http.get(f"rasters/{uuid}/info/")
    assert answer.status_code == 422
    assert 'pip install "prefect-geobox[emulator]"' in answer.json()["detail"]["msg"]


def test_what_is_not_built_says_so(api: Api) -> None:
    """Tiles, profiles and such are a 501 in JSON; an unknown analysis is a 404."""
    for path in ("rasters/x/tiles/1/2/3.png", "rasters/x/profile/", "maps/x/markers/"):
        answer = api.http.get(path)
        assert answer.status_code == 501
        assert path.rstrip("/") in answer.json()["detail"]["msg"]
    assert api.http.post("analysis/nonsense/").status_code == 404


def test_every_default_is_that_of_the_sdk() -> None:
    """The emulator knows the parameters in the signatures of the SDK, and their defaults."""
    names = {"idw": "idw_interpolation", "fill": "fill_nodata"}
    for analysis in ANALYSES.values():
        method = getattr(RasterAnalysis, names.get(analysis.name, analysis.name))
        theirs = {
            name: getattr(known.default, "value", known.default)
            for name, known in inspect.signature(method).parameters.items()
            if name not in {"self", "user_id", analysis.output}
        }
        ours = {parameter.name: parameter.default for parameter in analysis.parameters}
        # The SDK finds the mode out by itself.
        ours.pop("mode", None)
        # A raster without a value for nothing keeps its own; the SDK never leaves this out.
        theirs |= {"nodata_in": None} if "nodata_in" in theirs else {}
        assert len(ours) == len(theirs)
        for name, default in theirs.items():
            mine = ours[name if name in ours else f"{name}_uuid"]
            is_required = default is inspect.Parameter.empty
            assert mine is REQUIRED if is_required else mine == default, (analysis.name, name)
