"""Files that cannot be uploaded alone, that miss something, or whose names cannot be sent."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from prefect_geobox.client import InvalidArgumentError
from tests.kit.clients import Caller
from tests.kit.payloads import ASSET
from tests.kit.wire import Wire

#: A TIFF whose list of tags has the width and nothing else, in either byte order.
BARE_TIFF = b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0"
BARE_TIFF_BIG_ENDIAN = b"MM\0*\0\0\0\x08\0\x01\x01\0\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0"

#: One whose only tag is its pixel scale.
PLACED_TIFF = BARE_TIFF.replace(b"\x00\x01\x03", b"\x0e\x83\x03")


def write(folder: Path, *names: str, content: bytes = b"x") -> Path:
    """Writes files with this content; the path of the first."""
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    return folder / names[0]


def zipped(folder: Path, *names: str) -> Path:
    """A zip with these members."""
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


async def upload(call: Caller, wire: Wire, path: Any) -> str:
    """Uploads a file to a server that accepts it; what was notified."""
    wire.lists()
    wire.on("POST", "files/", {"uuid": ASSET, "name": "x", "file_type": "CSV"})
    sentences: list[str] = []
    await call("upload_file", path, notify=sentences.append)
    return "\n".join(sentences)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["r.shp", "r.dbf", "r.shx", "r.prj"], "Zip it together with r.shx, r.dbf and r.prj, and"),
        (["r.shp", "r.DBF"], "Zip it together with r.DBF, and upload the zip. Its r.shx must be"),
        (["r.shp"], "Its r.shx and r.dbf must be there too, and cannot be found here."),
        (["R.SHP"], "R.SHP is one part of a Shapefile"),
        (["r.dbf", "r.shp"], "r.dbf is one part of a Shapefile and cannot be read alone."),
        (["x.gdb/a001.gdbtable"], "is one part of the file geodatabase x.gdb. Zip that folder"),
        (["tiles/tileset.json"], "Zip the whole folder 'tiles', with tileset.json at its top"),
    ],
)
async def test_a_part_is_refused_with_what_to_zip(
    call: Caller, wire: Wire, tmp_path: Path, names: list[str], message: str
) -> None:
    """A file that is useless without others is refused before any request, with what to zip."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        await call("upload_file", write(tmp_path, *names))
    assert wire.seen == []


async def test_a_file_geodatabase_says_how_to_pack_it(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A file geodatabase, which is a folder, is refused with the command that packs it."""
    with pytest.raises(IsADirectoryError, match=r"zip -r x\.gdb\.zip x\.gdb"):
        await call("upload_file", write(tmp_path, "x.gdb/gdb").parent)
    assert wire.seen == []


@pytest.mark.parametrize("content", [BARE_TIFF, BARE_TIFF_BIG_ENDIAN])
@pytest.mark.parametrize("world", ["h.tfw", "h.TFW", "h.tifw", "h.wld"])
async def test_a_picture_whose_position_is_elsewhere_is_refused(
    call: Caller, wire: Wire, tmp_path: Path, content: bytes, world: str
) -> None:
    """A TIFF that has its position only in a world file is refused; that file is named."""
    path = write(tmp_path, "h.tif", content=content)
    write(tmp_path, world)
    with pytest.raises(InvalidArgumentError, match=rf"its position is in {re.escape(world)}"):
        await call("upload_file", path)
    assert wire.seen == []


@pytest.mark.parametrize("content", [PLACED_TIFF, b"not a TIFF", b"II*\0\xff\xff\xff\xff"])
async def test_a_world_file_that_is_not_needed_does_no_harm(
    call: Caller, wire: Wire, tmp_path: Path, content: bytes
) -> None:
    """A TIFF that says itself where it is, or that cannot be read, is uploaded."""
    write(tmp_path, "h.tfw")
    assert await upload(call, wire, write(tmp_path, "h.tif", content=content)) == ""


@pytest.mark.parametrize("name", ["t.gpkg", "t.GPKG", "t.sqlite", "t.sqlite3", "t.db", "t.mbtiles"])
async def test_pending_edits_are_reported(
    call: Caller, wire: Wire, tmp_path: Path, name: str
) -> None:
    """An SQLite file with edits in its write-ahead log is uploaded with a warning that says so."""
    path = tmp_path / name
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE towns (name)")
    database.commit()
    said = await upload(call, wire, path)
    database.close()
    assert f"{name} may be uploaded without its latest edits: {name}-wal beside it" in said
    assert await upload(call, wire, path) == ""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["d/a.shp", "d/a.shx", "d/a.dbf", "d/a.prj"], ""),
        (["d\\A.SHP", "d\\A.SHX", "d\\A.DBF", "d\\A.PRJ", "__MACOSX/d/._a.shp"], ""),
        (["a.shp"], "a.shp in a.zip is without a.shx and a.dbf. Geobox may not read it."),
        (["a.shp", "a.shx", "a.dbf"], "is without a.prj, which names its reference system. Pass"),
        (["a.geojson"], ""),
        ([], "a.zip is empty. There is nothing in it to publish."),
        (["d/"], "a.zip is empty."),
        (["d/", "d/b.zip", "c.ZIP"], "a.zip holds zips only."),
        (["b.zip", "a.geojson"], ""),
    ],
)
async def test_what_a_zip_lacks_is_reported(
    call: Caller, wire: Wire, tmp_path: Path, names: list[str], said: str
) -> None:
    """A zip with a Shapefile whose parts are missing is uploaded with a warning that names them."""
    found = await upload(call, wire, zipped(tmp_path, *names))
    assert said in found
    assert bool(found) == bool(said)


async def test_what_is_no_zip_is_reported(call: Caller, wire: Wire, tmp_path: Path) -> None:
    """A file that is called a zip and is none is uploaded with a warning."""
    assert "is not a zip, or is damaged" in await upload(call, wire, write(tmp_path, "a.zip"))


async def test_a_photo_without_its_world_file_is_reported(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A picture that may be meant as one is uploaded, with a warning that names the world file."""
    path = write(tmp_path, "a.jpg", "a.jgw")
    assert await upload(call, wire, path) == (
        "a.jpg is uploaded without a.jgw, which says where it is."
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system has UTF-8 names only")
async def test_a_name_of_another_encoding_is_refused(
    call: Caller, wire: Wire, tmp_path: Path
) -> None:
    """A file whose name on disk is not UTF-8 is refused; the message shows its bytes."""
    path = write(tmp_path, os.fsdecode("Zürich.csv".encode("latin-1")))
    with pytest.raises(InvalidArgumentError, match=r"b'Z\\xfcrich\.csv' is not UTF-8") as error:
        await call("upload_file", path)
    assert str(error.value).encode()
    assert wire.seen == []


@pytest.mark.parametrize("bad", [None, 17, b"x.csv", ["x.csv"], ""])
async def test_what_is_no_path_is_refused(call: Caller, wire: Wire, bad: Any) -> None:
    """An upload of something that is no path is refused by name."""
    with pytest.raises(InvalidArgumentError, match=r"^path must be the path of a file"):
        await call("upload_file", bad)
    assert wire.seen == []


async def test_what_has_no_size_is_refused(call: Caller, wire: Wire, tmp_path: Path) -> None:
    """A pipe is refused before it is read."""
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    with pytest.raises(InvalidArgumentError, match="is not a regular file"):
        await call("upload_file", path)
    assert wire.seen == []
