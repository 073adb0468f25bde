"""No credential reaches anything that Prefect or its users keep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL

from prefect_geobox import GeoboxCredentials
from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.sample_data import CITIES
from tests.kit.until import HANGING

#: Good and failing flows with each kind of credential, run with all logs at DEBUG.
SCRIPT = """
import logging, os, sys
from prefect import flow
from pydantic import SecretStr
from prefect_geobox import (
    Database, GeoboxClient, GeoboxCredentials, import_database_layer, import_wfs,
    import_wfs_into_layer, list_tasks, publish_file, upload_file, wait_for_task,
)
from prefect_geobox.emulator import GeoboxEmulator

for name in ("httpx", "httpcore", "tenacity", "asyncio", "prefect_geobox"):
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    for handler in logger.handlers:
        # What sends logs to the server logs too: without this it would never come to an end.
        handler.addFilter(lambda record: record.threadName == "geobox-io")
    logger.addHandler(logging.StreamHandler())

url, good, broken = sys.argv[1:4]
user, password = os.environ["USER_NAME"], os.environ["USER_PASSWORD"]
key, wrong = os.environ["KEY"], os.environ["WRONG"]
nobody = "00000000-0000-4000-8000-000000000000"

@flow
def good_flow(credentials: GeoboxCredentials, path: str, name: str):
    file = upload_file(credentials, path)
    return publish_file(credentials, file, name, interval=0.02)

@flow
def failing_flow(credentials: GeoboxCredentials, uuid: str):
    wait_for_task(credentials, uuid, timeout=0.5, retry=2)

@flow
def importing_flow(credentials: GeoboxCredentials):
    far = os.environ["ELSEWHERE"]
    login = {"username": "reader", "password": far, "interval": 0.02}
    for service in ("http://gis.example.org/wfs", "http://nobody.example.org/wfs"):
        made = import_wfs.submit(credentials, service, "cities", "of_a_wfs", **login)
        made.wait()
    import_wfs_into_layer(
        credentials, "http://gis.example.org/wfs", "cities", made.result(raise_on_failure=False),
        username="reader", password=SecretStr(far), return_state=True,
    )
    import_wfs(credentials, "no url", "cities", "x", password=far, return_state=True)
    try:
        import_wfs.submit(credentials, "http://x", passwort=far, **login)
    except ValueError as error:
        print(repr(error))
    import_wfs(credentials, f"http://me:{far}@gis.example.org", "cities", "x", return_state=True)
    for host in ("db.example.org", "nobody.example.org"):
        database = Database(
            db_type="mysql", host=host, port=3306, db_name="gis", username="reader", password=far
        )
        print(database, repr(database), database.model_dump_json())
        import_database_layer(credentials, database, "cities", "of_a_db", return_state=True)

elsewhere = {"http://gis.example.org/wfs": good, "db.example.org:3306/gis": good}
with GeoboxEmulator(seconds=0, sources=elsewhere) as other:
    block = GeoboxCredentials(host=other.url, apikey=other.apikey)
    importing_flow(block, return_state=True)
    with block.get_client() as client:
        assert {"of_a_wfs", "of_a_db"} == {
            name for name in ("of_a_wfs", "of_a_db") if client.find_assets("vector", name)
        }

key_block = GeoboxCredentials(host=url, apikey=key)
password_block = GeoboxCredentials(host=url, username=user, password=password)
with password_block.get_client() as client:
    client.list_tasks()
    token = client.aio._session.transport._authenticator._token
print("TOKEN", token, file=open(os.environ["TOKEN_FILE"], "w"))
token_block = GeoboxCredentials(host=url, access_token=token)
blocks = {"key": key_block, "password": password_block, "token": token_block}
for name, block in blocks.items():
    good_flow(block, good, name)
    good_flow(block, broken, name, return_state=True)
    failing_flow(block, nobody, return_state=True)
    unreachable = block.model_copy(update={"host": "http://127.0.0.1:9"})
    failing_flow(unreachable, nobody, return_state=True)
for block in (
    GeoboxCredentials(host=url, apikey=wrong),
    GeoboxCredentials(host=url, access_token=wrong),
    GeoboxCredentials(host=url, username=user, password=wrong),
):
    failing_flow(block, nobody, return_state=True)
    print(repr(block), block, block.model_dump_json(), block.get_client())
"""


@pytest.mark.slow
def test_no_secret_is_kept_anywhere(
    geobox_emulator: GeoboxEmulator, prefect_server: None, tmp_path: Path
) -> None:
    """Key, password and tokens are in no log at DEBUG, result, artifact, event or database row."""
    broken = tmp_path / "broken.geojson"
    broken.write_text("{")
    home, wrong = tmp_path / "home", "wrong-secret-4f1d8a2b6c"
    elsewhere = "secret-of-a-service-81b2"
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "httpx,httpcore,tenacity,asyncio,prefect_geobox",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "DEBUG",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "KEY": geobox_emulator.apikey,
        "USER_NAME": geobox_emulator.username,
        "USER_PASSWORD": geobox_emulator.password,
        "WRONG": wrong,
        "ELSEWHERE": elsewhere,
        "TOKEN_FILE": str(tmp_path / "token"),
    }
    home.mkdir()
    good = CITIES

    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SCRIPT, geobox_emulator.url, str(good), str(broken)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=HANGING,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    token = (tmp_path / "token").read_text().split()[1]
    secrets = {
        "key": geobox_emulator.apikey,
        "password": geobox_emulator.password,
        "token": token,
        "wrong secret": wrong,
        "password of a service": elsewhere,
    }
    kept = {
        "log": (done.stdout + done.stderr).encode(),
        **{str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()},
        **{str(path): path.read_bytes() for path in _database_files()},
    }
    logged = [name for name, content in kept.items() if b"send_request_headers" in content]
    assert logged, "the HTTP library did not log"
    assert len(kept) > 3, "there is no database or no result to look into"
    for name, content in kept.items():
        assert [what for what, secret in secrets.items() if secret.encode() in content] == [], name


def _database_files() -> list[Path]:
    url = PREFECT_SERVER_DATABASE_CONNECTION_URL.value()
    secret = url.get_secret_value() if hasattr(url, "get_secret_value") else str(url)
    database = Path(secret.partition("///")[2])
    assert database.exists()
    return [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]


def test_a_hostile_secret_is_refused_without_being_shown() -> None:
    """A key that cannot be sent is refused by its field's name, never by its text."""
    block = GeoboxCredentials(host="http://127.0.0.1:9", apikey="se cret-with-a-space")
    with pytest.raises(ValueError, match="apikey") as caught:
        block.get_client()
    assert "cret-with" not in str(caught.value)
