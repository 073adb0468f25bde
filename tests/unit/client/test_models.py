"""What payloads become, and that every model survives JSON and pickle."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from prefect_geobox.client import (
    AssetKind,
    InvalidResponseError,
    OutputAsset,
    RemoteTask,
    TaskOutput,
    TaskProgress,
    TaskState,
)
from tests.kit.examples import examples
from tests.kit.payloads import ASSET, TASK, task

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
TASKS = st.fixed_dictionaries(
    {"uuid": st.just(TASK) | st.text(max_size=3) | JSON, "state": st.sampled_from(TaskState)},
    optional={
        "id": JSON,
        "name": JSON,
        "result": JSON
        | st.dictionaries(
            st.sampled_from(["layer_uuid", "file_uuid", "detail", "errors", "msg"]), JSON
        ),
        "accepted_at": JSON | st.datetimes().map(datetime.isoformat),
        "started_at": JSON | st.datetimes().map(lambda when: when.isoformat() + "Z"),
        "finished_at": JSON | st.datetimes().map(lambda when: when.isoformat() + "+03:30"),
    },
)


def read(state: str = "SUCCESS", **more: Any) -> RemoteTask:
    """A remote task from its payload."""
    return RemoteTask.from_payload(task(state, **more))


OUTPUTS: list[tuple[Any, AssetKind | None]] = [
    ({"layer_uuid": ASSET}, AssetKind.VECTOR),
    ({"raster_uuid": ASSET}, AssetKind.RASTER),
    ({"model_uuid": ASSET}, AssetKind.MODEL),
    ({"file_uuid": ASSET}, AssetKind.FILE),
    ({"3dtiles_uuid": ASSET}, AssetKind.TILES3D),
    ({"table_uuid": ASSET}, AssetKind.TABLE),
    ({"raster_uuid": TASK, "layer_uuid": ASSET}, AssetKind.VECTOR),
    ({"layer_uuid": None, "raster_uuid": ASSET}, AssetKind.RASTER),
    ({"layer_uuid": ASSET, "errors": ["x"]}, AssetKind.VECTOR),
    ({}, None),
    ({"unknown_uuid": ASSET}, None),
    ({"view_uuid": ASSET}, None),
    (None, None),
    ("", None),
    ("text", None),
    ([], None),
    ([{"layer_uuid": ASSET}], None),
    ({"layer_uuid": 5}, None),
    ({"layer_uuid": "../tasks"}, None),
]


@pytest.mark.parametrize(("result", "kind"), OUTPUTS)
def test_output_is_named_by_the_result(result: Any, kind: AssetKind | None) -> None:
    """The first known key of the result names kind and uuid; anything else names no output."""
    expected = TaskOutput(kind=kind, uuid=ASSET) if kind else None
    assert read(result=result).output == expected


ERRORS: list[tuple[Any, bool]] = [
    ({"detail": {"msg": "bad", "type": "geobox.Error"}}, True),
    ({"errors": ["row 3"]}, True),
    ({"errors": ["row 3"], "layer_uuid": ASSET}, True),
    ({"errors": []}, False),
    ({"raster_uuid": ASSET}, False),
    ({"detail": "plain"}, True),
    ({"detail": ["a", "b"]}, True),
    ({"detail": None}, False),
    ({"detail": {"type": "geobox.Error"}}, True),
    (None, False),
    ([], False),
]


@pytest.mark.parametrize(("result", "has_errors"), ERRORS)
def test_errors_are_the_whole_result_that_reports_them(result: Any, has_errors: bool) -> None:
    """A result with a filled `detail` or `errors` is the errors; any other has none."""
    assert read(result=result).errors == (result if has_errors else None)


REASONS: list[tuple[Any, str | None]] = [
    ({"detail": {"msg": "name is taken", "type": "geobox.Error"}}, "name is taken"),
    ({"detail": "plain\ntext"}, "plain text"),
    ({"detail": [{"msg": "a"}, {"msg": "b"}]}, "a; b"),
    ({"detail": {"type": "geobox.Error"}}, "type: geobox.Error"),
    ({"errors": ["row 3", "row 4"]}, "row 3; row 4"),
    ("it broke", "it broke"),
    (None, None),
    ({}, None),
]


@pytest.mark.parametrize(("result", "reason"), REASONS)
def test_reason_is_the_servers_in_one_line(result: Any, reason: str | None) -> None:
    """The reason of a failed remote task is one line, whatever shape the server gave it."""
    assert read("FAILURE", result=result).reason == reason


@pytest.mark.parametrize(
    ("state", "final", "succeeded"),
    [
        ("PENDING", False, False),
        ("PROGRESS", False, False),
        ("SUCCESS", True, True),
        ("FAILURE", True, False),
        ("ABORTED", True, False),
    ],
)
def test_states(state: str, final: bool, succeeded: bool) -> None:
    """Three of the five states are final, and one of them is a success."""
    seen = read(state)
    assert (seen.state, str(seen.state)) == (TaskState(state), state)
    assert (seen.is_final, seen.succeeded, seen.state_text) == (final, succeeded, state)


@pytest.mark.parametrize("state", ["STARTED", "RETRY", "CANCELED", "success", "UNKNOWN", ""])
def test_unknown_state_is_not_final_and_keeps_its_text(state: str) -> None:
    """A state that is not known yet is UNKNOWN, not final, and its text is kept."""
    seen = read(state)
    assert (seen.state, seen.is_final, seen.state_text) == (TaskState.UNKNOWN, False, state)


TIMES: list[tuple[Any, datetime | None]] = [
    ("2024-05-01T10:20:30.123456", datetime(2024, 5, 1, 10, 20, 30, 123456)),  # noqa: DTZ001
    ("2024-05-01T10:20:30", datetime(2024, 5, 1, 10, 20, 30)),  # noqa: DTZ001
    ("2024-05-01T10:20:30Z", datetime(2024, 5, 1, 10, 20, 30, tzinfo=timezone.utc)),
    ("2024-05-01T10:20:30.5Z", datetime(2024, 5, 1, 10, 20, 30, 500000, tzinfo=timezone.utc)),
    (
        "2024-05-01T10:20:30+03:30",
        datetime(2024, 5, 1, 10, 20, 30, tzinfo=timezone(timedelta(hours=3, minutes=30))),
    ),
    ("yesterday", None),
    ("Tomorrow", None),
    ("", None),
    (1714558830, None),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize(("text", "when"), TIMES)
def test_times_are_read_in_every_form_of_the_api(text: Any, when: datetime | None) -> None:
    """All three moments take times with and without fraction and zone; an invalid time is None."""
    seen = read(accepted_at=text, started_at=text, finished_at=text)
    assert (seen.accepted_at, seen.started_at, seen.finished_at) == (when, when, when)


def test_duration_needs_two_comparable_times() -> None:
    """The duration runs from start to end, and is unknown where the zones do not match."""
    start, end = "2024-05-01T10:00:00", "2024-05-01T10:00:02.500000"
    assert read(started_at=start, finished_at=end).seconds == 2.5
    assert read(accepted_at=start, finished_at=end).seconds == 2.5
    assert read(started_at=start, finished_at=end + "Z").seconds is None
    assert read(started_at=start).seconds is None


@pytest.mark.parametrize("payload", [None, [], "text", 5, True, {}, {"uuid": TASK}])
def test_payload_that_is_no_task_is_refused(payload: Any) -> None:
    """A payload that is not a remote task raises InvalidResponseError."""
    with pytest.raises(InvalidResponseError, match="remote task"):
        RemoteTask.from_payload(payload)


@pytest.mark.parametrize("uuid", [None, 5, "", "a/b", "../x", "a?b", "a b", "x" * 129])
def test_task_with_an_unusable_uuid_is_refused(uuid: Any) -> None:
    """A uuid that could change the meaning of a URL raises InvalidResponseError."""
    with pytest.raises(InvalidResponseError, match="uuid"):
        RemoteTask.from_payload({"uuid": uuid, "state": "SUCCESS"})


PERCENTS: list[tuple[Any, Any, int | None]] = [
    (50, 100, 50),
    (0, 100, 0),
    (29, 100, 29),
    (57, 100, 57),
    (1, 3, 33),
    (2, 3, 66),
    (100, 100, 100),
    (150, 100, 100),
    (-5, 100, 0),
    (999, 1000, 99),
    ("5", "10", 50),
    (5, 0, None),
    (None, None, None),
    (None, 100, None),
    (5, None, None),
    (True, 100, None),
    ([5], 100, None),
    ("many", 100, None),
    (10**400, 100, None),
    (1e308, 1e-308, 100),
    (1e308, 1, 100),
]


@pytest.mark.parametrize(("current", "total", "percent"), PERCENTS)
def test_percent(current: Any, total: Any, percent: int | None) -> None:
    """Percent is whole, rounded down, 0 to 100, and None where the server does not say."""
    assert TaskProgress.from_payload({"current": current, "total": total}).percent == percent


def test_progress_without_keys_is_unknown_and_no_object_is_refused() -> None:
    """An empty progress is unknown; a progress that is not an object raises."""
    assert TaskProgress.from_payload({}).percent is None
    for payload in (None, [], "x", 3):
        with pytest.raises(InvalidResponseError, match="progress"):
            TaskProgress.from_payload(payload)


ASSET_MODEL = OutputAsset(
    kind="raster",
    uuid=ASSET,
    name="heights",
    data={"size": 5, "bands": [1, 2.5, None]},
    api_url=f"http://geobox.test:8443/v1/rasters/{ASSET}/",
)
MODELS = [
    read("FAILURE", result={"detail": {"msg": "x"}}, started_at="2024-05-01T10:20:30.5"),
    read("QUEUED", finished_at="2024-05-01T10:20:30+03:30", id="seven"),
    RemoteTask.unseen(TASK),
    TaskOutput(kind="tiles3d", uuid=ASSET),
    TaskProgress(current=29, total=100),
    TaskProgress(),
    ASSET_MODEL,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_models_survive_json_and_pickle(model: Any) -> None:
    """Every model comes back equal, and of its type, from JSON and from pickle."""
    for back in (
        type(model).model_validate_json(model.model_dump_json()),
        type(model).model_validate(model.model_dump()),
        pickle.loads(pickle.dumps(model)),
    ):
        assert type(back) is type(model)
        assert back == model
        assert str(back) == str(model)


def test_asset_key_names_host_kind_and_uuid() -> None:
    """The asset key holds the host with its port, the kind and the uuid, and no user."""
    assert ASSET_MODEL.asset_key == f"geobox://geobox.test:8443/raster/{ASSET}"
    moved = ASSET_MODEL.model_copy(update={"api_url": "http://u:p@[::1]:80/v1/rasters/x/"})
    assert moved.asset_key == f"geobox://::1:80/raster/{ASSET}"


@given(JSON | TASKS)
@examples(40, many=400)
def test_any_json_is_a_task_or_an_invalid_response(payload: Any) -> None:
    """Any JSON is a remote task whose every property works and that survives JSON, or refused."""
    try:
        seen = RemoteTask.from_payload(payload)
    except InvalidResponseError:
        return
    assert seen.is_final == (seen.state in {"SUCCESS", "FAILURE", "ABORTED"})
    assert seen.output is None or seen.output.uuid
    assert seen.errors is None or isinstance(seen.errors, dict)
    assert "\n" not in f"{seen}{seen.label}{seen.reason}{seen.seconds}"
    assert RemoteTask.model_validate_json(seen.model_dump_json()) == seen


@given(JSON | st.fixed_dictionaries({"current": JSON, "total": JSON}))
@examples(30, many=300)
def test_any_json_is_a_progress_or_an_invalid_response(payload: Any) -> None:
    """Any JSON is a progress with a sane percent, or refused."""
    try:
        progress = TaskProgress.from_payload(payload)
    except InvalidResponseError:
        return
    assert progress.percent is None or 0 <= progress.percent <= 100
    assert TaskProgress.model_validate_json(progress.model_dump_json()) == progress
