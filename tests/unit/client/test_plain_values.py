"""Numbers and lists of NumPy, pandas and others as arguments."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from prefect_geobox.client import InvalidArgumentError, operations
from prefect_geobox.client.model.plain_values import plain_number
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET, TASK, task
from tests.kit.wire import Wire, form, query

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


class Row:
    """An object that is a whole number for Python."""

    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (np.int64(5), 5),
        (np.uint8(5), 5),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.array(5), 5),
        (np.bool_(True), True),
        (Fraction(1, 4), 0.25),
        (Decimal("1.5"), 1.5),
        (Row(), 7),
    ],
)
def test_what_behaves_as_a_number_becomes_one(given: Any, plain: Any) -> None:
    """Numbers of other libraries become Python's own, which JSON can hold."""
    found = plain_number(given)
    assert (found, type(found)) == (plain, type(plain))


@pytest.mark.parametrize(
    "given", ["5", None, np.array([5]), np.array([]), 1 + 2j, np.datetime64("2024-01-01"), [5]]
)
def test_what_is_no_number_stays_as_it_is(given: Any) -> None:
    """Texts, arrays and other values are not taken for numbers."""
    assert plain_number(given) is given or not isinstance(plain_number(given), (int, float))


async def test_arrays_reach_the_wire(call: Caller, wire: Wire) -> None:
    """Boxes, ids, codes and options of NumPy and pandas are sent like those of Python."""
    wire.lists()
    wire.on("POST", f"vectorLayers/{ASSET}/export/", {"task_id": TASK})
    wire.on("GET", f"tasks/{TASK}/", task("PENDING"))
    await call(
        "start",
        operations.export_features,
        ASSET,
        "x.gpkg",
        bbox=np.array([1, 2.5, 3, 4]),
        bbox_srid=np.int64(4326),
        feature_ids=pd.Series([1.0, 2.0]),
        fields=np.array(["a", "b"]),
        zipped=np.bool_(False),
    )
    sent = form(wire.work[0])
    assert [value for name, value in sent if name == "bbox"] == ["1.0", "2.5", "3.0", "4.0"]
    assert [value for name, value in sent if name == "feature_ids"] == ["1", "2"]
    assert {("bbox_srid", "4326"), ("fields", "a"), ("zipped", "False")} <= set(sent)


async def test_numbers_of_numpy_limit_waits_and_lists(call: Caller, wire: Wire) -> None:
    """Options of waits and filters of lists take numbers of NumPy."""
    wire.on("GET", f"tasks/{TASK}/", task())
    await call(
        "wait_for_task", TASK, timeout=np.float32(5), interval=np.int64(1), retry=np.int64(2)
    )
    wire.on("GET", "tasks/", [])
    await call("list_tasks", limit=np.int64(3), skip=np.uint8(1))
    assert {("limit", "3"), ("skip", "1")} <= set(query(wire.seen[-1]))


def request(name: str, *args: Any, **options: Any) -> Any:
    """The request of an operation, whose body must be JSON."""
    found = operations.OPERATIONS[name].bind(args, options).request()
    json.dumps(found.identity)
    return found


def test_numbers_of_numpy_within_bodies() -> None:
    """Rules, levels, parameters of SQL, tools and free bodies take numbers of NumPy."""
    rules = request("reclassify_raster", ASSET, "x", {np.int64(1): np.float32(2.0)}).form
    assert json.loads(rules["rules"]) == {"1": 2.0}
    assert request("reclassify_raster", ASSET, "x", np.array([[0, 1, 5]])).form["rules"]
    points = request("rasterize", ASSET, "x", pixel_size=np.float64(2)).form
    assert points["pixel_size"] == 2.0
    started = request("start_task", "POST", "x/", json={"a": np.arange(2), "b": np.int64(1)})
    assert started.json == {"a": [0, 1], "b": 1}
    request("save_query_as_layer", "SELECT 1", "x", params={"n": np.int64(3)})
    request("run_vector_tool", "buffer", ASSET, "x", distance=np.int64(5))
    request("seed_layer_cache", ASSET, workers=np.int64(4))


@pytest.mark.parametrize(
    "options",
    [
        {"feature_ids": np.array([1.5])},
        {"feature_ids": np.array(1)},
        {"feature_ids": np.array([True])},
        {"feature_ids": np.array([], dtype=int)},
        {"bbox": np.array([[1, 2, 3, 4]])},
        {"bbox": np.array([1, 2, 3, np.nan])},
        {"bbox_srid": np.float64(4326)},
        {"zipped": np.int64(1)},
        {"fields": np.array([1])},
    ],
)
def test_arrays_of_something_else_are_refused_by_name(options: dict[str, Any]) -> None:
    """An array that does not fit is refused by the name of the parameter."""
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=f"^{name}"):
        request("export_features", ASSET, "x.gpkg", **options)


def test_a_box_across_the_180_meridian_is_explained() -> None:
    """A box across the 180° meridian is refused with the two boxes to give in its place."""
    message = "one call for each: [177, -19, 180, -16] and [-180, -19, -178, -16]"
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        request("export_features", ASSET, "x.gpkg", bbox=(177, -19, -178, -16))
    with pytest.raises(InvalidArgumentError, match="west not beyond east"):
        request("export_features", ASSET, "x.gpkg", bbox=(5000, 0, -5000, 10))


def test_a_box_of_several_across_the_180_meridian_is_split() -> None:
    """Where several boxes are taken, one across the 180° meridian is sent as two."""
    sent = request("update_tileset_cache", ASSET, 0, 5, extents=[(177, -19, -178, -16)]).json
    assert sent["extents"] == [[177, -19, 180, -16], [-180, -19, -178, -16]]
