"""Analyses that make cells of cells, with the official SDK, against values computed otherwise."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.kit.plain_api import Api, new_name

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")
pytest.importorskip("rasterio")

import numpy as np
from geobox.enums import (
    AnalysisAlgorithm,
    AnalysisDataType,
    AnalysisResampleMethod,
    DistanceUnit,
    RangeBound,
    SlopeUnit,
)
from geobox.exception import ValidationError
from rasterio import Affine

from tests.kit.geotiff import (
    BUMPS,
    CELL,
    NORTH,
    WEST,
    failed,
    made,
    publish_raster,
    raster_of,
)
from tests.kit.official_sdk import settled


def rises(heights: Any, row: int, column: int, algorithm: str) -> tuple[float, float]:
    """How much the ground rises to the east and the north, by the textbook, of an inner cell."""
    z = heights[row - 1 : row + 2, column - 1 : column + 2].astype(float)
    if algorithm == "ZevenbergenThorne":
        return (z[1, 2] - z[1, 0]) / (2 * CELL), (z[0, 1] - z[2, 1]) / (2 * CELL)
    east = (z[0, 2] + 2 * z[1, 2] + z[2, 2]) - (z[0, 0] + 2 * z[1, 0] + z[2, 0])
    north = (z[0, 0] + 2 * z[0, 1] + z[0, 2]) - (z[2, 0] + 2 * z[2, 1] + z[2, 2])
    return east / (8 * CELL), north / (8 * CELL)


@pytest.mark.parametrize("algorithm", ["Horn", "ZevenbergenThorne"])
async def test_slope(client: Any, api: Api, algorithm: str) -> None:
    """Slope is the textbook's in degrees and per cent, without a value where there is no edge."""
    raster = await raster_of(client, api, BUMPS)
    options = {"algorithm": AnalysisAlgorithm(algorithm), "compute_edges": False}
    run = client.raster_analysis.slope
    degrees = await made(api, run(raster=raster, output_raster_name=new_name(), **options))
    options |= {"slope_units": SlopeUnit.percent, "scale": 2, "nodata_out": -1}
    per_cent = await made(api, run(raster=raster, output_raster_name=new_name(), **options))
    for row in range(1, 5):
        for column in range(1, 6):
            rise = math.hypot(*rises(BUMPS, row, column, algorithm))
            degree = math.degrees(math.atan(rise))
            assert degrees.band[row, column] == pytest.approx(degree, rel=1e-5)
            assert per_cent.band[row, column] == pytest.approx(50 * rise, rel=1e-5)
    assert degrees.band.mask.sum() == 6 * 7 - 4 * 5
    assert (degrees.profile["nodata"], per_cent.profile["nodata"]) == (-9999, -1)
    assert degrees.profile["dtype"] == "float32"
    assert degrees.extent == (WEST, NORTH - 60, WEST + 70, NORTH)


async def test_slope_of_a_plane_is_the_same_at_its_edges(client: Any, api: Api) -> None:
    """With edges, a plane is as steep at its rim as within, and level beside a gap."""
    rows, columns = np.mgrid[0:5, 0:5]
    plane = (3 * columns * CELL + 4 * rows * CELL).astype("float32")
    raster = await raster_of(client, api, plane)
    task = client.raster_analysis.slope(raster=raster, output_raster_name=new_name())
    assert (await made(api, task)).band.compressed() == pytest.approx(
        [math.degrees(math.atan(5))] * 25, rel=1e-5
    )
    plane[2, 2] = -9999
    gap = await raster_of(client, api, plane, -9999)
    task = client.raster_analysis.slope(raster=gap, output_raster_name=new_name())
    assert (await made(api, task)).band.mask.sum() == 1


