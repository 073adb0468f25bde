"""Pictures of maps: the geometries of their vector layers, drawn without styles."""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.geodata.reprojection import WGS84, to_web_mercator
from prefect_geobox.emulator.state.new_assets import asset_outcome
from prefect_geobox.emulator.state.uploaded_files import make_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Asset, Store

BACKGROUND = (242, 239, 233)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POINT_RADIUS = 3
_LINE_WIDTH = 2


@dataclass(frozen=True)
class Frame:
    """What a picture shows.

    Attributes:
        bbox: West, south, east and north in degrees.
        width: Pixels.
        height: Pixels.
    """

    bbox: tuple[float, float, float, float]
    width: int
    height: int


def layers_of(style: dict[str, Any], store: Store) -> list[Asset]:
    """The vector layers whose uuids occur anywhere in a map's style, as in the URLs of sources."""
    keys = dict.fromkeys(_UUID.findall(json.dumps(style)))
    found = (store.find(AssetKind.VECTOR, key) for key in keys)
    return [layer for layer in found if layer is not None]


def colour_of(layer: Asset) -> tuple[int, int, int]:
    """The colour of a layer, derived from its uuid."""
    seed = zlib.crc32(layer.uuid.encode())
    return 32 + seed % 128, 32 + (seed >> 8) % 128, 32 + (seed >> 16) % 128


def export_map(name: str, layers: list[Asset], frame: Frame) -> Outcome:
    """Does the work of a task that exports a map: a PNG file.

    Args:
        name: The name of the map. The file gets it too; a guess.
        layers: The layers, from the bottom up.
        frame: What the picture shows.

    Raises:
        JobError: Pillow is missing.
    """
    content = draw(layers, frame)
    return asset_outcome(make_file(f"{name}.png", content, scan_archive=False))


def draw(layers: list[Asset], frame: Frame) -> bytes:
    """A PNG of layers in Web Mercator.

    Raises:
        JobError: Pillow is missing.
    """
    pictures = library("PIL.Image", "the picture of a map")
    drawing = library("PIL.ImageDraw", "the picture of a map")
    picture = pictures.new("RGB", (frame.width, frame.height), BACKGROUND)
    pen = drawing.Draw(picture)
    transform = to_web_mercator(WGS84)
    west, south = transform(*frame.bbox[:2])
    east, north = transform(*frame.bbox[2:])
    x_scale, y_scale = frame.width / (east - west), frame.height / (north - south)

    def pixels(positions: Any) -> list[tuple[float, float]]:
        return [((x - west) * x_scale, (north - y) * y_scale) for x, y, *_ in positions]

    for layer in layers:
        colour = colour_of(layer)
        for kind, parts in _single_parts(row["geometry"] for row in layer.rows):
            if kind == "Polygon":
                pen.polygon(pixels(parts[0]), fill=colour)
                for hole in parts[1:]:
                    pen.polygon(pixels(hole), fill=BACKGROUND)
            elif kind == "LineString":
                pen.line(pixels(parts), fill=colour, width=_LINE_WIDTH)
            else:
                [(x, y)] = pixels([parts])
                box = (x - _POINT_RADIUS, y - _POINT_RADIUS, x + _POINT_RADIUS, y + _POINT_RADIUS)
                pen.ellipse(box, fill=colour)
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def _single_parts(geometries: Iterator[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The kinds and coordinates of geometries, with multipart ones split into their parts."""
    for geometry in geometries:
        kind = geometry["type"]
        if kind.startswith("Multi"):
            yield from ((kind.removeprefix("Multi"), part) for part in geometry["coordinates"])
        else:
            yield kind, geometry["coordinates"]
