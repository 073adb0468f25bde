"""Who may in, what is recorded, and the shape of every error."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from prefect_geobox.emulator import GeoboxEmulator
from tests.kit.plain_api import Api, geojson, http_client, point
from tests.kit.until import HANGING


@pytest.fixture
def http(geobox: GeoboxEmulator) -> Iterator[httpx.Client]:
    """A client without credentials."""
    geobox.clear_requests()
    with http_client(geobox.url) as client:
        yield client


def log_in(geobox: GeoboxEmulator, http: httpx.Client) -> str:
    """Logs in; the token."""
    form = {"username": geobox.username, "password": geobox.password}
    answer = http.post("auth/token/", data=form)
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


def test_password_gives_a_token_like_a_jwt(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """The token is accepted, contains its expiry, and holds neither password nor key."""
    token = log_in(geobox, http)
    assert http.get("tasks/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    header, claims, _ = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    assert decoded[1]["exp"] > time.time()
    assert not {geobox.password, geobox.apikey} & set(map(str, decoded[1].values()))


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        ({}, {}),
        ({}, {"apikey": "wrong"}),
        ({}, {"apikey": ""}),
        ({"Authorization": "Bearer wrong"}, {}),
        ({"Authorization": "Bearer"}, {}),
        ({"Authorization": "Basic d3Jvbmc="}, {}),
    ],
)
def test_without_credentials_nothing_opens(
    http: httpx.Client, headers: dict[str, str], params: dict[str, str]
) -> None:
    """Nothing, or something wrong, is a 401 in JSON, whether the path exists or not."""
    for path in ("tasks/", "vectorLayers/x/", "nowhere/x/y/z/"):
        answer = http.get(path, headers=headers, params=params)
        assert answer.status_code == 401
        assert isinstance(answer.json()["detail"], str)


def test_wrong_password_is_401_and_none_is_422(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """A login that fails says so in JSON."""
    for form in (
        {"username": geobox.username, "password": "wrong"},
        {"username": "wrong", "password": geobox.password},
    ):
        assert http.post("auth/token/", data=form).status_code == 401
    answer = http.post("auth/token/", data={"username": geobox.username})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "password"]


def test_revoked_tokens_open_nothing(geobox: GeoboxEmulator, http: httpx.Client) -> None:
    """After a revocation old tokens are worthless, and the key and a new login still open."""
    token = log_in(geobox, http)
    geobox.revoke_tokens()
    old = {"Authorization": f"Bearer {token}"}
    assert http.get("tasks/", headers=old).status_code == 401
    # A wrong token is not made good by a key beside it.
    assert http.get("tasks/", headers=old, params={"apikey": geobox.apikey}).status_code == 401
    assert http.get("tasks/", params={"apikey": geobox.apikey}).status_code == 200
    new = {"Authorization": f"Bearer {log_in(geobox, http)}"}
    assert http.get("tasks/", headers=new).status_code == 200


def test_requests_are_recorded_without_secrets(
    geobox: GeoboxEmulator, http: httpx.Client, api: Api
) -> None:
    """Method, path, query, body and status are kept; keys, passwords and file contents are not."""
    before = time.monotonic()
    log_in(geobox, http)
    file = api.upload("a.geojson", geojson(point(1, 2)), scan_archive="True")
    api.get("tasks/", q="name = 'a'", limit=3)
    api.http.post("queries/saveAsLayer/", json={"sql": 1})
    api.http.get("tasks/gone")
    login, upload, listing, query, gone = geobox.requests
    assert (login.method, login.path, login.status) == ("POST", "/v1/auth/token/", 200)
    assert login.body == [("username", geobox.username), ("password", "********")]
    size = len(geojson(point(1, 2)))
    assert upload.body == [
        ("scan_archive", "True"),
        ("file", {"filename": "a.geojson", "size": size}),
    ]
    assert (listing.query, listing.body) == ([("q", "name = 'a'"), ("limit", "3")], None)
    assert (query.body, query.status) == ({"sql": 1}, 422)
    assert (gone.path, gone.status) == ("/v1/tasks/gone", 404)
    times = [request.at for request in geobox.requests]
    assert before < times[0]
    assert times == sorted(times)
    text = repr(geobox.requests)
    assert not any(secret in text for secret in (geobox.password, geobox.apikey))
    assert file["uuid"]
    geobox.clear_requests()
    assert geobox.requests == []


def test_no_secret_reaches_a_log(
    geobox: GeoboxEmulator, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """At the finest level the server logs neither keys nor tokens nor passwords."""
    # The client of this test logs its URLs itself.
    logging.getLogger("httpx").disabled = True
    try:
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("httpcore").setLevel(logging.WARNING)
            token = log_in(geobox, http)
            http.get("tasks/", headers={"Authorization": f"Bearer {token}"})
            http.get("tasks/gone/", params={"apikey": geobox.apikey})
            http.post("files/", params={"apikey": geobox.apikey}, content=b"\xff")
    finally:
        logging.getLogger("httpx").disabled = False
        logging.getLogger("httpcore").setLevel(logging.NOTSET)
    assert len(geobox.requests) == 4
    for secret in (geobox.apikey, geobox.password, token):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nowhere/", 404),
        ("GET", "nowhere/x/y/z/", 404),
        ("POST", "tasks/", 405),
        ("PUT", "vectorLayers/x/", 405),
    ],
)
def test_unknown_endpoint_is_an_error_in_json(
    api: Api, method: str, path: str, status: int
) -> None:
    """What the emulator does not have is an error in JSON."""
    answer = api.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["tasks", "tasks/", "/tasks//"])
def test_slashes_make_no_difference(geobox: GeoboxEmulator, path: str) -> None:
    """No variant of a path is redirected."""
    answer = httpx.get(f"{geobox.url}/v1/{path}", timeout=HANGING, params={"apikey": geobox.apikey})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_form_under_the_wrong_content_type_is_read(api: Api) -> None:
    """A form that claims to be JSON is read as the form that it is."""
    file = api.upload("a.geojson", geojson(point(1, 2)))
    start = api.json(
        "POST",
        f"files/{file['uuid']}/publish/",
        content=b"publish_as=vector&layer_name=wrong_type&input_srid=3857",
        headers={"Content-Type": "application/json"},
    )
    assert api.wait(start["task_id"])["state"] == "SUCCESS"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"broken", "multipart/form-data"),
        pytest.param(b"[" * 100_000, "application/json", id="deep"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
    ],
)
def test_broken_body_is_a_422(api: Api, content: bytes, content_type: str) -> None:
    """A body that cannot be read lacks what it should hold."""
    headers = {"Content-Type": content_type}
    answer = api.http.post("files/", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "file"]


def test_defects_are_500_in_json(
    geobox: GeoboxEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect of the emulator is a 500 in JSON that gives nothing away."""
    from prefect_geobox.emulator.state.remote_tasks import RemoteTasks

    def broken(*_: Any) -> None:
        raise RuntimeError("inner detail")

    with caplog.at_level(logging.CRITICAL, logger="uvicorn.error"), monkeypatch.context() as patch:
        patch.setattr(RemoteTasks, "find", broken)
        answer = httpx.get(
            f"{geobox.url}/v1/tasks/x/", params={"apikey": geobox.apikey}, timeout=HANGING
        )
    assert answer.status_code == 500
    assert answer.json() == {"detail": "defect of the emulator: RuntimeError"}
