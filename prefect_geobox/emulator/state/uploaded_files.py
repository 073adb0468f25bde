"""Uploaded files: their type, and the layers in them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.datasets import FILE_TYPES, Archive
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.vector_files import list_layers
from prefect_geobox.emulator.state.store import Asset

# The file types of the API by the suffix of a file.
_TYPES = {**FILE_TYPES, ".tif": "GeoTIFF", ".tiff": "GeoTIFF", ".glb": "GLB"}
_OTHER_TYPES = {
    "Image": (".jpg", ".jpeg", ".svg", ".png", ".bmp", ".gif"),
    "Video": (".mp4", ".avi", ".ogg", ".webm", ".mpeg", ".wmv"),
    "Document": (".txt", ".doc", ".docx", ".xls", ".ppt", ".pptx", ".pdf"),
    "Compressed": (".zip", ".7z", ".rar", ".iso", ".gz", ".bz2", ".tar", ".cab", ".img"),
}
ACCEPTED_SUFFIXES = (*_TYPES, *(suffix for others in _OTHER_TYPES.values() for suffix in others))


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
    entries = []
    is_zip = filename.lower().endswith(".zip")
    try:
        if not is_zip or scan_archive:
            if is_zip and Archive(filename, content).is_tileset():
                file_type = "ThreedTiles"
            else:
                entries = list_layers(filename, content)
    except JobError:
        # It is no file that could hold a layer; publishing it tells the reason.
        pass
    # A guess: a zip with a layer in it is `Complex`, one with 3D tiles is `ThreedTiles`, and any
    # other stays `Compressed`.
    if is_zip and entries:
        file_type = "Complex"
    layers: list[dict[str, Any]] = [
        {"layer": e.layer, "dataset": e.dataset.name, "format": e.dataset.file_type}
        for e in entries
    ]
    details = {
        "file_type": file_type,
        "size": len(content),
        "layer_count": len(layers),
        "feature_count": sum(entry.count for entry in entries),
        "layers": {"layers": layers},
        "is_shared": False,
    }
    return Asset(AssetKind.FILE, filename, details, content)


def _type_of(filename: str) -> str | None:
    suffix = PurePosixPath(filename).suffix.lower()
    others = (name for name, suffixes in _OTHER_TYPES.items() if suffix in suffixes)
    return _TYPES.get(suffix) or next(others, None)
