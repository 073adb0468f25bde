"""Any JSON at all as the answer to a read gives a value or a `GeoboxError`, never anything else."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given, strategies as st

from prefect_geobox.client import (
    GeoboxClient,
    GeoboxError,
    OutputAsset,
    RemoteTask,
    RetryPolicy,
    TaskProgress,
)
from tests.kit.clients import close_now
from tests.kit.examples import examples
from tests.kit.fake_clock import FakeClock
from tests.kit.payloads import ASSET, HOST, TASK, secret, task

#: Stand in for numbers that JSON can spell and Python cannot write.
_SPELT = {'"<huge float>"': "1e999", '"<long int>"': "9" * 5000, '"<minus huge>"': "-1e999"}

_KEYS = st.sampled_from(
    [
        "uuid",
        "id",
        "name",
        "state",
        "result",
        "data",
        "errors",
        "detail",
        "msg",
        "type",
        "accepted_at",
        "started_at",
        "finished_at",
        "current",
        "total",
        "layer_uuid",
        "raster_uuid",
        "file_uuid",
        "model_uuid",
        "table_uuid",
        "tiles3d_uuid",
        "layers",
        "features",
        "geometry",
        "properties",
        "coordinates",
        "count",
        "crs",
        "size",
        "file_type",
        "extent",
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=()), max_size=8),
    st.sampled_from(
        [
            TASK,
            ASSET,
            "SUCCESS",
            "FAILURE",
            "ABORTED",
            "NEW",
            "2026-01-02T03:04:05",
            "9999-99-99",
            "FeatureCollection",
            "Feature",
            "<huge float>",
            "<long int>",
            "<minus huge>",
            10**40,
            -1,
            0.5,
        ]
    ),
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=8,
)


def _near(valid: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A valid object with some of its values replaced or left out, and others added."""
    changes = st.dictionaries(st.sampled_from(sorted(valid)) | _KEYS, _JSON, max_size=3)
    gone = st.sets(st.sampled_from(sorted(valid)), max_size=2)
    return st.builds(
        lambda changed, left_out: {
            key: value for key, value in {**valid, **changed}.items() if key not in left_out
        },
        changes,
        gone,
    )


_TASKS = _near(
    task("SUCCESS", accepted_at="2026-01-02T03:04:05", result={"layer_uuid": ASSET})
) | _near(task("FAILURE", result={"detail": {"msg": "broken", "type": "x"}}))
_ASSETS = _near({"uuid": ASSET, "id": 1, "name": "towns", "layer_type": "Point", "extent": None})
_PROGRESS = _near({"current": 29, "total": 100})
_FEATURES = _near(
    {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": 1, "properties": {}, "geometry": {"type": "Point"}},
        ],
    }
)


def _listed(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items | _JSON, max_size=4)


#: Each verb: how it is called, what is near its answer, and what it returns.
VERBS: dict[str, tuple[Callable[[GeoboxClient], Any], st.SearchStrategy[Any], Any]] = {
    "get_task": (lambda c: c.get_task(TASK), _TASKS, RemoteTask),
    "list_tasks": (lambda c: c.list_tasks(), _listed(_TASKS), list),
    "count_tasks": (lambda c: c.count_tasks(), _near({"count": 5}) | st.integers(), int),
    "get_progress": (lambda c: c.get_progress(TASK), _PROGRESS, TaskProgress),
    "get_output_asset": (
        lambda c: c.get_output_asset(TASK),
        st.tuples(_TASKS, _ASSETS | _JSON),
        (OutputAsset, type(None)),
    ),
    "get_asset": (lambda c: c.get_asset("vector", ASSET), _ASSETS, OutputAsset),
    "find_assets": (lambda c: c.find_assets("vector", "towns"), _listed(_ASSETS), list),
    "get_features": (lambda c: c.get_features(ASSET, limit=1), _FEATURES, dict),
    "count_features": (lambda c: c.count_features(ASSET), _near({"count": 5}) | st.floats(), int),
    "wait_for_task": (
        lambda c: c.wait_for_task(TASK, timeout=0, progress_bar=False),
        _TASKS,
        RemoteTask,
    ),
}


