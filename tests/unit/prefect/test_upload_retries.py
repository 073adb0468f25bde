"""Retries of uploads whose file is gone or has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from prefect_geobox import (
    AmbiguousSubmissionError,
    GeoboxError,
    aupload_file,
    publish_file,
    upload_file,
)
from prefect_geobox.client import submission
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.tasks import files
from tests.kit.plain_api import Api, http_client
from tests.kit.run_records import records_of
from tests.kit.sample_data import CITIES

FAST = {"interval": 0.02, "max_interval": 0.05}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of geodata."""
    path = tmp_path / "cities.geojson"
    path.write_bytes(CITIES.read_bytes())
    return path


def _uploads(geobox_emulator) -> int:
    paths = [request.path for request in geobox_emulator.requests if request.method == "POST"]
    return paths.count("/v1/files/")


def test_a_retry_does_not_need_the_file(credentials, geobox_emulator, path):
    """A file that was uploaded and is gone is found by the record of the run, with its layer."""
    layers = []

    @flow(retries=1)
    def run() -> None:
        file = upload_file(credentials, path)
        layers.append(publish_file(credentials, file, "cities", **FAST).uuid)
        if len(layers) == 1:
            path.unlink()
            raise RuntimeError("fails the first time")

    run()
    assert layers[0] == layers[1]
    assert _uploads(geobox_emulator) == 1


async def test_an_async_retry_does_not_need_the_files(credentials, geobox_emulator, path):
    """Two uploads of one file that is gone are the same two in a retry."""
    uuids = []

    @flow(retries=1)
    async def run() -> None:
        uuids.append([(await aupload_file(credentials, path)).uuid for _ in range(2)])
        if len(uuids) == 1:
            path.unlink()
            raise RuntimeError("fails the first time")

    await run()
    assert uuids[0] == uuids[1]
    assert _uploads(geobox_emulator) == 2


def test_the_record_of_an_upload_tells_its_file(credentials, path):
    """The record holds the path as it was given, the size and the SHA-256."""

    @flow
    def run() -> None:
        upload_file(credentials, path)

    state = run(return_state=True)
    with get_client(sync_client=True) as client:
        (record,) = records_of(client, state.state_details.flow_run_id)
    assert record.data["source"]["path"] == str(path)
    assert record.data["source"]["size"] == path.stat().st_size
    assert len(record.data["source"]["sha256"]) == 64


def test_different_uploads_from_one_path_are_not_guessed(credentials, geobox_emulator, path):
    """Where a path that is gone had two contents, the error says so and names both uploads."""
    errors = []

    @flow(retries=1)
    def run() -> None:
        try:
            first = upload_file(credentials, path)
            path.write_bytes(path.read_bytes() + b"\n")
            second = upload_file(credentials, path)
        except GeoboxError as error:
            errors.append(str(error))
            return
        path.unlink()
        errors.extend([first.uuid, second.uuid])
        raise RuntimeError("fails the first time")

    run()
    first, second, message = errors
    assert first in message
    assert second in message
    assert "key" in message
    assert _uploads(geobox_emulator) == 2


def test_a_key_wins_over_the_content(credentials, geobox_emulator, path):
    """With a key a retry finds the upload though the file has other content by then."""
    uuids = []

    @flow(retries=1)
    def run() -> None:
        uuids.append(upload_file(credentials, path, key="cities").uuid)
        if len(uuids) == 1:
            path.write_bytes(path.read_bytes() + b"\n")
            raise RuntimeError("fails the first time")

    run()
    assert uuids[0] == uuids[1]
    assert _uploads(geobox_emulator) == 1


def test_without_a_key_the_content_decides(credentials, geobox_emulator, path):
    """Without a key a file with other content is another upload."""
    uuids = []

    @flow(retries=1)
    def run() -> None:
        uuids.append(upload_file(credentials, path).uuid)
        if len(uuids) == 1:
            path.write_bytes(path.read_bytes() + b"\n")
            raise RuntimeError("fails the first time")

    run()
    assert uuids[0] != uuids[1]
    assert _uploads(geobox_emulator) == 2


