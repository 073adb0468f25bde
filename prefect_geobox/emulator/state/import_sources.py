"""Sources of imports: files that replace other map servers and databases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.datasets import STEM, Dataset
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.gdal_files import read_gdal_layer
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import epsg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect_geobox.emulator.geodata.features import VectorSource


@dataclass(frozen=True)
class Source:
    """A file that replaces a map server or database.

    Attributes:
        address: The address of the server or database.
        path: The file.
    """

    address: str
    path: Path

    def tables(self) -> list[dict[str, Any]]:
        """The tables that it has, in the API's own shape.

        Raises:
            JobError: The file cannot be read.
        """
        pyogrio = library("pyogrio", f"reading {self.address}")
        try:
            names = [str(name) for name, _ in pyogrio.list_layers(self.path)]
            infos = {name: pyogrio.read_info(self.path, layer=name) for name in names}
        except (RuntimeError, ValueError) as error:
            raise JobError(f"{self.address} cannot be read: {error}", _UNREADABLE) from None
        return [
            {
                "name": name,
                "geometry_type": info["geometry_type"],
                "feature_count": int(info["features"]),
                "has_geometry": info["geometry_type"] is not None,
                "srid": _srid(info["crs"]),
            }
            for name, info in infos.items()
        ]

    def read(self, table: str, srid: int | None) -> VectorSource:
        """Reads a table.

        Args:
            table: Its name.
            srid: The reference system to use instead of the table's own; None for its own.

        Raises:
            JobError: There is no such table, or the file cannot be read.
        """
        if table not in [known["name"] for known in self.tables()]:
            raise JobError(f"{self.address} has no {table!r}", "geobox.NotFoundError")
        suffix = self.path.suffix.lower()
        files = {f"{STEM}{suffix}": self.path.read_bytes()}
        dataset = Dataset(self.path.name, "", lambda: files)
        found = read_gdal_layer(dataset, table, "UTF-8")
        return found if srid is None else replace(found, crs=epsg(srid))


class Sources:
    """The files that replace map servers and databases.

    Args:
        files: The files by address: of a WFS its URL without a query, of a database
            `host:port/name`.

    Raises:
        ValueError: A file does not exist.
    """

    def __init__(self, files: Mapping[str, str | Path]) -> None:
        self._files = {_plain(address): Path(path) for address, path in files.items()}
        for address, path in self._files.items():
            if not path.is_file():
                raise ValueError(f"sources: {address}: there is no file {path}")

    def find(self, address: str) -> Source:
        """The source of this address.

        Raises:
            JobError: The emulator has none; it never connects to another machine.
        """
        plain = _plain(address)
        path = self._files.get(plain)
        if path is None:
            known = ", ".join(self._files) or "none"
            reason = f"{plain} cannot be reached; the emulator was started with sources: {known}"
            raise JobError(reason, "geobox.ConnectionError")
        return Source(plain, path)


_UNREADABLE = "geobox.InvalidFileError"


def _plain(address: str) -> str:
    return address.partition("?")[0].rstrip("/")


def _srid(crs: str | None) -> int | None:
    code = (crs or "").rpartition(":")[2]
    return int(code) if code.isdigit() else None
