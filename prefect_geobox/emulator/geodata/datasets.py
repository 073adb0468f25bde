"""Datasets: an upload, or what belongs together in a zip. Damaged zips become clear errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from zipfile import ZipFile

from prefect_geobox.emulator.geodata.errors import JobError, unreadable

# The file types of the API that hold layers or tables, by the suffix of a file. In a zip, those
# that come first here are listed first.
FILE_TYPES = {
    ".shp": "Shapefile",
    ".gdb": "FileGDB",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".gpkg": "GPKG",
    ".kml": "KML",
    ".gpx": "GPX",
    ".dxf": "DXF",
    ".csv": "CSV",
    ".xlsx": "XLSX",
}
# The parts of a Shapefile that matter, without which it cannot be read, and the marks of a
# geodatabase, which is a folder.
_SHAPEFILE_PARTS = frozenset({".shp", ".shx", ".dbf", ".prj", ".cpg"})
_GEODATABASE_MARK = "a00000001.gdbtable"
_TILESET = "tileset.json"
_IS_ENCRYPTED = 0x1
# More than this from one zip is taken for an attack on the memory.
_LARGEST = 2**31

# The name on disk of every dataset, so that no character of a user's name can matter there.
STEM = "geobox-emulator-upload"


@dataclass(frozen=True)
class Dataset:
    """A file that holds layers or a table, or the files of one in a zip.

    Attributes:
        name: The name by which the API knows it: the path in the zip, or the name of the file.
        file_type: One of `FILE_TYPES`.
        read: Reads its files: their contents by their names on disk, which begin with `STEM`.
        archive: The name of the zip that holds it; empty for another file.
    """

    name: str
    file_type: str
    read: Callable[[], dict[str, bytes]]
    archive: str = ""

    @property
    def label(self) -> str:
        """Its name in errors."""
        return f"{self.name} in {self.archive}" if self.archive else self.name

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.name).stem

    @property
    def main(self) -> str:
        """The name on disk that a library opens."""
        suffix = PurePosixPath(self.name).suffix.lower()
        return f"{STEM}{'.gdb' if self.file_type == 'FileGDB' else suffix}"


def single_file(name: str, content: bytes) -> Dataset | None:
    """An upload that is no zip as a dataset, or None if it holds no layers."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in FILE_TYPES or suffix == ".gdb":
        return None

    def read() -> dict[str, bytes]:
        if suffix == ".shp":
            raise _lone_shapefile(name, name)
        return {f"{STEM}{suffix}": content}

    return Dataset(name, FILE_TYPES[suffix], read)


class Archive:
    """A zip.

    Args:
        name: Its name, for errors.
        content: Its bytes.

    Raises:
        JobError: It is damaged.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self._name = name
        try:
            self._zip = ZipFile(io.BytesIO(content))
        except Exception as error:  # noqa: BLE001
            # zipfile raises several unrelated classes for invalid bytes.
            raise unreadable(name, error) from None
        # Programs of Windows may write backslashes. Hidden files and those that macOS adds hold
        # no data, whatever their names look like.
        self._members = {
            path: info
            for info in self._zip.infolist()
            if not info.is_dir() and not _is_hidden(path := info.filename.replace("\\", "/"))
        }

    def datasets(self) -> list[Dataset]:
        """What belongs together: Shapefiles, geodatabases, and single files.

        Raises:
            JobError: There is nothing.
        """
        databases = [
            str(PurePosixPath(path).parent)
            for path in self._members
            if PurePosixPath(path).name.lower() == _GEODATABASE_MARK
        ]
        found = [self._geodatabase(folder) for folder in databases]
        for path in self._members:
            suffix = PurePosixPath(path).suffix.lower()
            if suffix == ".shp":
                found.append(self._shapefile(path))
            elif suffix in FILE_TYPES and suffix != ".gdb":
                found.append(self._file(path, suffix))
        if not found:
            held = ", ".join(sorted(self._members)[:10]) or "nothing"
            reason = f"{self._name} holds no file that the emulator can publish; it holds: {held}"
            raise JobError(reason, "geobox.InvalidFileError")
        order = list(FILE_TYPES.values())
        return sorted(found, key=lambda dataset: (order.index(dataset.file_type), dataset.name))

    def is_tileset(self) -> bool:
        """Whether it holds 3D tiles."""
        return _TILESET in self._members

    def read(self, path: str) -> bytes:
        """The content of a member.

        Raises:
            JobError: It is damaged, encrypted, or compressed by an unknown method.
        """
        info = self._members[path]
        if info.flag_bits & _IS_ENCRYPTED:
            raise unreadable(self._name, f"{path} is encrypted; upload a zip without a password")
        if info.file_size > _LARGEST:
            raise unreadable(self._name, f"{path} has {info.file_size} bytes")
        try:
            return self._zip.read(info)
        except NotImplementedError:
            reason = f"{path} is compressed by an unknown method ({info.compress_type})"
            raise unreadable(self._name, f"{reason}; deflate is known to all programs") from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            # zlib, bz2, lzma and zipfile raise unrelated classes for damaged members.
            reason = str(error) or type(error).__name__
            raise unreadable(self._name, f"{path} is damaged: {reason}") from None

    def _file(self, path: str, suffix: str) -> Dataset:
        def read() -> dict[str, bytes]:
            return {f"{STEM}{suffix}": self.read(path)}

        return Dataset(path, FILE_TYPES[suffix], read, self._name)

    def _shapefile(self, path: str) -> Dataset:
        base = str(PurePosixPath(path).with_suffix("")).lower()
        # The case of names is that of Windows, where it does not matter.
        parts = {
            f"{STEM}{suffix}": other
            for other in self._members
            if (suffix := PurePosixPath(other).suffix.lower()) in _SHAPEFILE_PARTS
            and str(PurePosixPath(other).with_suffix("")).lower() == base
        }

        def read() -> dict[str, bytes]:
            if f"{STEM}.shx" not in parts:
                raise _lone_shapefile(self._name, path)
            return {name: self.read(other) for name, other in parts.items()}

        return Dataset(path, "Shapefile", read, self._name)

    def _geodatabase(self, folder: str) -> Dataset:
        prefix = "" if folder == "." else f"{folder}/"
        members = [path for path in self._members if path.startswith(prefix)]

        def read() -> dict[str, bytes]:
            return {f"{STEM}.gdb/{PurePosixPath(m).name}": self.read(m) for m in members}

        return Dataset(self._name if folder == "." else folder, "FileGDB", read, self._name)


def _lone_shapefile(name: str, path: str) -> JobError:
    reason = f"{path} is without its .shx; upload a zip of its .shp, .shx, .dbf, .prj and .cpg"
    return unreadable(name, reason)


def _is_hidden(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