def test_one_attempt_never_takes_its_own_uploads_for_earlier_ones(
    credentials, geobox_emulator, path
):
    """Within one attempt, equal keys are two uploads and a file that is gone is an error."""

    @flow
    def run() -> set[str]:
        first = upload_file(credentials, path, key="tile")
        path.write_bytes(path.read_bytes() + b"\n")
        second = upload_file(credentials, path, key="tile")
        path.unlink()
        with pytest.raises(FileNotFoundError, match="There is no file"):
            upload_file(credentials, path, key="tile")
        return {first.uuid, second.uuid}

    assert len(run()) == 2


def test_a_task_retry_does_not_need_the_file(credentials, geobox_emulator, path):
    """A retry of the step alone finds the upload of a file that is gone."""
    step = upload_file.with_options(retries=1, retry_delay_seconds=0)
    show, calls = files.show_output, []

    async def fail_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            path.unlink()
            raise RuntimeError("fails the first time")
        return await show(*arguments)

    @flow
    def run() -> str:
        return step(credentials, path).name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "show_output", fail_once)
        assert run() == "cities.geojson"
    assert _uploads(geobox_emulator) == 1


class Ended(BaseException):
    """Ends an attempt at once, as if its process were killed."""


@pytest.fixture
def lost(credentials, path, monkeypatch):
    """Runs a flow whose first attempt ends before it records the answer, and loses the file.

    Takes what happens between the attempts, and returns the uploaded file.
    """
    monkeypatch.setattr(submission, "_LOOK_UP_PAUSES", (0.0,))
    uploading = AsyncGeoboxClient.uploading

    def uploading_once(*arguments, **options):
        upload = uploading(*arguments, **options)

        async def send():
            await upload.send()
            raise Ended

        return replace(upload, send=send)

    def run(between, key=None):
        @flow(retries=1)
        def upload():
            try:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(AsyncGeoboxClient, "uploading", uploading_once)
                    return upload_file(credentials, path, key=key)
            except Ended:
                path.unlink()
                between()
                raise RuntimeError("ends the first time") from None

        return upload()

    return run


def _uploaded_beside(geobox_emulator, content):
    """Uploads under the same name what another program would, past the client."""
    account = {"apikey": geobox_emulator.apikey}
    with http_client(geobox_emulator.url, params=account) as http:
        return Api(http).upload(CITIES.name, content)["uuid"]


@pytest.mark.parametrize("key", [None, "cities"])
def test_a_lost_upload_is_found_without_its_file(credentials, geobox_emulator, path, lost, key):
    """An upload that was answered and not recorded is found though its file is gone.

    Files of its name that were there before, or have another size, are not taken for it.
    """
    with credentials.get_client() as client:
        older = client.upload_file(path)
    file = lost(lambda: None, key)
    assert file.uuid != older.uuid
    assert _uploads(geobox_emulator) == 2


def test_a_lost_upload_is_not_guessed(geobox_emulator, path, lost):
    """Where two new files may be the lost upload, the error names both and what to do."""
    content = path.read_bytes()
    with pytest.raises(AmbiguousSubmissionError) as caught:
        lost(lambda: _uploaded_beside(geobox_emulator, content))
    assert "There is no file" in str(caught.value)
    assert "Delete in Geobox those that it is not, and retry the run" in str(caught.value)
    assert len({file.uuid for file in caught.value.tasks}) == 2
    assert _uploads(geobox_emulator) == 2


def test_a_file_of_another_size_is_not_the_lost_upload(geobox_emulator, lost):
    """A file that has the name and another size is left alone, and the right one is taken."""
    others = []
    file = lost(lambda: others.append(_uploaded_beside(geobox_emulator, b"{} ")))
    assert file.uuid != others[0]
    assert file.data["size"] == CITIES.stat().st_size


def test_an_upload_that_did_not_arrive_says_so(credentials, lost):
    """Where no new file is there, the error says that the upload did not arrive."""

    def delete() -> None:
        with credentials.get_client() as client:
            (file,) = client.find_assets("file", CITIES.name)
            client.delete_asset(file.uuid, "file")

    with pytest.raises(FileNotFoundError, match="the upload did not arrive"):
        lost(delete)


def test_a_lost_upload_is_not_guessed_where_the_list_was_not_read(lost, monkeypatch):
    """Where it is not known what was there before, nothing is adopted."""
    monkeypatch.setattr(submission, "_read_existing", _nothing)
    with pytest.raises(AmbiguousSubmissionError, match="which files of its name were there"):
        lost(lambda: None)


async def _nothing(_):
    return None
