"""Reads tables: CSV directly, XLSX through pyogrio."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.vector_files import open_zip, read_csv, read_through_pyogrio

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_rows(
    name: str,
    content: bytes,
    encoding: str,
    *,
    dataset: str | None = None,
    layer: str | None = None,
    delimiter: str = ",",
    names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Reads the rows of a file, or of one within a zip.

    Args:
        name: The file's name; its suffix determines the format.
        content: Its bytes.
        encoding: The encoding of a text.
        dataset: The file within a zip; the first table if None or missing.
        layer: The sheet of an XLSX; the first if None or missing.
        delimiter: What separates the values of a CSV.
        names: The columns of a CSV without a header.

    Raises:
        JobError: It cannot be read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".zip":
        with open_zip(name, content) as archive:
            tables = [
                m for m in sorted(archive.namelist()) if m.lower().endswith((".csv", ".xlsx"))
            ]
            if not tables:
                raise JobError(f"{name} holds no table", "geobox.InvalidFileError")
            inner = dataset if dataset in tables else tables[0]
            content = archive.read(inner)
        return read_rows(inner, content, encoding, layer=layer, delimiter=delimiter, names=names)
    if suffix == ".csv":
        return read_csv(name, content, encoding, delimiter=delimiter, names=names)
    if suffix == ".xlsx":
        return [row.properties for row in read_through_pyogrio(name, content, "", layer).rows]
    reason = f"the emulator reads only CSV and XLSX as a table, not {name}"
    raise JobError(reason, "geobox.InvalidFileError")
