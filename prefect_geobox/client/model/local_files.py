"""Local files of geodata: the parts that belong to them and would not be uploaded with them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn
from zipfile import BadZipFile, ZipFile, is_zipfile

from prefect_geobox.client.model.errors import InvalidArgumentError

#: The parts of a Shapefile, without the one that holds the geometries.
_SHAPEFILE_PARTS: Final = (".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix")

#: The endings of files that say where a picture is.
_WORLD_FILES: Final = {
    ".tif": (".tfw", ".tifw", ".wld"),
    ".tiff": (".tfw", ".tiffw", ".wld"),
    ".jpg": (".jgw", ".jpgw", ".wld"),
    ".jpeg": (".jgw", ".jpegw", ".wld"),
    ".png": (".pgw", ".pngw", ".wld"),
    ".bmp": (".bpw", ".bmpw", ".wld"),
}

#: The tags by which a GeoTIFF says where it is: pixel scale, tie points, transformation, keys.
_POSITION_TAGS: Final = frozenset({33550, 33922, 34264, 34735})

#: What SQLite keeps beside a database, and what is in it.
_SQLITE_COMPANIONS: Final = {
    "-wal": "edits that are not yet in the file",
    "-journal": "what is needed to repair the file after an edit that was broken off",
}
_SQLITE_ENDINGS: Final = (".gpkg", ".sqlite", ".sqlite3", ".db", ".mbtiles")

#: A tag of a TIFF takes so many bytes, and a list of tags counts them with so many.
_TIFF_LAYOUTS: Final = {42: ("I", 4, "H", 12), 43: ("Q", 8, "Q", 20)}


def refuse_folder(folder: Path) -> NoReturn:
    """Raises an error that says how to pack a folder.

    Raises:
        IsADirectoryError: Always.
    """
    name = folder.name
    if folder.suffix.lower() == ".gdb":
        raise IsADirectoryError(
            f"{str(folder)!r} is a file geodatabase, which is a folder. Zip the folder itself "
            f"(zip -r {name}.zip {name}), and upload {name}.zip."
        )
    raise IsADirectoryError(
        f"{str(folder)!r} is a folder. Give one file; pack a Shapefile's parts or a file "
        "geodatabase into a .zip first."
    )


def refuse_incomplete(file: Path) -> None:
    """Refuses a file that cannot be used without other files.

    Raises:
        InvalidArgumentError: It is a part of a Shapefile, of a file geodatabase or of 3D tiles, or
            a picture whose position is in a file beside it.
    """
    ending = file.suffix.lower()
    if ending == ".shp" or (ending in _SHAPEFILE_PARTS and _beside(file, [".shp"])):
        _refuse_part_of_shapefile(file)
    if file.parent.suffix.lower() == ".gdb" and ending.startswith((".gdb", ".freelist", ".atx")):
        raise InvalidArgumentError(
            f"{file.name} is one part of the file geodatabase {file.parent.name}. Zip that folder "
            "and upload the zip."
        )
    if file.name.lower() == "tileset.json":
        raise InvalidArgumentError(
            f"{file.name} is one part of 3D tiles. Zip the whole folder {file.parent.name!r}, with "
            "tileset.json at its top, and upload the zip."
        )
    world_files = _beside(file, _WORLD_FILES.get(ending, ()))
    if ending in (".tif", ".tiff") and world_files and not _has_position(file):
        raise InvalidArgumentError(
            f"{file.name} does not say where it is: its position is in {world_files[0].name}, "
            "which is not uploaded with it. Write it into the file (gdal_translate -a_srs "
            f"EPSG:CODE {file.name} NEW.tif) and upload that, or upload a zip of both."
        )


def remarks_on(file: Path) -> list[str]:
    """Sentences on what an upload of a file leaves out, or what a reader of it will miss.

    Args:
        file: A file that exists.
    """
    ending = file.suffix.lower()
    if ending in _SQLITE_ENDINGS:
        return _remarks_on_database(file)
    if ending == ".zip":
        return _remarks_on_zip(file)
    if ending in _WORLD_FILES and ending not in (".tif", ".tiff"):
        return [
            f"{file.name} is uploaded without {world.name}, which says where it is."
            for world in _beside(file, _WORLD_FILES[ending])
        ]
    return []


def _refuse_part_of_shapefile(file: Path) -> None:
    parts = [part.name for part in _beside(file, (".shp", *_SHAPEFILE_PARTS)) if part != file]
    missing = [
        file.stem + ending
        for ending in (".shx", ".dbf")
        if file.suffix.lower() == ".shp" and not _beside(file, [ending])
    ]
    need = f" Its {_and(missing)} must be there too, and cannot be found here." if missing else ""
    with_what = f"with {_and(parts)}" if parts else "with the parts of the same name"
    raise InvalidArgumentError(
        f"{file.name} is one part of a Shapefile and cannot be read alone. Zip it together "
        f"{with_what}, and upload the zip.{need}"
    )


def _remarks_on_database(file: Path) -> list[str]:
    return [
        f"{file.name} may be uploaded without its latest edits: {companion.name} beside it holds "
        f"{what}. Close the file in all programs, such as QGIS, and upload it again."
        for suffix, what in _SQLITE_COMPANIONS.items()
        if _size(companion := file.with_name(file.name + suffix))
    ]


def _remarks_on_zip(file: Path) -> list[str]:
    if not is_zipfile(file):
        return [f"{file.name} is not a zip, or is damaged. Geobox will probably not read it."]
    try:
        with ZipFile(file) as archive:
            members = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        return [f"{file.name} is damaged ({error}). Geobox will probably not read it."]
    found: list[str] = []
    names = [member.filename for member in members if not member.is_dir()]
    if not names:
        found.append(f"{file.name} is empty. There is nothing in it to publish.")
    elif all(name.lower().endswith(".zip") for name in names):
        found.append(
            f"{file.name} holds zips only. Geobox will probably not look into them: upload each of "
            "them instead."
        )
    if any(member.flag_bits & 1 for member in members):
        found.append(f"{file.name} needs a password. Geobox will probably not read it.")
    # Windows writes backslashes, and macOS adds files of its own.
    paths = [PurePosixPath(member.filename.replace("\\", "/")) for member in members]
    known = {str(path).lower() for path in paths}
    for path in paths:
        if path.suffix.lower() == ".shp" and not path.name.startswith("._"):
            found += _remarks_on_shapefile(f"{path.name} in {file.name}", path, known)
    return found


def _remarks_on_shapefile(label: str, path: PurePosixPath, known: set[str]) -> list[str]:
    missing = [
        ending
        for ending in (".shx", ".dbf", ".prj")
        if str(path.with_suffix(ending)).lower() not in known
    ]
    found: list[str] = []
    parts = [path.stem + ending for ending in missing if ending != ".prj"]
    if parts:
        found.append(f"{label} is without {_and(parts)}. Geobox may not read it.")
    if ".prj" in missing:
        found.append(
            f"{label} is without {path.stem}.prj, which names its reference system. Pass its EPSG "
            "code as input_srid when it is published."
        )
    return found


def _beside(file: Path, endings: Iterable[str]) -> list[Path]:
    """Files of the same name with other endings, in lower or upper case."""
    found: list[Path] = []
    for ending in endings:
        spelled = [file.with_suffix(ending), file.with_suffix(ending.upper())]
        found += [path for path in spelled if path.exists()][:1]
    return found


def _has_position(file: Path) -> bool:
    """Whether a TIFF says itself where it is; True where it cannot be read."""
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
            order = "<" if head[:2] == b"II" else ">"
            (version,) = struct.unpack(order + "H", head[2:4])
            offset_code, offset_at, count_code, tag_size = _TIFF_LAYOUTS[version]
            (offset,) = struct.unpack_from(order + offset_code, head, offset_at)
            stream.seek(offset)
            (count,) = struct.unpack(order + count_code, stream.read(struct.calcsize(count_code)))
            tags = stream.read(min(count, 1000) * tag_size)
    except (OSError, KeyError, struct.error, OverflowError):
        return True
    places = range(0, len(tags) - 1, tag_size)
    return any(struct.unpack_from(order + "H", tags, at)[0] in _POSITION_TAGS for at in places)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