def encoded(value: Any) -> str:
    """The JSON of a value, with numbers in it that Python cannot write."""
    text = json.dumps(value)
    for stand_in, number in _SPELT.items():
        text = text.replace(stand_in, number)
    return text


class Answers:
    """Serves the drawn answers: the first to reads of tasks, the second to all others."""

    def __init__(self) -> None:
        self.first = self.second = "null"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers one request."""
        text = self.first if "/tasks/" in request.url.path else self.second
        return httpx.Response(
            200, content=text.encode(), headers={"Content-Type": "application/json"}
        )


@pytest.fixture
def answers() -> Iterator[Answers]:
    """What the server says, to be set for each example."""
    with respx.mock(assert_all_called=False) as router:
        found = Answers()
        router.route().mock(side_effect=found)
        yield found


@pytest.fixture
def client() -> Iterator[GeoboxClient]:
    """A client that tries once."""
    found = GeoboxClient(
        host=HOST, apikey=secret("key"), clock=FakeClock(), retry=RetryPolicy(attempts=1)
    )
    yield found
    close_now(found)


def value_or_error(call: Callable[[GeoboxClient], Any], client: GeoboxClient) -> Any:
    """What a verb returns, or the `GeoboxError` that it raises."""
    try:
        return call(client)
    except GeoboxError as error:
        return error


def check(value: Any) -> None:
    """A value that a verb returned can be shown, compared, sent and stored."""
    assert repr(value)
    assert str(value) or isinstance(value, str)
    assert pickle.loads(pickle.dumps(value)) == value
    if isinstance(value, (RemoteTask, OutputAsset, TaskProgress)):
        assert type(value).model_validate_json(value.model_dump_json()) == value
    if isinstance(value, list):
        for item in value:
            check(item)
    if isinstance(value, RemoteTask):
        assert value.uuid
        assert isinstance(value.is_final, bool)
        assert value.output is None or value.output.uuid
        assert value.errors is None or isinstance(value.errors, dict)


@pytest.mark.parametrize("verb", VERBS)
def test_any_json_gives_a_value_or_an_error(
    verb: str, client: GeoboxClient, answers: Answers
) -> None:
    """A verb that is answered with any JSON returns what it promises or raises `GeoboxError`."""
    call, near, kind = VERBS[verb]

    @examples(30, many=1_050)
    @given(near | _JSON)
    def example(drawn: Any) -> None:
        is_pair = isinstance(drawn, tuple)
        answers.first, answers.second = map(encoded, drawn if is_pair else (drawn, drawn))
        found = value_or_error(call, client)
        if isinstance(found, GeoboxError):
            assert str(found)
            assert str(pickle.loads(pickle.dumps(found))) == str(found)
        else:
            assert isinstance(found, kind)
            assert not isinstance(found, bool)
            check(found)

    example()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[", "nul", "NaN", "[Infinity]", '"\\ud800"', "\ufeff{}", "[" * 100_000, "{}x"],
    ids=lambda text: repr(text[:6]),
)
def test_any_text_gives_a_value_or_an_error(
    verb: str, text: str, client: GeoboxClient, answers: Answers
) -> None:
    """A verb whose answer is not JSON, or hardly any, raises `GeoboxError`."""
    answers.first = answers.second = text
    with pytest.raises(GeoboxError):
        VERBS[verb][0](client)


@pytest.mark.parametrize("verb", ["get_task", "list_tasks", "get_asset", "get_features"])
def test_number_beyond_all_floats(verb: str, client: GeoboxClient, answers: Answers) -> None:
    """JSON can spell a number that no float holds; what becomes of it can still be stored."""
    found = f'{{"uuid": "{TASK}", "id": 1, "name": "x", "state": "SUCCESS", "size": 1e999}}'
    if verb == "list_tasks":
        found = f"[{found}]"
    if verb == "get_features":
        found = '{"type": "FeatureCollection", "features": [], "size": 1e999}'
    answers.first = answers.second = found
    value = value_or_error(VERBS[verb][0], client)
    if not isinstance(value, GeoboxError):
        check(value)
        if isinstance(value, dict):
            json.dumps(value, allow_nan=False)
