"""Uploads: the multipart body, its size, and the memory that it takes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from socket import socket
from typing import Any

import httpx
import pytest
from starlette.formparsers import MultiPartParser

from prefect_geobox.client import GeoboxError, LocalFileError
from prefect_geobox.client.http.multipart_upload import UploadSource
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET
from tests.kit.raw_server import raw_server
from tests.kit.until import HANGING, until
from tests.kit.wire import Wire, reply

UPLOADED = {"uuid": ASSET, "name": "x.csv", "file_type": "CSV"}


async def parts(request: httpx.Request) -> dict[str, Any]:
    """The fields of a multipart body: texts, and a file as its name and bytes."""

    async def stream() -> Any:
        yield request.content

    form = await MultiPartParser(request.headers, stream()).parse()
    try:
        file = form["file"]
        return {**form, "file": (file.filename, await file.read())}
    finally:
        await form.close()


@pytest.mark.parametrize("name", ["towns.csv", "\u0634\u0647\u0631 x.csv", "a b;c.csv"])
async def test_upload(call: Caller, wire: Wire, tmp_path: Path, name: str) -> None:
    """An upload is one multipart POST of the file's bytes under its own name."""
    content = bytes(range(256)) * 3000 + b"\r\n--boundary\r\n\0"
    path = tmp_path / name
    path.write_bytes(content)
    wire.lists()
    wire.on("POST", "files/", UPLOADED)
    seen: list[tuple[int, int]] = []
    file = await call("upload_file", path, on_bytes=lambda *sent: seen.append(sent))
    assert (file.kind, file.uuid, file.data) == ("file", ASSET, UPLOADED)
    (request,) = wire.work
    assert int(request.headers["content-length"]) == len(request.content)
    assert "transfer-encoding" not in request.headers
    assert re.fullmatch(r"multipart/form-data; boundary=\w+", request.headers["content-type"])
    assert await parts(request) == {"file": (name, content), "scan_archive": "True"}
    assert seen == sorted(seen)
    assert seen[-1] == (len(content), len(content))


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_upload_that_was_not_taken_is_sent_again_whole(
    call: Caller, wire: Wire, tmp_path: Path, status: int
) -> None:
    """An upload that was provably not taken is sent again from its first byte."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n")
    wire.lists()
    wire.on("POST", "files/", reply(status), httpx.ConnectError("refused"), UPLOADED)
    assert (await call("upload_file", path)).uuid == ASSET
    assert wire.work_lines == ["POST files/"] * 3
    for request in wire.work:
        assert b"a,b\n1,2\n" in request.content


@pytest.mark.parametrize(
    "failure", [reply(500), reply(502), reply(504), httpx.ReadError("reset"), reply(text="<html>")]
)
async def test_upload_that_may_have_been_taken_is_not_sent_again(
    call: Caller, wire: Wire, tmp_path: Path, failure: Any
) -> None:
    """An upload that the server may have taken is sent exactly once."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"a")
    wire.on("GET", "files/", reply(403))
    wire.on("POST", "files/", failure)
    with pytest.raises(GeoboxError):
        await call("upload_file", path)
    assert wire.work_lines == ["POST files/"]


async def test_upload_cut_off_by_the_server(call: Caller, tmp_path: Path, make: Any) -> None:
    """A server that hangs up in the middle of an upload is an error that names the request."""
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(5_000_000))

    def hang_up(connection: socket) -> None:
        connection.recv(1000)

    with raw_server(hang_up) as url:
        client = Caller(make(type(call.client), host=url))
        with pytest.raises(GeoboxError, match="POST files/"):
            await client("upload_file", path)


def grow(path: Path) -> None:
    """Appends to a file."""
    with path.open("ab") as file:
        file.write(b"more")


def truncate(path: Path) -> None:
    """Cuts a file."""
    os.truncate(path, 1000)


