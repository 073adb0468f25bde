"""The credentials block, on a real server."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import cloudpickle
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from prefect_geobox import ConfigurationError, GeoboxCredentials, get_task
from tests.kit.sample_data import ROOT

KEY = "key-5f0c7e6b1d9a4b0f"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, prefect_server):
    for name in ("HOST", "USERNAME", "PASSWORD", "ACCESS_TOKEN", "APIKEY"):
        monkeypatch.delenv(f"GEOBOX_{name}", raising=False)


def test_a_saved_block_loads_with_all_its_fields():
    """A block survives saving and loading, secrets and choices included."""
    GeoboxCredentials(
        host="https://gis.example.org/geobox",
        username="u",
        password="pass-word-1234",
        apikey=KEY,
        verify=False,
        timeout=5,
    ).save("mine", overwrite=True)

    loaded = GeoboxCredentials.load("mine")

    assert loaded.host == "https://gis.example.org/geobox"
    assert loaded.apikey == SecretStr(KEY)
    assert loaded.password == SecretStr("pass-word-1234")
    assert (loaded.username, loaded.verify, loaded.timeout) == ("u", False, 5.0)


async def test_a_block_loads_in_async_code():
    """The async twins of save and load work."""
    await GeoboxCredentials(apikey=KEY).asave("mine-too", overwrite=True)

    loaded = await GeoboxCredentials.aload("mine-too")

    assert loaded.apikey == SecretStr(KEY)


def test_the_block_type_has_its_slug_and_a_form_that_explains_itself():
    """The UI's form has a title and a description for each field, and masks the secrets."""
    GeoboxCredentials.register_type_and_schema()
    with get_client(sync_client=True) as client:
        block_type = client.read_block_type_by_slug("geobox-credentials")
    assert block_type.name == "Geobox Credentials"
    assert block_type.description
    schema = GeoboxCredentials.model_json_schema()
    for name in ("host", "username", "password", "access_token", "apikey", "verify", "timeout"):
        assert schema["properties"][name]["title"]
        assert schema["properties"][name]["description"]
    assert set(schema["secret_fields"]) == {"password", "access_token", "apikey"}


def test_the_package_registers_its_block_with_prefect():
    """`prefect block register -m prefect_geobox` finds the block."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "prefect_geobox"],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Geobox Credentials" in done.stdout


def _environment():
    import os

    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}


def test_no_secret_is_in_the_text_of_a_block():
    """repr, str and JSON of a block show no secret."""
    block = GeoboxCredentials(username="u", password="pass-word-1234", apikey=KEY)
    for text in (repr(block), str(block), block.model_dump_json(), repr(block.get_client())):
        assert KEY not in text
        assert "pass-word-1234" not in text


def test_empty_fields_fall_back_to_the_environment(monkeypatch):
    """What a block leaves empty comes from the environment when a client is made."""
    block = GeoboxCredentials()
    monkeypatch.setenv("GEOBOX_HOST", "http://127.0.0.1:1/prefix")
    monkeypatch.setenv("GEOBOX_APIKEY", KEY)

    settings = block.get_settings()

    assert settings.base_url == "http://127.0.0.1:1/prefix/v1/"
    assert (settings.credential.kind, settings.credential.secret) == ("apikey", KEY)
    assert block.apikey is None


def test_a_chosen_host_wins_over_the_environment_and_the_default_one_does_not(monkeypatch):
    """GEOBOX_HOST stands in for a host left at its default, also in a block that was saved."""
    monkeypatch.setenv("GEOBOX_HOST", "http://127.0.0.1:1")
    chosen = GeoboxCredentials(host="https://gis.example.org", apikey=KEY)
    assert chosen.get_settings().base_url == "https://gis.example.org/v1/"

    GeoboxCredentials(apikey=KEY).save("default-host", overwrite=True)

    loaded = GeoboxCredentials.load("default-host")
    assert loaded.get_settings().base_url == "http://127.0.0.1:1/v1/"


def test_a_token_wins_over_a_key_and_a_key_over_a_password():
    """Precedence is token, key, password."""
    everything = {"username": "u", "password": "p", "apikey": KEY, "access_token": "token-1"}
    kinds = []
    for name in ("access_token", "apikey", "password"):
        kinds.append(GeoboxCredentials(**everything).get_settings().credential.kind)
        del everything[name]
    assert kinds == ["access_token", "apikey", "password"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "GEOBOX_APIKEY"),
        ({"username": "u"}, "password is missing"),
        ({"password": "p"}, "username is missing"),
        ({"apikey": "two words"}, "apikey"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_way_out(fields, named):
    """Unusable settings raise an error that names the field and what to do, and no secret."""
    block = GeoboxCredentials(**fields)
    with pytest.raises(ConfigurationError) as caught:
        block.get_client()
    assert named in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_block_as_a_flow_parameter_reaches_the_task(geobox_emulator):
    """A saved block can be given to a flow; the run's parameters on the server mask its secrets."""
    remote = geobox_emulator.add_task(name="job", seconds=0)
    GeoboxCredentials(host=geobox_emulator.url, apikey=geobox_emulator.apikey).save(
        "as-parameter", overwrite=True
    )

    @flow
    def with_block(credentials: GeoboxCredentials):
        return get_task(credentials, remote)

    state = with_block(GeoboxCredentials.load("as-parameter"), return_state=True)

    assert state.result().uuid == remote
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert geobox_emulator.apikey not in str(run.parameters)


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
def test_a_block_survives_pickle(geobox_emulator, dumps):
    """A block that was handed to another process connects there as the same account."""
    remote = geobox_emulator.add_task(name="job", seconds=0)
    block = GeoboxCredentials(host=geobox_emulator.url, apikey=geobox_emulator.apikey, timeout=7)

    back = pickle.loads(dumps(block))

    assert back == block
    assert back.get_settings() == block.get_settings()
    assert geobox_emulator.apikey not in repr(back)
    with back.get_client() as client:
        assert client.get_task(remote).uuid == remote


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "gis.example.org"}, 'such as "https://gis.example.org"'),
        ({"host": "ftp://gis.example.org"}, "host must be a URL with http:// or https://"),
        ({"host": "https://gis.example.org/?a=1"}, "leave out everything from the first"),
        ({"version": "v1/x"}, "version must be a name"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"requests_per_second": -1}, "requests_per_second must be a number above 0"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_when_the_block_is_made(fields, message):
    """A host without a scheme, and other fields that cannot be used, are refused at once."""
    with pytest.raises(ValueError, match=re.escape(message)):
        GeoboxCredentials(**fields)


def test_a_refused_host_shows_no_password():
    """The error for a host with a password in it does not show the password."""
    with pytest.raises(ValueError, match="host") as error:
        GeoboxCredentials(host="https://me:pass-word-1234@gis.example.org")
    assert "pass-word-1234" not in str(error.value) + repr(error.value)


def test_an_empty_host_falls_back_to_the_environment(monkeypatch):
    """A block that is made with an empty host uses `GEOBOX_HOST`, as one without a host does."""
    monkeypatch.setenv("GEOBOX_HOST", "http://127.0.0.1:1")
    assert GeoboxCredentials(host="", apikey=KEY).get_settings().host == "127.0.0.1:1"


def test_a_block_that_does_not_exist_is_in_the_table_of_the_quickstart(prefect_server):
    """The quickstart lists the words that a missing block really leads to."""
    with pytest.raises(ValueError, match="nobodys") as caught:
        GeoboxCredentials.load("nobodys")
    words = "Unable to find block document named"
    assert str(caught.value).startswith(words)
    assert f"| `{words}` |" in (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
