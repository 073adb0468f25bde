"""The life of a remote task: states, progress, abort, lists."""

from __future__ import annotations

import re
import threading
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.state import remote_tasks
from tests.kit.fake_clock import ShiftedClock
from tests.kit.plain_api import Api, geojson, http_client, new_name, point
from tests.kit.until import HANGING


def moment(text: str) -> datetime:
    """A time of the API, which has microseconds and no zone."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
    return datetime.fromisoformat(text)


@pytest.fixture
def emulated_time(monkeypatch: pytest.MonkeyPatch) -> ShiftedClock:
    """The clock that moves remote tasks on."""
    clock = ShiftedClock()
    monkeypatch.setattr(remote_tasks, "time", clock)
    return clock


def test_task_goes_through_its_states(
    geobox: GeoboxEmulator, api: Api, emulated_time: ShiftedClock
) -> None:
    """A task is PENDING, then PROGRESS, then final, and its times stand in that order."""
    uuid = geobox.add_task(name="a", seconds=1000, pending=0.4, result={"layer_uuid": "l"})
    seen = api.get(f"tasks/{uuid}/")
    assert seen["state"] == "PENDING"
    assert (seen["result"], seen["started_at"], seen["finished_at"]) == ({}, None, None)
    emulated_time.ahead = 500
    seen = api.get(f"tasks/{uuid}/")
    assert seen["state"] == "PROGRESS"
    assert (seen["result"], seen["finished_at"]) == ({}, None)
    emulated_time.ahead = 1000
    seen = api.get(f"tasks/{uuid}/")
    assert seen["state"] == "SUCCESS"
    assert seen["result"] == {"layer_uuid": "l"}
    accepted, started, finished = (
        moment(seen[key]) for key in ("accepted_at", "started_at", "finished_at")
    )
    assert (started - accepted).total_seconds() == pytest.approx(400, abs=0.001)
    assert (finished - accepted).total_seconds() == pytest.approx(1000, abs=0.001)


def test_progress_rises_to_its_total(
    geobox: GeoboxEmulator, api: Api, emulated_time: ShiftedClock
) -> None:
    """Progress is unknown at first, rises while the task runs, and is complete at its end."""
    uuid = geobox.add_task(seconds=1000, pending=0.3)
    assert api.get(f"tasks/{uuid}/status/") == {"current": None, "total": None}
    seen: list[int] = []
    for emulated_time.ahead in (400, 600, 800, 900):
        assert api.get(f"tasks/{uuid}/")["state"] == "PROGRESS"
        seen.append(api.get(f"tasks/{uuid}/status/")["current"])
    assert seen == sorted(set(seen))
    assert seen[0] > 0
    assert seen[-1] < 100
    emulated_time.ahead = 1000
    assert api.get(f"tasks/{uuid}/")["state"] == "SUCCESS"
    assert api.get(f"tasks/{uuid}/status/") == {"current": 100, "total": 100}


def test_progress_can_be_off(geobox: GeoboxEmulator, api: Api) -> None:
    """A task without progress has none, even at its end."""
    uuid = geobox.add_task(seconds=0, progress=False)
    assert api.get(f"tasks/{uuid}/")["state"] == "SUCCESS"
    assert api.get(f"tasks/{uuid}/status/") == {"current": None, "total": None}


@pytest.mark.parametrize("result", [None, [], "text", 3, {"detail": {"msg": "m", "type": "t"}}])
def test_scripted_result_may_be_any_json(geobox: GeoboxEmulator, api: Api, result: Any) -> None:
    """Whatever result a test asks for is what the API answers."""
    uuid = geobox.add_task(seconds=0, state="FAILURE", result=result)
    task = api.get(f"tasks/{uuid}/")
    assert (task["state"], task["result"]) == ("FAILURE", result)


def test_scripted_states_are_consumed_one_per_read(geobox: GeoboxEmulator, api: Api) -> None:
    """Each read, alone or in a list, finds the next state, and the last one stays."""
    states = ["PENDING", "STARTED", "PROGRESS", "SUCCESS"]
    uuid = geobox.add_task(states=states, result={"file_uuid": "f"})
    one = api.get(f"tasks/{uuid}/")
    [two] = api.get("tasks/", q=f"uuid = '{uuid}'")
    rest = [api.get(f"tasks/{uuid}/") for _ in range(3)]
    seen = [one, two, *rest]
    assert [task["state"] for task in seen] == [*states, "SUCCESS"]
    assert [task["result"] for task in seen] == [{}, {}, {}, *[{"file_uuid": "f"}] * 2]
    assert rest[-1]["finished_at"] is not None


@pytest.mark.parametrize(
    "arguments", [{"state": "PROGRESS"}, {"pending": 1.5}, {"seconds": -1}, {"seconds": "nan"}]
)
def test_nonsense_cannot_be_scripted(geobox: GeoboxEmulator, arguments: dict[str, Any]) -> None:
    """An invalid argument raises ValueError."""
    with pytest.raises(ValueError, match="must"):
        geobox.add_task(**{k: float(v) if v == "nan" else v for k, v in arguments.items()})


@pytest.mark.parametrize("result", [float("nan"), {1, 2}, object()])
def test_result_that_is_no_json_cannot_be_scripted(geobox: GeoboxEmulator, result: Any) -> None:
    """A result that is not JSON is refused where the test gives it."""
    with pytest.raises((ValueError, TypeError)):
        geobox.add_task(result=result)


def test_task_is_found_by_uuid_and_id(geobox: GeoboxEmulator, api: Api) -> None:
    """Both identifiers lead to the same task, with and without the last slash."""
    uuid = geobox.add_task(seconds=0)
    task = api.get(f"tasks/{uuid}/")
    assert isinstance(task["id"], int)
    assert api.get(f"tasks/{task['id']}/") == api.get(f"tasks/{uuid}") == task


@pytest.mark.parametrize("key", ["None", "0", "00000000-0000-4000-8000-000000000000"])
def test_unknown_task_is_404(api: Api, key: str) -> None:
    """An unknown task is a 404 that says so in JSON, whatever is asked of it."""
    for method, path in (("GET", ""), ("GET", "status/"), ("POST", "abort/")):
        answer = api.http.request(method, f"tasks/{key}/{path}")
        assert answer.status_code == 404
        assert key in answer.json()["detail"]["msg"]


def test_abort_ends_a_task_at_once(geobox: GeoboxEmulator, api: Api) -> None:
    """An aborted task is ABORTED at the next read, and a second abort is a conflict."""
    uuid = geobox.add_task(seconds=60)
    api.json("POST", f"tasks/{uuid}/abort/")
    task = api.get(f"tasks/{uuid}/")
    assert (task["state"], task["result"], task["started_at"]) == ("ABORTED", {}, None)
    assert task["finished_at"] is not None
    again = api.http.post(f"tasks/{uuid}/abort/")
    assert again.status_code == 409
    assert set(again.json()["detail"]) == {"msg", "type"}


def test_abort_ends_scripted_states(geobox: GeoboxEmulator, api: Api) -> None:
    """A task with scripted states can be aborted until they are final."""
    uuid = geobox.add_task(states=["PROGRESS", "SUCCESS"])
    api.json("POST", f"tasks/{uuid}/abort/")
    assert api.get(f"tasks/{uuid}/")["state"] == "ABORTED"


def test_aborted_publication_leaves_no_layer(emulated_time: ShiftedClock) -> None:
    """A layer appears with the SUCCESS of its task, never before and never after an abort."""
    with GeoboxEmulator(seconds=1000) as geobox, _http(geobox) as http:
        api, name = Api(http), new_name()
        file = api.upload("a.geojson", geojson(point(1, 2)))
        form = {"publish_as": "vector", "layer_name": name}
        task = api.json("POST", f"files/{file['uuid']}/publish/", data=form)["task_id"]
        assert api.get("vectorLayers/", q=f"name = '{name}'") == []
        api.json("POST", f"tasks/{task}/abort/")
        emulated_time.ahead += 1100
        assert api.get(f"tasks/{task}/")["state"] == "ABORTED"
        assert api.get("vectorLayers/", q=f"name = '{name}'") == []
        task = api.json("POST", f"files/{file['uuid']}/publish/", data=form)["task_id"]
        emulated_time.ahead += 1100
        assert api.wait(task)["state"] == "SUCCESS"
        assert len(api.get("vectorLayers/", q=f"name = '{name}'")) == 1


def test_duration_grows_with_features(cities: bytes, emulated_time: ShiftedClock) -> None:
    """243 features take a little longer than the seconds asked for."""
    with GeoboxEmulator(seconds=1000) as geobox, _http(geobox) as http:
        api = Api(http)
        file = api.upload("cities.geojson", cities)
        form = {"publish_as": "vector", "layer_name": new_name()}
        task = api.json("POST", f"files/{file['uuid']}/publish/", data=form)["task_id"]
        emulated_time.ahead = 1000
        assert api.get(f"tasks/{task}/")["state"] == "PROGRESS"
        emulated_time.ahead = 1250
        assert api.wait(task)["state"] == "SUCCESS"


@pytest.fixture(scope="module")
def board() -> Any:
    """Three tasks alone on an emulator."""
    with GeoboxEmulator(seconds=0) as geobox, _http(geobox) as http:
        geobox.add_task(name="import:a", seconds=60, pending=1)
        geobox.add_task(name="import:b", seconds=0)
        geobox.add_task(name="export:c", seconds=0, state="FAILURE")
        yield Api(http)


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, ["export:c", "import:b", "import:a"]),
        ({"order_by": "name A"}, ["export:c", "import:a", "import:b"]),
        ({"order_by": "accepted_at D, name A"}, ["export:c", "import:b", "import:a"]),
        ({"order_by": "state D,name D"}, ["import:b", "import:a", "export:c"]),
        ({"state": "PENDING"}, ["import:a"]),
        ({"state": "ABORTED"}, []),
        ({"q": "name LIKE 'import:%'", "order_by": "name"}, ["import:a", "import:b"]),
        ({"search": "IMPORT"}, ["import:b", "import:a"]),
        ({"search": "success"}, ["import:b"]),
        ({"search": "success", "search_fields": "name"}, []),
        ({"search": "nothing", "q": "state = 'FAILURE'"}, ["export:c"]),
        ({"skip": 1, "limit": 1}, ["import:b"]),
        ({"skip": 9}, []),
        ({"user_id": 1}, ["export:c", "import:b", "import:a"]),
        ({"user_id": 7}, []),
        ({"shared": "True"}, []),
        ({"shared": "False", "f": "json"}, ["export:c", "import:b", "import:a"]),
    ],
)
def test_list_filters_sorts_and_pages(board: Api, params: dict[str, Any], names: list[str]) -> None:
    """Lists show what was asked for, and a count tells how many there are without paging."""
    assert [task["name"] for task in board.get("tasks/", **params)] == names
    unpaged = {key: value for key, value in params.items() if key not in {"skip", "limit"}}
    total = len(board.get("tasks/", **unpaged))
    assert board.get("tasks/", return_count="True", **params) == total


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"state": "DONE"}, 422),
        ({"state": "success"}, 422),
        ({"q": "name ="}, 400),
        ({"q": "owner = 'x'"}, 422),
        ({"order_by": "owner A"}, 422),
        ({"order_by": "name X"}, 422),
        ({"search": "a", "search_fields": "owner"}, 422),
        ({"limit": "ten"}, 422),
        ({"skip": "-1"}, 422),
    ],
)
def test_senseless_filters_are_refused(board: Api, params: dict[str, Any], status: int) -> None:
    """A filter that cannot be read is a 400, an unknown field or value a 422, both in JSON."""
    answer = board.http.get("tasks/", params=params)
    assert answer.status_code == status
    detail = answer.json()["detail"]
    assert detail["msg"] if status == 400 else detail[0]["loc"][0] == "query"


def test_ten_tasks_are_the_default_page(geobox: GeoboxEmulator, api: Api) -> None:
    """Without a limit a list has ten tasks at most."""
    for _ in range(12):
        geobox.add_task(seconds=60)
    assert len(api.get("tasks/")) == 10
    assert len(api.get("tasks/", limit=12)) == 12


def test_many_uuids_are_looked_up(geobox: GeoboxEmulator, api: Api) -> None:
    """150 uuids in one request find their tasks among thousands."""
    uuids = [geobox.add_task(seconds=60) for _ in range(3000)][::20]
    q = "uuid IN (" + ",".join(f"'{uuid}'" for uuid in [*uuids, str(uuid4())]) + ")"
    found = api.get("tasks/", q=q, limit=200)
    assert sorted(task["uuid"] for task in found) == sorted(uuids)


@pytest.mark.parametrize(("shape", "expected"), [("int", 1), ("object", {"count": 1})])
def test_count_has_the_shape_asked_for(shape: Any, expected: Any) -> None:
    """A count is a bare number or an object."""
    with GeoboxEmulator(count_shape=shape) as geobox, _http(geobox) as http:
        geobox.add_task()
        assert Api(http).get("tasks/", return_count="True") == expected


@pytest.mark.parametrize(("kind", "type_"), [("uuid", str), ("id", int)])
def test_start_answers_with_the_identifier_asked_for(kind: Any, type_: type) -> None:
    """A start names its task by uuid or by number, and either leads to it."""
    with GeoboxEmulator(task_id_kind=kind, seconds=0) as geobox, _http(geobox) as http:
        api = Api(http)
        file = api.upload("a.geojson", geojson(point(1, 2)))
        form = {"publish_as": "vector", "layer_name": "a"}
        start = api.json("POST", f"files/{file['uuid']}/publish/", data=form)
        assert set(start) == {"task_id"}
        assert type(start["task_id"]) is type_
        task = api.get(f"tasks/{start['task_id']}/")
        assert task["id" if kind == "id" else "uuid"] == start["task_id"]


def test_server_answers_while_it_works(countries: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading files does not keep other requests waiting."""
    begun, goes_on, plain_work = threading.Event(), threading.Event(), remote_tasks.outcome_of

    def outcome_of(work: Any) -> Any:
        begun.set()
        assert goes_on.wait(HANGING)
        return plain_work(work)

    monkeypatch.setattr(remote_tasks, "outcome_of", outcome_of)
    with GeoboxEmulator(seconds=0) as geobox, _http(geobox) as http:
        api = Api(http)
        threads = [
            threading.Thread(target=api.publish, args=("countries.geojson", countries))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        assert begun.wait(HANGING)
        assert all(task["state"] != "SUCCESS" for task in api.get("tasks/"))
        goes_on.set()
        for thread in threads:
            thread.join()
        assert [task["state"] for task in api.get("tasks/")] == ["SUCCESS"] * 4


def _http(geobox: GeoboxEmulator) -> httpx.Client:
    return http_client(geobox.url, params={"apikey": geobox.apikey})