def rewrite(path: Path) -> None:
    """Writes other content of the same size, at another time."""
    with path.open("r+b") as file:
        file.write(b"x" * path.stat().st_size)
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (grow, "changed while it was uploaded: it had 30,000,000 bytes and has 30,000,004 now"),
        (truncate, "it had 30,000,000 bytes and has 1,000 now"),
        (rewrite, "changed while it was uploaded: it was written to"),
        (Path.unlink, "cannot be read any more: No such file or directory"),
    ],
)
async def test_a_file_that_changes_while_it_is_sent(
    call: Caller, tmp_path: Path, make: Any, change: Any, message: str
) -> None:
    """A file that changes while it is sent raises in plain words, is sent once, and never whole."""
    path = tmp_path / "big.csv"
    # More than the buffers of two sockets hold: it cannot be sent before the server reads it.
    path.write_bytes(bytes(30_000_000))
    bodies: list[tuple[int, int]] = []

    def serve(connection: socket) -> None:
        while head := connection.recv(65536):
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            header, _, body = head.partition(b"\r\n\r\n")
            if found := re.search(rb"content-length: (\d+)", header, re.IGNORECASE):
                change(path)
                received = len(body)
                while part := connection.recv(1 << 20):
                    received += len(part)
                bodies.append((received, int(found[1])))
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with raw_server(serve) as url:
        client = Caller(make(type(call.client), host=url))
        with pytest.raises(LocalFileError, match=message) as error:
            await client("upload_file", path)
        assert until(lambda: bodies)
    assert "The server has not received it" in str(error.value)
    ((received, announced),) = bodies
    assert received < announced


@pytest.mark.parametrize("change", [grow, truncate, rewrite, Path.unlink])
async def test_a_file_that_changes_before_it_is_hashed(tmp_path: Path, change: Any) -> None:
    """A file that changes once its size and time are noted gets no hash."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" * 1000)
    source = UploadSource.of(path)
    assert (await source.hashed()).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    change(path)
    with pytest.raises(LocalFileError, match=r"The server has not received it"):
        await source.hashed()


async def test_a_listener_that_fails_does_not_end_an_upload(
    call: Caller, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An upload goes on where the function that it reports to raises; the log has the reason."""
    path = tmp_path / "x.csv"
    path.write_bytes(bytes(1_000_000))
    wire.lists()
    wire.on("POST", "files/", UPLOADED)

    def fail(sent: int, total: int) -> None:
        raise ValueError("no screen")

    assert (await call("upload_file", path, on_bytes=fail)).uuid == ASSET
    assert caplog.text.count("could not be reported") == 1


SCRIPT = """
import json, resource, sys
from prefect_geobox.client import GeoboxClient

with GeoboxClient(sys.argv[1], apikey="key-of-the-test") as client:
    client.upload_file(sys.argv[2])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file = client.upload_file(sys.argv[3])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([file.uuid, (after - before) / 1024]))
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
def test_large_upload_takes_little_memory(tmp_path: Path) -> None:
    """300 MB are streamed from disk: the peak memory of the process grows by less than 60 MB."""
    size = 300_000_000
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(size)
    totals: list[int] = []

    def discard(connection: socket) -> None:
        buffer = bytearray(1 << 20)
        while head := connection.recv(65536):
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            header, _, body = head.partition(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", header, re.IGNORECASE)
            length = int(found[1]) if found else 0
            left = length - len(body)
            while left > 0:
                left -= connection.recv_into(buffer, min(left, len(buffer)))
            if found:
                totals.append(length)
            answer = json.dumps(UPLOADED if found else []).encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(answer), answer)
            )

    with raw_server(discard) as url:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, url, str(small), str(large)],
            capture_output=True,
            text=True,
            timeout=HANGING,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    uuid, megabytes = json.loads(done.stdout)
    assert uuid == ASSET
    assert totals[1] - size == totals[0] - 1
    assert megabytes < 60