@pytest.mark.parametrize(
    ("plane", "azimuth", "mathematical"),
    [
        # Down to the east, the north, the west, the south, and level.
        (lambda row, column: -column, 90, 0),
        (lambda row, column: row, 0, 90),
        (lambda row, column: column, 270, 180),
        (lambda row, column: -row, 180, 270),
        (lambda row, column: -column - row, 135, 315),
        (lambda row, column: 0 * row, 0, 0),
    ],
)
async def test_aspect(
    client: Any, api: Api, plane: Any, azimuth: float, mathematical: float
) -> None:
    """Aspect is where the ground falls to, clockwise from the north or the other way from east."""
    raster = await raster_of(client, api, plane(*np.mgrid[0:4, 0:4]).astype("float32"))
    for trigonometric, expected in ((False, azimuth), (True, mathematical)):
        for algorithm in AnalysisAlgorithm:
            task = client.raster_analysis.aspect(
                raster=raster,
                output_raster_name=new_name(),
                algorithm=algorithm,
                trigonometric=trigonometric,
            )
            assert (await made(api, task)).band.compressed() == pytest.approx([expected] * 16)


async def test_aspect_of_level_ground_can_be_unknown(client: Any, api: Api) -> None:
    """Level ground has no aspect where it shall not be zero."""
    raster = await raster_of(client, api, np.zeros((3, 3), "float32"))
    task = client.raster_analysis.aspect(
        raster=raster, output_raster_name=new_name(), zero_for_flat=False, nodata_out=-5
    )
    read = await made(api, task)
    assert read.band.mask.all()
    assert read.profile["nodata"] == -5


async def test_constant(client: Any, api: Api) -> None:
    """A constant covers its extent, or the grid that it is aligned to."""
    run = client.raster_analysis.constant
    read = await made(
        api,
        run(
            output_raster_name=new_name(),
            extent="3,4,98,104",
            value=7,
            dtype=AnalysisDataType.uint8,
            nodata=255,
        ),
    )
    assert (read.band == 7).all()
    assert read.band.shape == (10, 10)
    assert read.extent == (3, 4, 103, 104)
    assert (read.profile["dtype"], read.profile["nodata"]) == ("uint8", 255)
    assert read.profile["crs"].to_epsg() == 3857
    aligned = await made(
        api,
        run(output_raster_name=new_name(), extent="3,4,98,104", value=-2, align_to="0,0"),
    )
    assert aligned.extent == (0, 0, 100, 110)
    assert (aligned.band == -2).all()


async def test_calculator(client: Any, api: Api) -> None:
    """An expression over bands has numpy's values, and none where a band has none."""
    red = np.array([[1, 2], [3, -1]], "int16")
    infrared = np.array([[3, 2], [9, 5]], "int16")
    low = await raster_of(client, api, red, -1)
    high = await raster_of(client, api, np.stack([0 * infrared, infrared]))
    variables = json.dumps({"RED": low.uuid, "NIR": [high.uuid, 2]})
    run = client.raster_analysis.calculator
    ndvi = await made(
        api,
        run(variables=variables, expr="(NIR - RED) / (NIR + RED)", output_raster_name=new_name()),
    )
    assert ndvi.band.tolist() == [[pytest.approx(0.5), 0], [pytest.approx(0.5), None]]
    chosen = await made(
        api,
        run(
            variables=variables,
            expr="np.where((NIR > 2) & (RED < 3), 1, sqrt(RED + 1))",
            output_raster_name=new_name(),
            out_dtype=AnalysisDataType.uint8,
            dst_nodata=9,
        ),
    )
    assert chosen.band.tolist() == [[1, 2], [2, None]]
    assert chosen.profile["dtype"] == "uint8"
    # Where a value is no number, there is none.
    inverse = await made(
        api, run(variables=variables, expr="1 / (RED - 2)", output_raster_name=new_name())
    )
    assert inverse.band.tolist() == [[-1, None], [1, None]]


