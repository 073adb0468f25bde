"""Uploads of files that change, miss something or have names of another encoding, in flows."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect import flow

from prefect_geobox import GeoboxCredentials, InvalidArgumentError, download_file, upload_file
from prefect_geobox.client.model.errors import LocalFileError
from tests.kit.raw_server import pass_on, raw_server
from tests.kit.sample_data import CITIES


def _uploaded_through(serve, apikey, path):
    """What a flow with one retry uploads through a server, and the errors about its file."""
    failures: list[LocalFileError] = []
    with raw_server(serve) as url:
        through = GeoboxCredentials(host=url, apikey=apikey)

        @flow(retries=1)
        def upload():
            try:
                return upload_file(through, path)
            except LocalFileError as error:
                failures.append(error)
                raise

        return upload(), failures


def test_a_file_that_changed_while_it_was_sent_is_uploaded_by_a_retry(
    credentials, geobox_emulator, tmp_path
):
    """A retry of the flow uploads the changed file; no record of the first attempt is in its way.

    The first attempt fails with an error of this package, which takes its intent back.
    """
    path = tmp_path / "cities.csv"
    # More than both ends' buffers hold, so that the client still reads it when it changes.
    path.write_bytes(b"x,y\n" + b"1,2\n" * 2_000_000)
    target = urlsplit(geobox_emulator.url)
    changes = iter([b"3,4\n"])

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with socket.create_connection((target.hostname, target.port)) as behind:
            threading.Thread(target=pass_on, args=(behind, connection), daemon=True).start()
            while part := connection.recv(65536):
                if b"multipart/form-data" in part and (line := next(changes, None)):
                    with path.open("ab") as file:
                        file.write(line)
                behind.sendall(part)

    file, failures = _uploaded_through(serve, geobox_emulator.apikey, path)
    assert len(failures) == 1
    assert file.data["size"] == path.stat().st_size
    with credentials.get_client() as client:
        assert len(client.find_assets("file", "cities.csv")) == 1


@pytest.mark.parametrize("is_time_kept", [False, True])
def test_a_file_that_changed_after_it_was_hashed_is_not_uploaded(
    credentials, geobox_emulator, tmp_path, is_time_kept
):
    """Other content of the same size after the hashing is an error, even at the same time stamp."""
    path = tmp_path / "cities.csv"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 500)
    target = urlsplit(geobox_emulator.url)
    changes = iter([b"3,4\n" * 501])

    def serve(connection: socket.socket) -> None:
        with socket.create_connection((target.hostname, target.port)) as behind:
            threading.Thread(target=pass_on, args=(behind, connection), daemon=True).start()
            while part := connection.recv(65536):
                # The list of files is read between the hashing and the upload.
                if b"GET /v1/files/" in part and (content := next(changes, None)):
                    before = path.stat()
                    path.write_bytes(content)
                    times = (before.st_atime_ns, before.st_mtime_ns + (0 if is_time_kept else 10))
                    os.utime(path, ns=times)
                behind.sendall(part)

    file, failures = _uploaded_through(serve, geobox_emulator.apikey, path)
    (failure,) = failures
    assert "cities.csv changed while it was uploaded" in str(failure)
    with credentials.get_client() as client:
        assert [found.uuid for found in client.find_assets("file", "cities.csv")] == [file.uuid]
        got = client.download_file(file, tmp_path / "got.csv", progress_bar=False)
    assert got.read_bytes() == path.read_bytes()


def test_pending_edits_are_in_the_log_of_the_run(credentials, tmp_path, caplog):
    """A GPKG that another program has open is uploaded with a warning in the log of the run."""
    path = tmp_path / "towns.gpkg"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE towns (name)")
    database.commit()

    @flow
    def upload():
        return upload_file(credentials, path)

    assert upload().name == "towns.gpkg"
    database.close()
    (record,) = [each for each in caplog.records if "towns.gpkg-wal" in each.getMessage()]
    assert (record.levelname, record.name) == ("WARNING", "prefect.task_runs")


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system has UTF-8 names only")
def test_a_folder_of_another_encoding_is_refused(credentials, geobox_emulator, tmp_path):
    """A path that cannot be recorded is refused before any request, for uploads and downloads."""
    folder = tmp_path / os.fsdecode("Zürich".encode("latin-1"))
    folder.mkdir()
    path = folder / "cities.geojson"
    path.write_bytes(CITIES.read_bytes())

    @flow
    def upload(path: Path):
        return upload_file(credentials, path)

    @flow
    def download(file):
        download_file(credentials, file, folder)

    file = upload(CITIES)
    geobox_emulator.clear_requests()
    for step in (upload_file.fn, lambda *_: download_file.fn(credentials, file, folder)):
        with pytest.raises(InvalidArgumentError, match="is not UTF-8"):
            step(credentials, path)
    with pytest.raises(InvalidArgumentError, match="is not UTF-8"):
        download(file)
    assert geobox_emulator.requests == []
    assert [*folder.iterdir()] == [path]
