"""The `q` filter."""

from __future__ import annotations

from uuid import uuid4

import pytest

from prefect_geobox.emulator.http.filters import FilterError, parse_filter

RECORDS = [
    {"id": 1, "name": "import:a", "state": "PENDING", "at": "2024-01-01T00:00:00.000000"},
    {"id": 2, "name": "import:b", "state": "SUCCESS", "at": "2024-06-01T00:00:00.000000"},
    {"id": 3, "name": "it's 50%", "state": "FAILURE", "at": None},
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'import:a'", [1]),
        ("name <> 'import:a'", [2, 3]),
        ("id < 2", [1]),
        ("id <= 2", [1, 2]),
        ("id > 2", [3]),
        ("id >= 2", [2, 3]),
        ("id = 2.0", [2]),
        ("at > '2024-03-01'", [2]),
        ("at < '2024-03-01'", [1]),
        ("name LIKE 'import:%'", [1, 2]),
        ("name like 'import:_'", [1, 2]),
        ("name NOT LIKE 'import:%'", [3]),
        ("name = 'it''s 50%'", [3]),
        ("state IN ('PENDING', 'FAILURE')", [1, 3]),
        ("state NOT IN ('PENDING')", [2, 3]),
        ("id IN (1, 3)", [1, 3]),
        ("state = 'PENDING' OR state = 'SUCCESS' AND id = 9", [1]),
        ("(state = 'PENDING' OR state = 'SUCCESS') AND id = 2", [2]),
        ("NOT state = 'PENDING' AND NOT (id = 3)", [2]),
        ("\"name\" = 'import:b'", [2]),
        ("at <> 'x'", [1, 2]),
    ],
)
def test_filter_matches(text: str, expected: list[int]) -> None:
    """A filter passes the records that it describes, and a missing value never passes."""
    found = parse_filter(text)
    assert [record["id"] for record in RECORDS if found.matches(record)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= 'x'",
        "name = x",
        "name = 'x' AND",
        "name = 'x' state = 'y'",
        "(name = 'x'",
        "name IN 'x'",
        "name IN ()",
        "name = 'unclosed",
        "name ; 'x'",
        "NOT",
        "name LIKE",
        "IN ('x')",
        pytest.param("(" * 100_000, id="deep"),
        pytest.param("NOT " * 100_000 + "a = 1", id="long"),
    ],
)
def test_unreadable_filter_is_refused(text: str) -> None:
    """A text that is not a filter raises instead of matching everything."""
    with pytest.raises(FilterError):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uuid = 'a'", {"a"}),
        ("uuid IN ('a', 'b')", {"a", "b"}),
        ("uuid IN ('a', 'b') AND state = 'PENDING'", {"a", "b"}),
        ("uuid IN ('a', 'b') AND uuid = 'b'", {"b"}),
        ("uuid = 'a' OR uuid = 'b'", {"a", "b"}),
        ("uuid = 'a' OR state = 'PENDING'", None),
        ("NOT uuid = 'a'", None),
        ("uuid <> 'a'", None),
        ("state = 'PENDING'", None),
    ],
)
def test_filter_knows_which_uuids_can_pass(text: str, expected: set[str] | None) -> None:
    """A filter that fixes the uuid gives the uuids that can match, any other gives None."""
    assert parse_filter(text).uuids == expected


def test_filter_names_its_fields() -> None:
    """The fields of all conditions are known, so that an unknown one can be refused."""
    assert parse_filter("a = 1 AND (b LIKE 'x' OR NOT c IN (1))").fields == {"a", "b", "c"}


def test_long_list_of_uuids_is_read() -> None:
    """A filter may name 150 uuids, as those of the poller do."""
    uuids = [str(uuid4()) for _ in range(150)]
    found = parse_filter("uuid IN (" + ",".join(f"'{uuid}'" for uuid in uuids) + ")")
    assert found.uuids == set(uuids)
