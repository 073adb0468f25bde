"""Uploaded files: their type, and the layers in them."""

from __future__ import annotations

import io
import json
from pathlib import PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.vector_files import dataset_in, on_disk
from prefect_geobox.emulator.state.store import Asset

# The file types of the API by the suffix of a file.
_TYPES = {
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".gpkg": "GPKG",
    ".shp": "Shapefile",
    ".csv": "CSV",
    ".kml": "KML",
    ".gpx": "GPX",
    ".dxf": "DXF",
    ".gdb": "FileGDB",
    ".tif": "GeoTIFF",
    ".tiff": "GeoTIFF",
    ".glb": "GLB",
    ".xlsx": "XLSX",
}
_OTHER_TYPES = {
    "Image": (".jpg", ".jpeg", ".svg", ".png", ".bmp", ".gif"),
    "Video": (".mp4", ".avi", ".ogg", ".webm", ".mpeg", ".wmv"),
    "Document": (".txt", ".doc", ".docx", ".xls", ".ppt", ".pptx", ".pdf"),
    "Compressed": (".zip", ".7z", ".rar", ".iso", ".gz", ".bz2", ".tar", ".cab", ".img"),
}
_TILESET = "tileset.json"


def is_accepted(filename: str) -> bool:
    """Whether a file of this name may be uploaded."""
    return _type_of(filename) is not None


def make_file(filename: str, content: bytes, *, scan_archive: bool) -> Asset:
    """A file asset. Reads the content to find its layers, so call it in a thread.

    A file that cannot be read is accepted; only publishing it fails.

    Args:
        filename: The file's name.
        content: Its bytes.
        scan_archive: Whether to read the content of a zip.
    """
    file_type = _type_of(filename) or "Document"
    layers: list[dict[str, Any]] = []
    count = 0
    if file_type != "Compressed":
        layers, count = _layers(filename, content, file_type, dataset=filename)
    elif scan_archive and filename.lower().endswith(".zip"):
        file_type, layers, count = _scan_zip(content)
    details = {
        "file_type": file_type,
        "size": len(content),
        "layer_count": len(layers),
        "feature_count": count,
        "layers": {"layers": layers},
        "is_shared": False,
    }
    return Asset(AssetKind.FILE, filename, details, content)


def _type_of(filename: str) -> str | None:
    suffix = PurePosixPath(filename).suffix.lower()
    others = (name for name, suffixes in _OTHER_TYPES.items() if suffix in suffixes)
    return _TYPES.get(suffix) or next(others, None)


def _scan_zip(content: bytes) -> tuple[str, list[dict[str, Any]], int]:
    # A guess: a zip with a layer in it is `Complex`, one with 3D tiles is `ThreedTiles`, and any
    # other stays `Compressed`.
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            if _TILESET in archive.namelist():
                return "ThreedTiles", [], 0
            dataset = dataset_in(archive)
            if dataset is None:
                return "Compressed", [], 0
            inner = archive.read(dataset)
    except (BadZipFile, OSError, RuntimeError, NotImplementedError):
        return "Compressed", [], 0
    file_type = _TYPES[PurePosixPath(dataset).suffix.lower()]
    if file_type == "Shapefile":
        layer = {"layer": PurePosixPath(dataset).stem, "dataset": dataset, "format": file_type}
        return "Complex", [layer], _shapefile_count(archive=content, dataset=dataset)
    layers, count = _layers(dataset, inner, file_type, dataset=dataset)
    return "Complex", layers, count


def _layers(
    filename: str, content: bytes, file_type: str, *, dataset: str
) -> tuple[list[dict[str, Any]], int]:
    count = 0
    names = [PurePosixPath(filename).stem]
    if file_type == "GeoJSON":
        count = _geojson_count(content)
    elif file_type == "CSV":
        count = max(content.count(b"\n") - 1, 0)
    elif file_type == "GPKG":
        names, count = _gpkg_layers(content, names)
    elif file_type not in {"KML", "GPX", "DXF"}:
        return [], 0
    return [{"layer": name, "dataset": dataset, "format": file_type} for name in names], count


def _geojson_count(content: bytes) -> int:
    try:
        features = json.loads(content)["features"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0
    return len(features) if isinstance(features, list) else 0


def _gpkg_layers(content: bytes, default: list[str]) -> tuple[list[str], int]:
    try:
        pyogrio = library("pyogrio", "reading a GPKG")
        with on_disk("upload.gpkg", content) as path:
            names = [str(row[0]) for row in pyogrio.list_layers(path)]
            return names, sum(int(pyogrio.read_info(path, layer=n)["features"]) for n in names)
    except (JobError, RuntimeError, ValueError):
        return default, 0


def _shapefile_count(*, archive: bytes, dataset: str) -> int:
    # The header of its table has the number of records; reading that needs no library.
    with ZipFile(io.BytesIO(archive)) as opened:
        table = str(PurePosixPath(dataset).with_suffix(".dbf"))
        if table not in opened.namelist():
            return 0
        with opened.open(table) as stream:
            return int.from_bytes(stream.read(8)[4:8], "little")
