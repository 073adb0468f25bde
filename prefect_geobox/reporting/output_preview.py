"""Facts about an output, and its preview: a map or a thumbnail."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import GeoboxError
from prefect_geobox.client.model.text import printable
from prefect_geobox.reporting.markdown import escaped
from prefect_geobox.reporting.svg_map import MapUnavailableError, draw_map

logger = logging.getLogger(__name__)

#: Features that a map shows at most.
_MAX_FEATURES: Final = 2000


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """Facts about an output, and its preview.

    Attributes:
        asset: The output.
        features: The number of features of a vector layer.
        geometry_type: Of a vector layer, as the server names it.
        srid: The EPSG code of the coordinates that the server sends.
        extent: West, south, east, north in that system.
        preview: A markdown image, or a sentence why there is none.
    """

    asset: OutputAsset
    features: int | None = None
    geometry_type: str | None = None
    srid: int | None = None
    extent: tuple[float, float, float, float] | None = None
    preview: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The facts as metadata of a Prefect asset."""
        values = {
            "name": self.asset.name,
            "features": self.features,
            "geometry_type": self.geometry_type,
            "srid": self.srid,
            "extent": list(self.extent) if self.extent else None,
        }
        return {key: value for key, value in values.items() if value is not None}


async def gather_facts(
    client: AsyncGeoboxClient, asset: OutputAsset, *, with_preview: bool = True
) -> OutputFacts:
    """Reads the facts about an output. What cannot be read is left out; it never raises.

    Args:
        client: Reads.
        asset: The output.
        with_preview: Whether its picture is wanted.
    """
    try:
        if not with_preview:
            return await _counted(client, asset)
        if asset.kind is AssetKind.VECTOR:
            return await _vector_facts(client, asset)
        if asset.kind is AssetKind.RASTER:
            return OutputFacts(asset, preview=await _thumbnail(client, asset))
    except GeoboxError as error:
        return OutputFacts(asset, preview=f"No preview: {escaped(printable(str(error)))}")
    except Exception as error:  # noqa: BLE001 - a step does not fail for its preview
        logger.warning("No preview of %s: %s: %s", asset, type(error).__name__, error)
    return OutputFacts(asset)


async def _counted(client: AsyncGeoboxClient, asset: OutputAsset) -> OutputFacts:
    if asset.kind is not AssetKind.VECTOR:
        return OutputFacts(asset)
    geometry_type = asset.data.get("layer_type")
    return OutputFacts(
        asset,
        features=await client.count_features(asset),
        geometry_type=geometry_type if isinstance(geometry_type, str) else None,
        extent=_box(asset.data.get("extent")),
    )


async def _vector_facts(client: AsyncGeoboxClient, asset: OutputAsset) -> OutputFacts:
    count = await client.count_features(asset)
    features: list[Any] = []
    srid: int | None = None
    if count:
        collection = await client.get_features(asset, limit=min(count, _MAX_FEATURES))
        features, srid = collection["features"], _srid_of(collection)
    try:
        drawing = draw_map(features, asset.name)
        preview = _image("svg+xml", drawing.svg.encode(), "map")
        if len(features) < count:
            preview += f"\n\nThe map shows the first {len(features):,} of {count:,} features."
        if drawing.drawn < drawing.parts:
            preview += f"\n\nIt draws {drawing.drawn:,} of their {drawing.parts:,} parts."
    except MapUnavailableError as error:
        preview = escaped(str(error))
    geometry_type = asset.data.get("layer_type")
    return OutputFacts(
        asset,
        features=count,
        geometry_type=geometry_type if isinstance(geometry_type, str) else None,
        srid=srid,
        extent=_box(asset.data.get("extent")) or _extent_of(features, count),
        preview=preview,
    )


async def _thumbnail(client: AsyncGeoboxClient, asset: OutputAsset) -> str:
    picture = await client.get_thumbnail(asset)
    if not picture.startswith(b"\x89PNG"):
        return "No preview: the thumbnail is not a PNG."
    return _image("png", picture, "thumbnail")


def _image(kind: str, content: bytes, text: str) -> str:
    return f"![{text}](data:image/{kind};base64,{base64.b64encode(content).decode()})"


def _srid_of(collection: Mapping[str, Any]) -> int | None:
    try:
        return int(str(collection["crs"]["properties"]["name"]).rpartition(":")[2])
    except (KeyError, TypeError, ValueError):
        return None


def _box(value: Any) -> tuple[float, float, float, float] | None:
    is_box = isinstance(value, list) and len(value) == 4
    if not is_box or not all(type(number) in (int, float) for number in value):
        return None
    west, south, east, north = map(float, value)
    return west, south, east, north


def _extent_of(features: Sequence[Any], count: int) -> tuple[float, float, float, float] | None:
    """The extent of all features; None if not all of them were read."""
    geometries = [feature.get("geometry") for feature in features if isinstance(feature, dict)]
    points = [point for geometry in geometries for point in _points(geometry)]
    if len(features) < count or not points:
        return None
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def _points(geometry: Any) -> list[tuple[float, float]]:
    if not isinstance(geometry, dict):
        return []
    if isinstance(geometry.get("geometries"), list):
        return [point for part in geometry["geometries"] for point in _points(part)]
    return list(_flat(geometry.get("coordinates")))


def _flat(coordinates: Any) -> list[tuple[float, float]]:
    if not isinstance(coordinates, list) or not coordinates:
        return []
    if type(coordinates[0]) in (int, float):
        numbers = [number for number in coordinates[:2] if type(number) in (int, float)]
        return [(float(numbers[0]), float(numbers[1]))] if len(numbers) == 2 else []
    return [point for part in coordinates for point in _flat(part)]