async def test_calculator_matches_another_raster(client: Any, api: Api) -> None:
    """The result lies on the grid of the first variable, or of the raster it is to match."""
    coarse = await raster_of(client, api, np.array([[1, 2], [3, 4]], "float32"))
    transform = {"transform": Affine(5, 0, WEST, 0, -5, NORTH)}
    fine = publish_raster(api, np.arange(16, dtype="float32").reshape(4, 4), **transform)
    run = client.raster_analysis.calculator
    options = {
        "variables": json.dumps({"A": coarse.uuid, "B": fine}),
        "expr": "A + 0 * B",
        "resample": AnalysisResampleMethod.near,
    }
    first = await made(api, run(output_raster_name=new_name(), **options))
    assert first.band.tolist() == [[1, 2], [3, 4]]
    matched = await made(api, run(output_raster_name=new_name(), match_raster_uuid=fine, **options))
    assert matched.band.tolist() == np.kron([[1, 2], [3, 4]], np.ones((2, 2))).tolist()


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("A +", "is not an expression"),
        ("B + 1", "'B' is none of the variables A"),
        ("__import__('os').system('true')", "may not use"),
        ("A.__class__", "may not use"),
        ("np.load(A)", "may not use"),
        ("[x for x in A]", "may not use"),
        ("A if A else 1", "may not use"),
        ("lambda: A", "may not use"),
        ("'text'", "may not use"),
        ("(" * 300 + "A" + ")" * 300, "is not an expression"),
    ],
)
async def test_calculator_refuses_what_is_no_arithmetic(
    client: Any, api: Api, expr: str, message: str
) -> None:
    """An expression that is more than arithmetic is refused before anything runs."""
    raster = await raster_of(client, api, np.ones((2, 2), "float32"))
    with pytest.raises(ValidationError, match=message):
        await settled(
            client.raster_analysis.calculator(
                variables=json.dumps({"A": raster.uuid}), expr=expr, output_raster_name=new_name()
            )
        )


@pytest.mark.parametrize("expr", ["minimum(A)", "where(A > 1)", "arctan2(A)", "round(A, A)"])
async def test_calculator_fails_with_a_reason(client: Any, api: Api, expr: str) -> None:
    """A function with too few arguments fails the task, with numpy's reason."""
    raster = await raster_of(client, api, np.ones((3, 2), "float32"))
    task = client.raster_analysis.calculator(
        variables=json.dumps({"A": raster.uuid}), expr=expr, output_raster_name=new_name()
    )
    assert "cannot be computed" in await failed(task)


async def test_reclassify_by_value(client: Any, api: Api) -> None:
    """Values become others; those without a rule have none, or the default."""
    raster = await raster_of(client, api, np.array([[1, 2, 3], [4, -9999, 1]], "int16"), -9999)
    run, rules = client.raster_analysis.reclassify, '{"1": 10, "2": 20, "3": 30}'
    read = await made(api, run(raster=raster, output_raster_name=new_name(), rules=rules))
    assert read.band.tolist() == [[10, 20, 30], [None, None, 10]]
    assert (read.profile["dtype"], read.profile["nodata"]) == ("int16", -9999)
    options = {"default_value": 0, "nodata_out": 255, "out_dtype": AnalysisDataType.uint8}
    read = await made(
        api, run(raster=raster, output_raster_name=new_name(), rules=rules, **options)
    )
    assert read.band.tolist() == [[10, 20, 30], [0, None, 10]]
    assert read.profile["dtype"] == "uint8"


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("left", [1, 1, 2, 2, None]),
        ("right", [None, 1, 1, 2, 2]),
        ("both", [1, 1, 1, 2, 2]),
        ("neither", [None, 1, None, 2, None]),
    ],
)
async def test_reclassify_by_range(client: Any, api: Api, bound: str, expected: Any) -> None:
    """Ranges include the bounds that are asked for; the first that matches decides."""
    raster = await raster_of(client, api, np.array([[0, 5, 10, 15, 20]], "float32"))
    task = client.raster_analysis.reclassify(
        raster=raster,
        output_raster_name=new_name(),
        rules=[[0, 10, 1], [10, 20, 2]],
        inclusive=RangeBound(bound),
    )
    assert (await made(api, task)).band.tolist() == [expected]


