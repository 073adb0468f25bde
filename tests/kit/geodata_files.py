"""Zips, Shapefiles and other files, made in a few lines."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pyogrio
import shapely


def zip_of(members: dict[str, bytes], compression: int = ZIP_DEFLATED) -> bytes:
    """A zip with these files."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            # Without the time of now, so that the bytes are always the same.
            archive.writestr(ZipInfo(name), content, compression)
    return buffer.getvalue()


def vector_file(
    suffix: str, columns: dict[str, list[Any]], *, at: Any = None, **options: Any
) -> dict[str, bytes]:
    """The files that GDAL writes for points with these columns, by suffix.

    Args:
        suffix: That of the format.
        columns: The columns; texts, or numbers of one type.
        at: The geometries; points on the equator if None.
        options: Further options of pyogrio, such as `encoding`, `crs` or `layer`.
    """
    count = len(next(iter(columns.values())))
    shapes = at if at is not None else [shapely.Point(n, 0) for n in range(count)]
    arrays = [
        np.array(values, dtype=object if isinstance(values[0], (str, type(None))) else None)
        for values in columns.values()
    ]
    with tempfile.TemporaryDirectory() as folder:
        pyogrio.raw.write(
            Path(folder) / f"a{suffix}",
            np.array(shapely.to_wkb(shapes), dtype=object),
            arrays,
            list(columns),
            **{"geometry_type": shapes[0].geom_type, "crs": "EPSG:4326", **options},
        )
        return {path.suffix: path.read_bytes() for path in Path(folder).iterdir()}


def zipped_shapefile(stem: str, files: dict[str, bytes], *without: str) -> bytes:
    """A zip of the files of a Shapefile, some of which may be missing."""
    return zip_of({f"{stem}{k}": v for k, v in files.items() if k not in without})
