"""Names of assets: how they are compared, looked up, and made from file names.

Unicode has two spellings of `ü`: one character, and `u` with a combining mark, which macOS writes.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import Final

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.text import JOINERS, quoted

#: The endings of files of geodata, and of the containers that they come in.
_ENDINGS: Final = frozenset(
    {
        *(".geojson", ".json", ".geojsonl", ".ndjson", ".topojson", ".gpkg", ".shp", ".gdb"),
        *(".csv", ".tsv", ".txt", ".kml", ".kmz", ".gpx", ".dxf", ".gml", ".fgb", ".parquet"),
        *(".geoparquet", ".sqlite", ".db", ".mbtiles", ".tif", ".tiff", ".geotiff", ".img"),
        *(".asc", ".vrt", ".jpg", ".jpeg", ".png", ".glb", ".gltf", ".3tz", ".xls", ".xlsx"),
        *(".ods", ".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"),
    }
)


def composed(text: str) -> str:
    """The text with one character for a letter and its marks, where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are equal in all but their Unicode spelling."""
    return composed(one) == composed(other)


def is_name_of(asset: OutputAsset, name: str) -> bool:
    """Whether an asset was made under a name.

    Args:
        asset: The asset.
        name: The name that was asked for. A server may add an ending to that of a file, or replace
            it: roads.gpkg becomes roads.zip.
    """
    if asset.kind is not AssetKind.FILE:
        return is_same_name(asset.name, name)
    return composed(asset.name).startswith(composed(name.rpartition(".")[0] or name))


def name_filter(name: str) -> str:
    """A filter of a list that finds a name in each of its Unicode spellings."""
    spellings = dict.fromkeys((name, composed(name), unicodedata.normalize("NFD", name)))
    return " OR ".join(f"name = {quoted(spelling)}" for spelling in spellings)


def layer_name_of(path: str) -> str:
    """The name of a layer made from that of a file.

    Known endings are cut off. Letters, their marks, joiners and digits are kept; underscores
    replace all else.

    Example:
        >>> layer_name_of("data/parcels.2024-05-01.geojson")
        'parcels_2024_05_01'
        >>> layer_name_of("roads.shp.zip")
        'roads'
    """
    stem = composed(PurePath(path).name)
    while (ending := PurePath(stem).suffix) and ending.lower() in _ENDINGS:
        stem = stem.removesuffix(ending)
    kept = "".join(char if _is_kept(char) else "_" for char in stem)
    # A mark belongs to the character before it.
    kept = "".join(
        char
        for before, char in zip("_" + kept, kept, strict=False)
        if not (before == "_" and unicodedata.category(char).startswith("M"))
    )
    return re.sub("__+", "_", kept).strip("_" + JOINERS) or "layer"


def _is_kept(char: str) -> bool:
    return char in JOINERS or unicodedata.category(char)[0] in "LMN"