async def test_resample(client: Any, api: Api) -> None:
    """A raster gets cells of a size, so many times finer ones, or those of another raster."""
    values = np.arange(16, dtype="uint8").reshape(4, 4)
    raster = await raster_of(client, api, values)
    run = client.raster_analysis.resample
    finer = await made(
        api, run(raster=raster, output_raster_name=new_name(), scale_factor="2", dst_nodata=99)
    )
    assert finer.band.tolist() == np.kron(values, np.ones((2, 2))).tolist()
    assert (finer.profile["dtype"], finer.profile["nodata"]) == ("uint8", 99)
    average = AnalysisResampleMethod.average
    coarser = await made(
        api,
        run(
            raster=raster,
            output_raster_name=new_name(),
            out_res="20,20",
            resample_method=average,
        ),
    )
    means = values.reshape(2, 2, 2, 2).mean(axis=(1, 3))
    assert coarser.band.tolist() == np.rint(means).tolist()
    assert coarser.extent == (WEST, NORTH - 40, WEST + 40, NORTH)
    # A byte cannot hold -9999.
    assert coarser.profile["dtype"] == "int16"
    other = publish_raster(api, np.zeros((2, 6), "uint8"))
    matched = await made(
        api,
        run(raster=raster, output_raster_name=new_name(), match_raster_uuid=other),
    )
    assert matched.band.tolist() == [[*row, None, None] for row in values[:2].tolist()]


def test_resample_wants_exactly_one_size(api: Api) -> None:
    """None or two of the three sizes are refused."""
    data = {"raster_uuid": publish_raster(api, BUMPS), "output_raster_name": new_name()}
    for sizes in ({}, {"out_res": "5,5", "scale_factor": "2"}):
        answer = api.http.post("analysis/resample/", data={**data, **sizes})
        assert answer.status_code == 422
        assert "exactly one of" in answer.json()["detail"][0]["msg"]


async def test_fill(client: Any, api: Api) -> None:
    """Gaps are filled from around, as far as is searched; what was known stays."""
    values = np.array([[4, 4, 4, 4, 4], [4, -1, 4, -1, -1], [4, 4, 4, -1, -1]], "int16")
    raster = await raster_of(client, api, np.stack([values, values * 2]), -1)
    run = client.raster_analysis.fill_nodata
    read = await made(api, run(raster=raster, output_raster_name=new_name()))
    assert read.values.shape == (1, 3, 5)
    assert (read.band == 4).all()
    every = await made(
        api, run(raster=raster, output_raster_name=new_name(), band="all", nodata=-2)
    )
    assert every.values.shape == (2, 3, 5)
    near = await made(api, run(raster=raster, output_raster_name=new_name(), max_search_dist=1))
    assert near.band[1].tolist()[1] == 4
    assert near.band.mask[2, 4]
    mask = publish_raster(api, (values != 4).astype("uint8"))
    masked = await made(
        api,
        run(
            raster=await raster_of(client, api, np.where(values == 4, 0, 7).astype("uint8")),
            output_raster_name=new_name(),
            mask_raster_uuid=mask,
            smoothing_iterations=1,
        ),
    )
    assert (masked.band == 7).all()


@pytest.mark.parametrize(("unit", "size"), [(DistanceUnit.GEO, CELL), (DistanceUnit.PIXEL, 1)])
async def test_proximity(client: Any, api: Api, unit: Any, size: float) -> None:
    """Each cell has the distance to the nearest target, in metres or in cells."""
    is_target = np.random.default_rng(3).random((9, 12)) > 0.95
    raster = await raster_of(client, api, is_target.astype("uint8") * 4)
    task = client.raster_analysis.proximity(
        raster=raster, output_raster_name=new_name(), dist_units=unit, burn_value=4
    )
    read = await made(api, task)
    targets = np.argwhere(is_target)
    for row in range(9):
        for column in range(12):
            nearest = min(math.dist((row, column), target) for target in targets)
            assert read.band[row, column] == pytest.approx(nearest * size, rel=1e-6)


async def test_proximity_of_nothing(client: Any, api: Api) -> None:
    """Without any target no cell has a distance."""
    raster = await raster_of(client, api, np.zeros((2, 3), "uint8"))
    task = client.raster_analysis.proximity(raster=raster, output_raster_name=new_name())
    assert (await made(api, task)).band.mask.all()
