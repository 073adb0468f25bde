"""The flow `publish_layer` and its command line, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from prefect_geobox import GeoboxCredentials
from tests.kit.sample_data import CITIES, ROOT
from tests.kit.until import HANGING, until


@pytest.fixture
def command_line(flow_environment):
    """The flow's `main`, with the environment pointing at the emulator."""
    from publish_layer import main

    return main


def test_publishing_twice_numbers_the_second_layer(command_line, capsys, credentials):
    """A second run keeps the first layer, publishes as name_2, and says so in its summary."""
    assert command_line([str(CITIES)]) == 0
    first = capsys.readouterr().out
    assert re.search(r"Layer +cities \(vector\), [0-9a-f-]{36}", first)
    assert re.search(r"Features +243", first)
    assert re.search(r"Extent +-?\d+, -?\d+, \d+, \d+ \(EPSG:3857\)", first)
    assert re.search(r"Took +\d+\.\d s, \d+ requests", first)

    assert command_line([str(CITIES)]) == 0
    second = capsys.readouterr().out
    assert re.search(r"Layer +cities_2 ", second)
    assert "'cities' exists already and was left as it is" in second
    with credentials.get_client() as client:
        assert len(client.find_assets("vector", "cities")) == 1
        assert len(client.find_assets("vector", "cities_2")) == 1


def test_a_taken_name_can_fail_instead(command_line, capsys):
    """With --if-exists fail, a taken name ends with exit code 1 and a way out."""
    assert command_line([str(CITIES)]) == 0
    capsys.readouterr()
    assert command_line([str(CITIES), "--if-exists", "fail"]) == 1
    err = capsys.readouterr().err
    assert "'cities' exists already" in err
    assert "Traceback" not in err


def _points(folder: Path, name: str, encoding: str = "utf-8") -> str:
    """A file with one point and one line."""
    geometries = [
        {"type": "Point", "coordinates": [8.5, 47.4]},
        {"type": "LineString", "coordinates": [[8, 47], [9, 48]]},
        {"type": "LineString", "coordinates": [[8, 48], [9, 47]]},
    ]
    features = [
        {"type": "Feature", "properties": {"name": "Zürich"}, "geometry": each}
        for each in geometries
    ]
    path = folder / name
    document = {"type": "FeatureCollection", "features": features}
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    return str(path)


def test_the_geometry_type_can_be_chosen(command_line, capsys, tmp_path):
    """With --geom-type the features of that type become the layer."""
    assert command_line([_points(tmp_path, "mixed.geojson"), "--geom-type", "linestring"]) == 0
    assert re.search(r"Features +2", capsys.readouterr().out)


def test_the_encoding_can_be_chosen(command_line, credentials, tmp_path):
    """With --encoding a text of another encoding is read as it was written."""
    path = tmp_path / "towns.csv"
    path.write_bytes("name,lon,lat\nZürich,8.5,47.4\n".encode("cp1252"))
    assert command_line([str(path), "--encoding", "cp1252"]) == 0
    with credentials.get_client() as client:
        layer = client.find_asset("vector", "towns")
        (feature,) = client.get_features(layer)["features"]
    assert feature["properties"]["name"] == "Zürich"


def _two_layers(folder: Path) -> str:
    geopandas = pytest.importorskip("geopandas")
    pyogrio = pytest.importorskip("pyogrio")
    path = folder / "both.gpkg"
    for name, count in (("wells", 1), ("pipes", 3)):
        points = geopandas.points_from_xy(range(count), range(count))
        frame = geopandas.GeoDataFrame({"n": range(count)}, geometry=points, crs=4326)
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG")
    return str(path)


def test_the_layer_of_a_file_can_be_chosen(command_line, capsys, caplog, tmp_path):
    """With --input-layer that layer is published; without it the log says which one was."""
    path = _two_layers(tmp_path)
    assert command_line([path, "--name", "chosen", "--input-layer", "pipes"]) == 0
    assert re.search(r"Features +3", capsys.readouterr().out)
    assert "layers, and" not in caplog.text
    assert command_line([path, "--name", "first"]) == 0
    assert re.search(r"Features +1", capsys.readouterr().out)
    assert "File 'both.gpkg' has 2 layers, and wells is read." in caplog.text


def test_a_layer_that_is_nearly_named_is_suggested(command_line, capsys, tmp_path):
    """A layer that the file does not have ends with exit code 1 and a suggestion."""
    path = _two_layers(tmp_path)
    assert command_line([path, "--name", "none", "--input-layer", "well"]) == 1
    err = capsys.readouterr().err
    assert "file 'both.gpkg' has no layer 'well'. Did you mean wells?" in err
    assert "Traceback" not in err


def test_a_code_without_effect_is_said(command_line, caplog):
    """An EPSG code that GeoJSON ignores is reported, also where it is the default one."""
    assert command_line([str(CITIES), "--name", "with_a_code", "--srid", "3857"]) == 0
    assert "input_srid=3857 has no effect: coordinates in GeoJSON" in caplog.text


