"""`GeoboxEmulator` itself, the command line and the pytest fixture."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from typing import Any

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import Api, geojson, http_client, point
from tests.kit.sample_data import ROOT
from tests.kit.until import HANGING

COMMAND = [sys.executable, "-W", "error::ResourceWarning", "-m", "prefect_geobox.emulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

pytest_plugins = ["pytester"]


def ask(geobox: GeoboxEmulator, path: str = "tasks/") -> int:
    """The status of one request on a connection of its own."""
    return httpx.get(
        f"{geobox.url}/v1/{path}", params={"apikey": geobox.apikey}, timeout=HANGING
    ).status_code


def test_context_leaves_nothing_behind() -> None:
    """After the context no thread and no listening socket is left."""
    before = set(threading.enumerate())
    with GeoboxEmulator(seconds=0) as geobox:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", geobox.url)
        with http_client(geobox.url, params={"apikey": geobox.apikey}) as http:
            api = Api(http)
            layer = api.layer("a.geojson", geojson(point(1, 2)))
            assert len(api.features(layer)) == 1
    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        ask(geobox)


def test_credentials_are_random_unless_given() -> None:
    """Two emulators share no secret, and given credentials are the ones that open."""
    one, two = GeoboxEmulator(), GeoboxEmulator()
    for name in ("apikey", "username", "password"):
        assert getattr(one, name) != getattr(two, name)
    with GeoboxEmulator(apikey="key", username="me", password="word") as geobox:
        assert (geobox.apikey, geobox.username, geobox.password) == ("key", "me", "word")
        assert ask(geobox) == 200
        login = {"username": "me", "password": "word"}
        assert (
            httpx.post(f"{geobox.url}/v1/auth/token/", data=login, timeout=HANGING).status_code
            == 200
        )


def test_repr_holds_no_secret() -> None:
    """The emulator shows where it is and whether it runs, and no secret."""
    geobox = GeoboxEmulator()
    assert not any(s in repr(geobox) for s in (geobox.apikey, geobox.password, geobox.username))
    assert "running=False" in repr(geobox)


def test_outage_keeps_port_tasks_and_tokens() -> None:
    """Stopped it refuses connections; started again it is where it was and knows what it knew."""
    with GeoboxEmulator(seconds=0) as geobox:
        url, uuid = geobox.url, geobox.add_task(seconds=0)
        login = {"username": geobox.username, "password": geobox.password}
        token = httpx.post(f"{url}/v1/auth/token/", data=login, timeout=HANGING).json()[
            "access_token"
        ]
        geobox.stop()
        geobox.stop()
        with pytest.raises(httpx.ConnectError):
            ask(geobox)
        geobox.start()
        geobox.start()
        assert geobox.url == url
        bearer = {"Authorization": f"Bearer {token}"}
        task = httpx.get(f"{url}/v1/tasks/{uuid}/", headers=bearer, timeout=HANGING)
        assert task.json()["state"] == "SUCCESS"
        with http_client(url, headers=bearer) as http:
            assert Api(http).layer("a.geojson", geojson(point(1, 2)))["feature_count"] == 1


def test_stop_does_not_wait_for_open_connections() -> None:
    """A client that keeps its connection open does not hold the server up."""
    geobox = GeoboxEmulator().start()
    with socket.create_connection(("127.0.0.1", int(geobox.url.rpartition(":")[2]))):
        stopping = threading.Thread(target=geobox.stop, daemon=True)
        stopping.start()
        stopping.join(HANGING)
        assert not stopping.is_alive()


def test_duration_can_be_changed() -> None:
    """A new duration holds for the tasks that start after it."""
    with GeoboxEmulator(seconds=60) as geobox:
        slow = geobox.add_task()
        geobox.seconds = 0
        quick = geobox.add_task()
        params = {"apikey": geobox.apikey}
        states = [
            httpx.get(f"{geobox.url}/v1/tasks/{uuid}/", params=params, timeout=HANGING).json()[
                "state"
            ]
            for uuid in (slow, quick)
        ]
        assert states == ["PENDING", "SUCCESS"]
        assert geobox.seconds == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"port": -1},
        {"port": 65536},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"task_id_kind": "name"},
        {"count_shape": "list"},
    ],
)
def test_nonsense_is_refused(arguments: dict[str, Any]) -> None:
    """An invalid argument raises a ValueError that says what is valid."""
    with pytest.raises(ValueError, match="must"):
        GeoboxEmulator(**arguments)


def test_port_in_use_is_an_error() -> None:
    """A second server on a port raises OSError and leaves nothing open."""
    with GeoboxEmulator() as geobox:
        other = GeoboxEmulator(int(geobox.url.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            other.start()
        other.stop()
        assert ask(geobox) == 200


@pytest.mark.processes
def test_import_is_cheap() -> None:
    """The plugin, which every pytest run loads, imports neither web server nor Prefect."""
    code = (
        "import sys, prefect_geobox.emulator.pytest_plugin as plugin;"
        "heavy = {'starlette', 'uvicorn', 'prefect', 'pydantic', 'httpx', 'shapely', 'pyproj'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.processes
def test_fixture_is_a_running_emulator(pytester: pytest.Pytester) -> None:
    """`geobox_emulator` gives a test an emulator of its own with quick tasks."""
    pytester.makepyfile(
        """
        import httpx

        def test_it(geobox_emulator):
            url = f"{geobox_emulator.url}/v1/tasks/"
            answer = httpx.get(url, params={"apikey": geobox_emulator.apikey})
            assert answer.json() == []
            assert geobox_emulator.seconds == 0.05
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    plugin = "prefect_geobox.emulator.pytest_plugin"
    # Where the package is installed pytest finds the plugin itself, and refuses it twice.
    installed = {point.value for point in entry_points(group="pytest11")}
    options = [] if plugin in installed else ["-p", plugin]
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_line_runs_until_a_signal(number: signal.Signals) -> None:
    """The command prints where it is and what opens it, serves, and ends cleanly."""
    arguments = [*COMMAND, "--seconds", "0.01"]
    process = subprocess.Popen(
        arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        printed = re.fullmatch(
            r"Geobox emulator at (\S+)\nAPI key:  (\S+)\nUser:     (\S+)\nPassword: (\S+)\n.*\n",
            "".join(lines),
        )
        assert printed is not None, lines
        url, apikey, username, password = printed.groups()
        assert url.startswith("http://127.0.0.1:")
        login = {"username": username, "password": password}
        token = httpx.post(f"{url}/v1/auth/token/", data=login, timeout=HANGING).json()[
            "access_token"
        ]
        with http_client(url, params={"apikey": apikey}) as http:
            task = Api(http).publish("a.geojson", geojson(point(1, 2)))
            assert task["state"] == "SUCCESS"
        process.send_signal(number)
        rest, errors = process.communicate(timeout=HANGING)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    for secret in (apikey, password, token):
        assert secret not in rest + errors
    assert "Error" not in errors
    assert "Warning" not in errors


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "many"], "invalid int value"),
        (["--port", "70000"], "port must lie between"),
        (["--seconds", "-1"], "seconds must be"),
        (["--seconds", "nan"], "seconds must be"),
        (["--colour"], "unrecognized"),
    ],
)
def test_command_line_refuses_nonsense(arguments: list[str], reason: str) -> None:
    """A bad value ends the command with one line and exit code 1."""
    from prefect_geobox.emulator.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 1


@pytest.mark.processes
def test_command_line_says_that_a_port_is_in_use() -> None:
    """A port in use ends the command with one clear line and exit code 1."""
    with GeoboxEmulator() as geobox:
        port = geobox.url.rpartition(":")[2]
        done = subprocess.run(
            [*COMMAND, "--port", port], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"port {port} cannot be used" in done.stderr
