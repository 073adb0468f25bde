"""Where a client connects and as whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client import ConfigurationError, GeoboxClient
from prefect_geobox.client.http.settings import ConnectionSettings, base_url

BASES = [
    ("https://api.geobox.ir", "v1", "https://api.geobox.ir/v1/"),
    ("https://api.geobox.ir/", "v1", "https://api.geobox.ir/v1/"),
    ("https://x.y/prefix", "v1", "https://x.y/prefix/v1/"),
    ("https://x.y/prefix/", "v1/", "https://x.y/prefix/v1/"),
    ("https://X.Y/Prefix/", "v1", "https://x.y/Prefix/v1/"),
    ("HTTPS://x.y", "/v2/", "https://x.y/v2/"),
    ("https://x.y/v1", "v1", "https://x.y/v1/"),
    ("https://x.y/v1/", "v1/", "https://x.y/v1/"),
    ("https://x.y/prefix/v1", "v1", "https://x.y/prefix/v1/"),
    ("https://x.y/v1", "v2", "https://x.y/v1/v2/"),
    ("https://x.y//a//b", "v1", "https://x.y/a/b/v1/"),
    (" http://127.0.0.1:8080 ", "v1", "http://127.0.0.1:8080/v1/"),
    ("http://[::1]:8080", "v1", "http://[::1]:8080/v1/"),
]


@pytest.mark.parametrize(("host", "version", "base"), BASES)
def test_base_url(host: str, version: str, base: str) -> None:
    """Host, prefix and version make one base, whatever slashes they come with."""
    assert base_url(host, version) == base
    assert GeoboxClient(host, version, apikey="k").settings.base_url == base


BAD_HOSTS = [
    "x.y",
    "api.geobox.ir/v1",
    "localhost:8000",
    "ftp://x.y",
    "https://",
    "https:///path",
    "//x.y",
    "https://x.y:port",
    "https://x.y:99999",
    "http://[::1",
    "https://two words.test",
    "https://user:password@x.y",
    "https://user@x.y",
    "https://@x.y",
    "https://x.y?apikey=abc",
    "https://x.y/#top",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_host_that_cannot_be_used_is_refused_by_name(host: str) -> None:
    """A host without scheme, with a user, a query or a broken name is refused by its field."""
    with pytest.raises(ConfigurationError, match=r"\bhost\b"):
        GeoboxClient(host, apikey="k")


@pytest.mark.parametrize(
    "host",
    [
        "https://user:hunter2hunter2@x.y",
        "user:hunter2hunter2@x.y",
        "ftp://user:hunter2hunter2@x.y",
        "https://x.y/?apikey=hunter2hunter2",
        "x.y/?apikey=hunter2hunter2",
        "ftp://x.y/?apikey=hunter2hunter2",
    ],
)
def test_refused_host_does_not_show_a_secret_in_it(host: str) -> None:
    """A password or a key that stands in the host by mistake is not repeated by the error."""
    with pytest.raises(ConfigurationError) as caught:
        GeoboxClient(host, apikey="k")
    assert "hunter2hunter2" not in f"{caught.value!s}{caught.value!r}"


@pytest.mark.parametrize("version", ["v1?x=1", "v1#top", "/"])
def test_version_that_breaks_the_url_is_refused_by_name(version: str) -> None:
    """A version that would end the path early, or leave a hole in it, is refused by its field."""
    with pytest.raises(ConfigurationError, match="version"):
        GeoboxClient("https://x.y", version, apikey="k")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), None, "30", True])
def test_request_timeout_must_be_positive(timeout: Any) -> None:
    """A request timeout that is not a number above 0 is refused by its field."""
    with pytest.raises(ValueError, match="timeout"):
        GeoboxClient(apikey="k", timeout=timeout)


CHOICES: list[tuple[dict[str, str], str]] = [
    ({"access_token": "t", "apikey": "k", "username": "u", "password": "p"}, "access_token"),
    ({"apikey": "k", "username": "u", "password": "p"}, "apikey"),
    ({"username": "u", "password": "p"}, "password"),
    ({"access_token": "", "apikey": "  ", "username": "u", "password": "p"}, "password"),
]


@pytest.mark.parametrize(("fields", "kind"), CHOICES)
@pytest.mark.parametrize("from_environment", [False, True])
def test_token_wins_over_key_over_password(
    fields: dict[str, str], kind: str, from_environment: bool
) -> None:
    """A token wins over a key, a key over a password, from fields and environment alike."""
    environ = {f"GEOBOX_{name.upper()}": value for name, value in fields.items()}
    credential = ConnectionSettings.resolve(
        **({} if from_environment else fields), environ=environ if from_environment else {}
    ).credential
    assert credential.kind == kind
    assert credential.secret == {"access_token": "t", "apikey": "k", "password": "p"}[kind]
    source = f"GEOBOX_{kind.upper()}" if from_environment else f"the field {kind}"
    assert credential.source == source


def test_empty_fields_fall_back_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, user and password come from the environment where the fields are empty."""
    monkeypatch.setenv("GEOBOX_HOST", "https://env.test/p")
    monkeypatch.setenv("GEOBOX_USERNAME", "ann")
    monkeypatch.setenv("GEOBOX_PASSWORD", "from-env")
    settings = GeoboxClient().settings
    assert settings.base_url == "https://env.test/p/v1/"
    assert (settings.credential.username, settings.credential.secret) == ("ann", "from-env")
    mixed = GeoboxClient("https://field.test", username="bob").settings
    assert mixed.base_url == "https://field.test/v1/"
    assert (mixed.credential.username, mixed.credential.secret) == ("bob", "from-env")


NAMES = ("access_token", "apikey", "username", "password")


def test_missing_credentials_name_fields_and_variables() -> None:
    """Without credentials the error names every field and every variable that could hold one."""
    with pytest.raises(ConfigurationError) as caught:
        GeoboxClient()
    for name in NAMES:
        assert name in str(caught.value)
        assert f"GEOBOX_{name.upper()}" in str(caught.value)


@pytest.mark.parametrize(("given", "missing"), [("username", "password"), ("password", "username")])
def test_half_a_login_says_what_is_missing(given: str, missing: str) -> None:
    """A user without password, or the reverse, is an error that names the missing half."""
    with pytest.raises(ConfigurationError, match=f"Only {given} is set; {missing} is missing"):
        GeoboxClient(**{given: "some-text"})


@pytest.mark.parametrize("kind", ["apikey", "access_token"])
@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "tab\there", "کلید", "nul\0"])
def test_credential_that_no_header_can_hold_is_refused(kind: str, bad: str) -> None:
    """A key or token with spaces, line breaks or other letters is refused and not repeated."""
    with pytest.raises(ConfigurationError, match=f"{kind}.*copy it again") as caught:
        GeoboxClient(**{kind: bad})
    assert bad not in str(caught.value)


def test_ca_file_must_exist(tmp_path: Path) -> None:
    """A CA file that is not there is refused by its field."""
    with pytest.raises(ConfigurationError, match=r"verify.*none\.pem"):
        GeoboxClient(apikey="k", verify=str(tmp_path / "none.pem"))


def test_principal_tells_accounts_apart_without_their_secret() -> None:
    """The principal is the user, or a short hash of key or token that differs between them."""
    first, second = (GeoboxClient(apikey=key).settings.credential for key in ("a" * 40, "b" * 40))
    assert first.principal != second.principal
    assert "aaa" not in first.principal
    user = GeoboxClient(username="ann", password="p" * 12).settings.credential
    assert user.principal == "user:ann"
