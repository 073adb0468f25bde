"""Downloads over connections that break, and into places where something is already."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from prefect_geobox.client import (
    AuthorizationError,
    GeoboxClient,
    InvalidArgumentError,
    NotFoundError,
    OutputAsset,
    TransferTimeoutError,
    by_name,
)
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import (
    always,
    close,
    drip,
    first,
    half_body,
    hang,
    on,
    reset,
    sequence,
    status,
)
from tests.kit.child_processes import run_python
from tests.kit.payloads import ASSET
from tests.kit.raw_server import raw_server
from tests.kit.until import FOREVER, in_time, until_async

CONTENT = random.Random(7).randbytes(3_000_000)


@pytest.fixture(scope="module")
def file(shared_geobox: GeoboxEmulator, tmp_path_factory: pytest.TempPathFactory) -> OutputAsset:
    """An uploaded file of 3 MB."""
    path = tmp_path_factory.mktemp("upload") / "random.gpkg"
    path.write_bytes(CONTENT)
    with GeoboxClient(shared_geobox.url, apikey=shared_geobox.apikey) as client:
        return client.upload_file(path)


@pytest.fixture
def client(make: Any) -> Iterator[GeoboxClient]:
    """A client of the emulator."""
    return make(GeoboxClient)


def downloads(geobox: GeoboxEmulator, plan: Any) -> None:
    """Lets a plan spoil the downloads, and nothing else."""
    geobox.faults = on(plan, method="GET", path="files/*/download")


def left_over(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fault", [reset(in_body=True), half_body()], ids=["reset", "half a body"])
def test_a_download_goes_on_where_it_broke(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path, fault: Any
) -> None:
    """What has come is kept: the next attempt asks for the rest, and the whole is right."""
    downloads(geobox, sequence(fault, fault))
    seen: list[tuple[int, int]] = []
    place = client.download_file(
        file, tmp_path / "got.gpkg", on_bytes=lambda done, total: seen.append((done, total))
    )
    assert place.read_bytes() == CONTENT
    assert left_over(tmp_path) == ["got.gpkg"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    asked = [r for r in geobox.requests if r.path.endswith("/download/")]
    assert [request.status for request in asked] == [200, 206, 206]


def test_a_download_starts_anew_where_the_file_has_changed(tmp_path: Path) -> None:
    """A server that sends another file, whole, is believed: nothing of the first one stays."""
    asked: list[bytes] = []

    def serve(connection: socket) -> None:
        request = connection.recv(65536)
        asked.append(request.lower())
        head = b'HTTP/1.1 200 OK\r\nETag: "%d"\r\nContent-Length: 10\r\n\r\n' % len(asked)
        connection.sendall(head + (b"old" if len(asked) == 1 else b"new file.."))

    with raw_server(serve) as url, GeoboxClient(url, apikey="of-the-test") as client:
        place = client.download_file("0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", tmp_path / "a")
    assert place.read_bytes() == b"new file.."
    assert b"range: bytes=3-" in asked[1]
    assert b'if-range: "1"' in asked[1]


def test_failures_before_the_body_are_borne(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """A 503 and a connection that is closed are tried again."""
    downloads(geobox, sequence(status(503), close()))
    assert client.download_file(file, tmp_path / "a").read_bytes() == CONTENT


def test_what_is_refused_leaves_nothing(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """A refusal raises at once, and no part of a file stays."""
    downloads(geobox, always(status(403)))
    with pytest.raises(AuthorizationError):
        client.download_file(file, tmp_path / "out" / "a")
    geobox.faults = None
    with pytest.raises(NotFoundError):
        client.download_file("0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", tmp_path / "out" / "a")
    assert left_over(tmp_path) == []


def test_a_file_that_is_there_is_not_overwritten(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """Another file stays unless it may go; the same file is left and counts as downloaded."""
    place = tmp_path / "got.gpkg"
    place.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        client.download_file(file, place)
    assert place.read_bytes() == b"precious"
    # Of the same size, but another.
    place.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        client.download_file(file, place)
    assert client.download_file(file, place, overwrite=True).read_bytes() == CONTENT
    before = place.stat().st_ino
    assert client.download_file(file, place) == place
    assert place.stat().st_ino == before
    assert left_over(tmp_path) == ["got.gpkg"]


def test_a_folder_takes_the_name_of_the_server(
    client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """A folder, there or yet to be made, takes the file under its own name."""
    assert client.download_file(file.uuid, tmp_path) == tmp_path / "random.gpkg"
    made = client.download_file(by_name("random.gpkg"), f"{tmp_path}/new/folder/")
    assert made == tmp_path / "new" / "folder" / "random.gpkg"
    umask = os.umask(0)
    os.umask(umask)
    assert made.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_no_file_is_not_downloaded(client: GeoboxClient, tmp_path: Path) -> None:
    """A layer is refused before any request: it has to be exported first."""
    uuid = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
    layer = OutputAsset(kind="vector", uuid=uuid, api_url="http://x/vectorLayers/")
    with pytest.raises(InvalidArgumentError, match="file must be a file or a raster; got the vec"):
        client.download_file(layer, tmp_path / "x")
    assert left_over(tmp_path) == []


async def test_a_cancelled_download_leaves_nothing(
    geobox: GeoboxEmulator, make: Any, file: OutputAsset, tmp_path: Path
) -> None:
    """A download that is cancelled takes its part of the file away."""
    downloads(geobox, always(hang(in_body=True)))
    async with make() as client:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        work = asyncio.create_task(
            client.download_file(
                file, tmp_path / "x", on_bytes=lambda *_: loop.call_soon_threadsafe(begun.set)
            )
        )
        await in_time(begun.wait())
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    await until_async(lambda: left_over(tmp_path) == [])


@pytest.mark.parametrize("fault", [drip(0.05), hang(), hang(in_body=True)], ids=str)
def test_a_download_ends_with_its_timeout(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path, fault: Any
) -> None:
    """A server that trickles or hangs is given up at the timeout; neither part nor folder stays."""
    downloads(geobox, always(fault))
    with pytest.raises(TransferTimeoutError, match=r"had sent .* 3,000,000 bytes when"):
        client.download_file(file, tmp_path / "new" / "folder" / "x", timeout=0.4)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5"])
def test_a_bad_timeout_is_refused(client: GeoboxClient, tmp_path: Path, timeout: Any) -> None:
    """An invalid timeout is refused by name, before anything is made."""
    with pytest.raises(InvalidArgumentError, match="timeout must be"):
        client.download_file(ASSET, tmp_path / "new" / "x", timeout=timeout)
    assert left_over(tmp_path) == []


def test_a_download_in_time_is_whole(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """A timeout that is long enough changes nothing, also where the download is resumed."""
    downloads(geobox, sequence(half_body()))
    place = client.download_file(file, tmp_path / "new" / "x", timeout=FOREVER)
    assert place.read_bytes() == CONTENT


def test_folders_that_were_there_stay(
    geobox: GeoboxEmulator, client: GeoboxClient, file: OutputAsset, tmp_path: Path
) -> None:
    """A failure removes the new empty folders only."""
    (tmp_path / "mine").mkdir()
    downloads(geobox, always(status(403)))
    with pytest.raises(AuthorizationError):
        client.download_file(file, tmp_path / "mine" / "new" / "x")
    assert left_over(tmp_path) == ["mine"]
    assert left_over(tmp_path / "mine") == []


def test_a_blocked_thread_is_interrupted_from_another(
    geobox: GeoboxEmulator, make: Any, file: OutputAsset, tmp_path: Path
) -> None:
    """A download in a thread ends with the error that another thread gives it, and cleans up."""
    downloads(geobox, always(hang(in_body=True)))
    begun = threading.Event()
    call = make(GeoboxClient).aio.downloading(
        file, tmp_path / "new" / "x", on_bytes=lambda *_: begun.set()
    )
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call.run)
        assert begun.wait(FOREVER)
        call.interrupt("cancel", KeyError("cancelled"))
        with pytest.raises(KeyError):
            future.result(FOREVER)
    assert left_over(tmp_path) == []


def test_ctrl_c_ends_a_download(geobox: GeoboxEmulator, file: OutputAsset, tmp_path: Path) -> None:
    """After Ctrl-C the call raises once the part of the file is gone."""
    downloads(geobox, always(hang(in_body=True)))
    done = run_python(
        """
import os, signal, sys, threading
from prefect_geobox.client import GeoboxClient
url, key, uuid, folder = sys.argv[1:]
client = GeoboxClient(url, apikey=key)
timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
def stop(*_):
    if not timer.is_alive():
        timer.start()
try:
    client.download_file(uuid, folder + "/new/x", on_bytes=stop)
except KeyboardInterrupt:
    print(os.listdir(folder), flush=True)
os._exit(0)
""",
        geobox.url,
        geobox.apikey,
        file.uuid,
        str(tmp_path),
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_deletion_whose_answer_is_lost_has_succeeded(
    geobox: GeoboxEmulator, client: GeoboxClient, tmp_path: Path
) -> None:
    """Deleting is repeated after a lost answer; that the asset is gone by then is success."""
    (tmp_path / "a.gpkg").write_bytes(b"x")
    asset = client.upload_file(tmp_path / "a.gpkg")
    geobox.faults = on(first(1, reset().after()), method="DELETE")
    client.delete_asset(asset)
    geobox.faults = None
    with pytest.raises(NotFoundError):
        client.delete_asset(asset)
