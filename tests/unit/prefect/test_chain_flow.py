"""The flow `buffer_and_export` and its command line, as a user runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import geopandas
import pytest

from tests.kit.sample_data import DATA, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def command_line(flow_environment):
    """The flow's `main`, with the environment pointing at the emulator."""
    from buffer_and_export import main

    return main


def result(out: str) -> Path:
    """The place that a summary names."""
    found = re.search(r"Result +(\S+), ([\d,]+) bytes", out)
    assert found, out
    place = Path(found[1])
    assert place.stat().st_size == int(found[2].replace(",", ""))
    return place


def test_the_buffer_of_countries_is_right(command_line, capsys, tmp_path, credentials):
    """Counts, reference system and areas of the downloaded file are those of GEOS's own buffer."""
    countries = DATA / "countries.geojson"
    assert command_line([str(countries), "--out", str(tmp_path), "--distance", "20000"]) == 0
    made = geopandas.read_file(result(capsys.readouterr().out)).set_index("name").geometry
    assert made.crs.to_epsg() == 3857
    assert len(made) == 177
    expected = geopandas.read_file(countries).to_crs(3857).set_index("name").geometry
    expected = expected.drop("Antarctica").apply(lambda shape: shape.buffer(20_000, quad_segs=8))
    assert (made.loc[expected.index].area / expected.area).between(0.999, 1.001).all()
    with credentials.get_client() as client:
        assert client.find_asset("vector", "countries_buffer").data["temporary"] is True


def test_a_second_run_takes_other_names(command_line, capsys, tmp_path):
    """Nothing is replaced, here or in Geobox, and the reference system can be chosen."""
    options = [str(DATA / "cities.geojson"), "--out", str(tmp_path), "--distance", "1000"]
    places = []
    for _ in range(2):
        assert command_line([*options, "--format", "GeoJSON", "--srid", "4326"]) == 0
        places.append(result(capsys.readouterr().out))
    assert [place.name for place in places] == ["cities_buffer.geojson", "cities_2_buffer.geojson"]
    made = geopandas.read_file(places[1])
    assert made.crs.to_epsg() == 4326
    assert len(made) == 243
    assert made.to_crs(3857).area.between(3.1e6, 3.15e6).all()


def test_a_run_that_fails_leaves_nothing_in_geobox(command_line, capsys, tmp_path, credentials):
    """A format that does not exist ends the command with the reason, and what was made is gone."""
    assert command_line([str(DATA / "cities.geojson"), "--format", "PDF", "--out", "x"]) == 1
    assert "out_format must be one of Shapefile, GPKG" in capsys.readouterr().err
    with credentials.get_client() as client:
        assert client.find_assets("vector", "cities") == []
        assert client.find_assets("vector", "cities_buffer") == []
        assert client.find_assets("file", "cities.geojson") == []


@pytest.mark.slow
def test_the_chain_runs_from_nothing(tmp_path):
    """`make chain` runs with a Geobox and a Prefect of its own, on a file of the user's."""
    done = subprocess.run(
        [sys.executable, "flows/demo.py", "--chain", str(DATA / "cities.geojson")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(geopandas.read_file(result(done.stdout))) == 243
