"""What the answers of the other endpoints become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from prefect_geobox.client import AssetKind, InvalidResponseError, OutputAsset
from prefect_geobox.client.model.payloads import (
    parse_asset,
    parse_assets,
    parse_count,
    parse_described,
    parse_descriptions,
    parse_feature_collection,
    parse_starts,
    parse_tasks,
)
from tests.kit.examples import examples
from tests.kit.payloads import ASSET, OTHER, TASK, task

from .test_models import JSON


def url_of(kind: AssetKind, uuid: str) -> str:
    """Where the API would describe an asset."""
    return f"http://geobox.test/v1/{kind}/{uuid}/"


@pytest.mark.parametrize(("payload", "count"), [(42, 42), (0, 0), ({"count": 7, "x": 1}, 7)])
def test_count_is_a_number_or_an_object(payload: Any, count: int) -> None:
    """A count comes bare or as `count` of an object."""
    assert parse_count(payload) == count


@pytest.mark.parametrize("payload", [None, -1, True, 1.5, "42", [], {}, {"count": "7"}, [42]])
def test_other_counts_are_refused(payload: Any) -> None:
    """A count that is not a whole number raises InvalidResponseError."""
    with pytest.raises(InvalidResponseError, match="whole number"):
        parse_count(payload)


@pytest.mark.parametrize(
    ("payload", "identifiers"),
    [
        ({"task_id": TASK}, [TASK]),
        ({"task_id": 17}, ["17"]),
        ({"task_id": TASK, "status": "ok"}, [TASK]),
        ([{"task_id": TASK}], [TASK]),
        ([{"task_id": TASK}, {"task_id": OTHER}], [TASK, OTHER]),
    ],
)
def test_start_names_each_remote_task(payload: Any, identifiers: list[str]) -> None:
    """A start answers with a task_id, a text or a number, alone or several in a list."""
    assert parse_starts(payload) == identifiers


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        [],
        [1, 2, 3],
        [{"task_id": TASK}, {}],
        {"task_id": None},
        {"task_id": True},
        {"task_id": "a/b"},
    ],
)
def test_start_without_a_usable_task_id_is_refused(payload: Any) -> None:
    """A start without a task_id, or with one that no path may hold, raises."""
    with pytest.raises(InvalidResponseError):
        parse_starts(payload)


def test_list_keeps_the_order_and_null_is_empty() -> None:
    """The task list keeps its order; null and an empty list give no tasks."""
    seen = parse_tasks([task("PENDING"), task("SUCCESS", OTHER)])
    assert [(found.uuid, found.state) for found in seen] == [
        (TASK, "PENDING"),
        (OTHER, "SUCCESS"),
    ]
    assert parse_tasks(None) == parse_tasks([]) == []


@pytest.mark.parametrize("payload", [{}, "x", 5, [None], [[]], [{"uuid": TASK}]])
def test_other_lists_are_refused(payload: Any) -> None:
    """A payload that is not a list of remote tasks raises InvalidResponseError."""
    with pytest.raises(InvalidResponseError):
        parse_tasks(payload)


def test_asset_has_a_link_without_a_credential() -> None:
    """An asset keeps its description and the URL at which the API describes it."""
    payload = {"uuid": ASSET, "name": "towns", "layer_type": "Point"}
    assert parse_asset(payload, AssetKind.VECTOR, url_of) == OutputAsset(
        kind="vector",
        uuid=ASSET,
        name="towns",
        data=payload,
        api_url=f"http://geobox.test/v1/vector/{ASSET}/",
    )


PARSERS: dict[str, Callable[[Any], Any]] = {
    "asset": lambda payload: parse_asset(payload, AssetKind.FILE, url_of),
    "assets": lambda payload: parse_assets(payload, AssetKind.TABLE, url_of),
    "count": parse_count,
    "features": parse_feature_collection,
    "description": parse_described,
    "descriptions": parse_descriptions,
    "start": parse_starts,
    "tasks": parse_tasks,
}
NEAR_MISSES = st.fixed_dictionaries(
    {},
    optional={
        "uuid": JSON | st.just(ASSET),
        "name": JSON,
        "count": JSON,
        "features": JSON,
        "task_id": JSON,
        "state": JSON,
    },
)


@pytest.mark.parametrize("name", PARSERS)
@given(payload=JSON | NEAR_MISSES | st.lists(NEAR_MISSES, max_size=3))
@examples(15, many=150)
def test_any_json_is_a_value_or_an_invalid_response(name: str, payload: Any) -> None:
    """Any JSON parses to a value of the right type or raises InvalidResponseError."""
    kinds = {"asset": OutputAsset, "count": int, "features": dict, "description": dict}
    try:
        value = PARSERS[name](payload)
    except InvalidResponseError:
        return
    assert isinstance(value, kinds.get(name, list))