def _unreadable(folder: Path) -> str:
    broken = folder / "broken.geojson"
    broken.write_text('{"type": "FeatureColl')
    return str(broken)


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["missing.geojson"], {}, "missing.geojson"),
        ([str(ROOT / "flows")], {}, "is a folder"),
        ([str(CITIES), "--block", "nobodys"], {}, "'nobodys'"),
        ([str(CITIES)], {"GEOBOX_APIKEY": ""}, "GEOBOX_APIKEY"),
        ([str(CITIES)], {"GEOBOX_APIKEY": "wrong-key-123456"}, "GEOBOX_APIKEY"),
        ([str(CITIES)], {"GEOBOX_HOST": "http://127.0.0.1:9"}, "127.0.0.1:9 was not reached"),
        ([str(CITIES)], {"GEOBOX_HOST": "gis.example.org"}, "https://gis.example.org"),
        ([str(CITIES), "--timeout", "-1"], {}, "timeout"),
        ([str(CITIES), "--srid", "-1"], {}, "input_srid"),
        ([str(CITIES), "--name", " "], {}, "name must be"),
        ([str(CITIES), "--name", "Z\udcfcrich"], {}, "name"),
        (["--serve", "--timeout", "-1"], {}, "timeout"),
    ],
)
def test_bad_input_ends_with_one_paragraph(
    command_line, capsys, monkeypatch, arguments, environment, named
):
    """Bad input ends with exit code 1 and one paragraph that names it, without a traceback."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert command_line(arguments) == 1

    printed = capsys.readouterr()
    paragraph = printed.err.strip().rpartition("\n\n")[2]
    assert named in paragraph
    assert "Traceback" not in printed.err + printed.out
    assert "wrong-key-123456" not in printed.err + printed.out


def test_a_file_that_the_server_cannot_read_shows_its_reason(command_line, capsys, tmp_path):
    """A remote FAILURE ends with exit code 1 and the server's reason, without a traceback."""
    assert command_line([_unreadable(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "broken.geojson cannot be read" in printed.err
    assert "Traceback" not in printed.err + printed.out


def test_a_prefect_server_that_is_down_is_named(geobox_emulator):
    """Where the Prefect server cannot be reached, one paragraph says so, without a traceback."""
    environment = os.environ | {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        "GEOBOX_HOST": geobox_emulator.url,
        "GEOBOX_APIKEY": geobox_emulator.apikey,
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "flows" / "publish_layer.py"), str(CITIES)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=HANGING,
        check=False,
    )
    assert done.returncode == 1
    assert "PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_file_argument_is_asked_for(command_line, capsys):
    """Without a file the command line says what is missing."""
    with pytest.raises(SystemExit) as caught:
        command_line([])
    assert caught.value.code == 2
    assert "FILE is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_runs_by_itself_and_stays_in_its_folder(tmp_path):
    """The demo publishes a user's file with servers of its own and touches no profile."""
    home = tmp_path / "home"
    home.mkdir()
    data = tmp_path / "my cities.geojson"
    data.write_bytes(CITIES.read_bytes())
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, str(ROOT / "flows" / "demo.py"), str(data)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=HANGING,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"Layer +my_cities \(vector\)", done.stdout)
    assert "Features  243" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_the_flow_can_be_served(geobox_emulator, credentials):
    """Served as a deployment, the flow runs when the server schedules a run of it."""
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment
    from prefect.settings import PREFECT_API_URL

    environment = os.environ | {
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
        "GEOBOX_HOST": geobox_emulator.url,
        "GEOBOX_APIKEY": geobox_emulator.apikey,
    }
    command = [sys.executable, str(ROOT / "flows" / "publish_layer.py"), "--serve"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            with get_client(sync_client=True) as client:
                assert until(client.read_deployments, pause=0.2)
            run = run_deployment(
                "publish-layer/publish-layer",
                parameters={"path": str(CITIES), "name": "served"},
                timeout=HANGING,
            )
        finally:
            server.terminate()
            server.wait(HANGING)
    assert run.state.is_completed(), run.state
    with credentials.get_client() as client:
        assert len(client.find_assets("vector", "served")) == 1


def test_a_saved_block_that_cannot_be_used_is_named(command_line, capsys):
    """A block whose host was edited into something else ends with one paragraph that names both."""
    block = GeoboxCredentials(host="https://gis.example.org", apikey="key-of-a-test")
    # The UI's form checks nothing.
    block.__dict__["host"] = "gis.example.org"
    block.save("edited", overwrite=True)

    assert command_line([str(CITIES), "--block", "edited"]) == 1

    err = capsys.readouterr().err
    assert "block 'edited' cannot be used: host must be a URL with http:// or https://" in err
    assert "Traceback" not in err


def test_the_message_of_a_failure_is_printed_once(flow_environment, tmp_path):
    """The command line prints the reason of a failure at its end and nowhere else."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "flows" / "publish_layer.py"), _unreadable(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""},
        timeout=HANGING,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert printed.count("broken.geojson cannot be read") == 1
    assert done.stderr.strip().rpartition("\n\n")[2].startswith("Remote task ")


def test_the_summary_tells_what_was_left_out(command_line, capsys, tmp_path):
    """The summary says how many features of how many were left out, equal reasons once."""
    point = {"type": "Point", "coordinates": [1, 2]}
    features = [
        {"type": "Feature", "properties": {}, "geometry": geometry}
        for geometry in (point, point, None, None, None)
    ]
    path = tmp_path / "partly.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert command_line([str(path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Reported +3 of 5 features were left out: .*\(3 times\)", printed)
