"""Our requests, compared field by field with those that the official SDK sends for the same."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from prefect_geobox.client import GeoboxClient, GeoboxError, operations
from prefect_geobox.client.operations._operation import DEFAULTS
from prefect_geobox.client.operations._vector_tool_catalogue import VECTOR_TOOLS
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.http.recording import RecordedRequest

pytest.importorskip("geobox")
pytest.importorskip("aiohttp")

from geobox.enums import GroupByAggFunction, SpatialAggFunction
from geobox.exception import GeoboxError as SdkError

from tests.kit.official_sdk import official_client, settled

from .peer import Row, Sdk, sdk_class
from .rows import ROWS, TOOLS

#: The names that the SDK has for some tools.
SDK_NAMES = {"find_replace": "find_and_replace", "table_to_vector_layer": "table_to_vectorlayer"}

#: Parameters that the SDK takes as an enum.
ENUMS = {
    ("group_by", "sum"): GroupByAggFunction.SUM,
    ("spatial_group_by", "union"): SpatialAggFunction.UNION,
}


@pytest.fixture(scope="module")
def geobox() -> Iterator[GeoboxEmulator]:
    """One emulator for all requests."""
    with GeoboxEmulator(seconds=0.01) as emulator:
        yield emulator


@pytest.fixture
def client(geobox: GeoboxEmulator) -> Iterator[GeoboxClient]:
    """Our client."""
    with GeoboxClient(geobox.url, apikey=geobox.apikey) as client:
        yield client


def started(geobox: GeoboxEmulator) -> RecordedRequest:
    """The one request that starts something."""
    (request,) = [
        request
        for request in geobox.requests
        if request.method == "POST" and "auth" not in request.path
    ]
    return request


def fields(request: RecordedRequest) -> dict[str, Any]:
    """The fields of a body, each with all of its values."""
    if isinstance(request.body, dict):
        return request.body
    found: dict[str, Any] = {}
    for name, value in request.body or []:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


async def by_the_sdk(geobox: GeoboxEmulator, half: str, ask: Any) -> RecordedRequest:
    """The request of the SDK, whether the emulator accepts it or not."""
    async with official_client(half, geobox) as sdk:
        geobox.clear_requests()
        with contextlib.suppress(SdkError, KeyError, ValueError, TypeError, AttributeError):
            await settled(ask(Sdk(sdk)))
        return started(geobox)


def by_us(geobox: GeoboxEmulator, client: GeoboxClient, operation: Any, *args: Any, **options: Any):
    """Our request."""
    geobox.clear_requests()
    bound = operation.bind(args, options)

    async def send() -> None:
        request = await client.aio.prepare(bound.request())
        await client.aio.submit(client.aio.starting(request))

    from prefect_geobox.client.http.io_thread import io_thread

    with contextlib.suppress(GeoboxError):
        io_thread().run(send())
    return started(geobox)


@pytest.mark.parametrize("half", ["sync", "async"])
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_our_request_is_that_of_the_sdk(
    geobox: GeoboxEmulator, client: GeoboxClient, row: Row, half: str
) -> None:
    """Method, path, query and body are equal, except for known mistakes of the SDK."""
    theirs = await by_the_sdk(geobox, half, row.sdk)
    mine = by_us(geobox, client, row.operation, *row.args, **row.options)

    assert (mine.method, mine.path) == (theirs.method, theirs.path)
    assert mine.query == theirs.query
    assert type(mine.body) is type(theirs.body)
    expected = fields(theirs)
    for name, value in row.differs.items():
        assert expected.pop(name, None) != value, f"the SDK has fixed {name}"
        if value is not None:
            expected[name] = value
    assert fields(mine) == expected


@pytest.mark.parametrize("half", ["sync", "async"])
@pytest.mark.parametrize("tool", TOOLS)
async def test_our_vector_tool_is_that_of_the_sdk(
    geobox: GeoboxEmulator, client: GeoboxClient, tool: str, half: str
) -> None:
    """Each vector tool is bound and saved as the SDK does it."""
    given, ours = TOOLS[tool]
    sent = [ENUMS.get((tool, value), value) for value in given]

    def ask(sdk: Sdk) -> Any:
        method = getattr(sdk.client.vector_tool, SDK_NAMES.get(tool, tool))
        return method(*sent, output_layer_name="x")

    theirs = await by_the_sdk(geobox, half, ask)
    first = VECTOR_TOOLS[tool][0]
    layer = given[0] if first.is_input else None
    mine = by_us(geobox, client, operations.run_vector_tool, tool, layer, "x", **ours)

    assert (mine.path, mine.body) == (theirs.path, theirs.body)
    values = {param["name"]: param["value"] for param in mine.body["params"]}
    assert set(values) == {parameter.name for parameter in VECTOR_TOOLS[tool]}
    assert None not in values.values()


def test_every_operation_is_compared() -> None:
    """Each operation has a request here, and each of the 49 vector tools."""
    assert set(TOOLS) == set(VECTOR_TOOLS)
    assert len(TOOLS) == 49
    compared = {row.operation.name for row in ROWS}
    left = set(operations.OPERATIONS) - compared
    assert left == {"run_vector_tool", "run_raster_tool", "start_task"}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_operation_names_the_method_of_the_sdk(row: Row) -> None:
    """The method of the SDK that an operation names is there, and is the one compared with."""
    kind, _, method = row.operation.sdk.partition(".")
    assert callable(getattr(sdk_class(kind), method))
    assert method in row.sdk.__code__.co_names


@pytest.mark.parametrize(
    "name", sorted({*operations.OPERATIONS} - {"run_vector_tool", "run_raster_tool", "start_task"})
)
def test_every_parameter_is_compared(name: str) -> None:
    """Each parameter of an operation is compared with the SDK's own request."""
    operation = operations.OPERATIONS[name]
    sent = {
        parameter
        for row in ROWS
        if row.operation is operation
        for parameter in operation.signature.bind(*row.args, **row.options).arguments
    }
    # The SDK has no such parameters.
    ours = {"publish_file": {"publish_as"}, "polygonize": {"publish"}}.get(name, set())
    assert set(operation.signature.parameters) - set(DEFAULTS) - ours <= sent


def test_zero_and_an_empty_text_are_sent(geobox: GeoboxEmulator, client: GeoboxClient) -> None:
    """A distance of 0 and an empty text are sent; the SDK drops both."""
    uuid = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
    tool = operations.run_vector_tool
    mine = by_us(geobox, client, tool, "buffer", uuid, "x", distance=0)
    assert {"name": "distance", "value": 0}.items() <= mine.body["params"][1].items()
    mine = by_us(geobox, client, tool, "find_replace", uuid, "x", find="a", replace="")
    assert {param["name"]: param["value"] for param in mine.body["params"]}["replace"] == ""


def test_a_raster_tool_by_name_is_the_analysis(
    geobox: GeoboxEmulator, client: GeoboxClient
) -> None:
    """`run_raster_tool` sends the same as the step of that analysis."""
    uuid = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
    by_name = by_us(
        geobox, client, operations.run_raster_tool, "slope", uuid, "x", slope_units="percent"
    )
    typed = by_us(geobox, client, operations.raster_slope, uuid, "x", slope_units="percent")
    assert (by_name.path, by_name.body) == (typed.path, typed.body)
    mine = by_us(
        geobox, client, operations.run_raster_tool, "calculator", {"A": uuid}, "x", expression="A"
    )
    assert json.loads(fields(mine)["variables"]) == {"A": uuid}
