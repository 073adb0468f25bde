"""How often and how the log of a run tells an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from prefect_geobox import (
    GeoboxError,
    InvalidResponseError,
    TaskFailedError,
    publish_file,
    upload_file,
)
from tests.kit.until import HANGING

SCRIPT = """
import sys
from prefect import flow
from prefect_geobox import GeoboxCredentials, publish_file, upload_file

@flow
def nightly(path: str):
    credentials = GeoboxCredentials()
    file = upload_file(credentials, path)
    return publish_file(credentials, file, "roads", interval=0.02)

nightly(sys.argv[1])
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file that the server cannot publish."""
    path = tmp_path / "broken.geojson"
    path.write_text('{"type": "FeatureColl')
    return path


@pytest.fixture
def run_script(geobox_emulator, prefect_server, tmp_path):
    """Runs the script with a path, and returns what it prints."""

    def run(path: str) -> str:
        environment = os.environ | {
            "PREFECT_API_URL": PREFECT_API_URL.value() or "",
            "GEOBOX_HOST": geobox_emulator.url,
            "GEOBOX_APIKEY": geobox_emulator.apikey,
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, path],
            capture_output=True,
            text=True,
            env=environment,
            timeout=HANGING,
            check=False,
        )
        assert done.returncode == 1
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("path", "message"),
    [("broken.geojson", "broken.geojson cannot be read"), ("missing.geojson", "There is no file")],
)
def test_a_failure_is_logged_once_without_our_traceback(run_script, broken, path, message):
    """The log has the message once; Python, which ends the script, shows none of our modules."""
    text = run_script(str(broken.with_name(path)))
    log, _, last = text.partition("Traceback (most recent call last)")
    assert log.count(message) == 1, text
    assert last.count(message) == 1, text
    assert "Traceback" not in last, text
    assert "prefect_geobox/" not in text, text
    assert "nightly(sys.argv[1])" in last or "<module>" in last, text


def test_the_state_keeps_the_message(credentials, broken, caplog):
    """The run's state has the whole message, and the caller the whole error."""

    @flow
    def run() -> None:
        publish_file(credentials, upload_file(credentials, broken), "roads", interval=0.02)

    state = run(return_state=True)
    assert "cannot be read" in state.message
    with pytest.raises(GeoboxError, match="cannot be read"):
        state.result()
    failed = [each for each in caplog.records if "cannot be read" in each.getMessage()]
    assert [each.exc_info for each in failed] == [None]


@pytest.mark.parametrize("error", [ValueError("own"), InvalidResponseError("odd"), OSError("disk")])
def test_other_errors_keep_their_traceback(prefect_server, caplog, error):
    """Errors of the user's code, and those that cannot be mended, are logged as Prefect does."""

    @task
    def fail() -> None:
        raise error

    @flow
    def run() -> None:
        fail()

    with pytest.raises(type(error)):
        run()
    assert sum(record.exc_info is not None for record in caplog.records) >= 2


def test_a_record_of_the_users_code_stays_as_it_is(credentials, broken, caplog):
    """What a flow logs about an error keeps its traceback, and the error is still logged once."""

    @flow
    def run() -> None:
        try:
            publish_file(credentials, upload_file(credentials, broken), "x")
        except TaskFailedError:
            get_run_logger().exception("publishing failed")
            raise

    with pytest.raises(TaskFailedError):
        run()
    own = [record for record in caplog.records if record.getMessage() == "publishing failed"]
    assert [record.exc_info is not None for record in own] == [True]
    assert any("cannot be read" in record.getMessage() for record in caplog.records)


def test_each_attempt_says_its_own_error(credentials, broken, caplog):
    """A retry that fails again is another error, which is logged once as well."""
    step = publish_file.with_options(retries=1, retry_delay_seconds=0)

    @flow
    def run() -> None:
        step(credentials, upload_file(credentials, broken), "roads", interval=0.02)

    with pytest.raises(GeoboxError):
        run()
    assert sum("cannot be read" in record.getMessage() for record in caplog.records) == 2
