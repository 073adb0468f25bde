"""The assets that the emulator holds, in memory."""

from __future__ import annotations

import itertools
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OtherKind(str, Enum):
    """The kinds of asset that are not the output of remote tasks."""

    VIEW = "view"
    GROUP = "group layer"
    QUERY = "query"

    def __str__(self) -> str:
        return self.value


Kind = AssetKind | OtherKind

# The types of errors by kind. `geobox.DuplicatRasterDatasetNameError`, without the `e`, is the
# API's own spelling; the others are guesses modelled on it.
_DUPLICATE = {
    AssetKind.VECTOR: "geobox.DuplicateVectorLayerNameError",
    AssetKind.RASTER: "geobox.DuplicatRasterDatasetNameError",
    AssetKind.MODEL: "geobox.Duplicate3DModelNameError",
    AssetKind.TILES3D: "geobox.Duplicate3DTilesNameError",
    AssetKind.TABLE: "geobox.DuplicateTableNameError",
    OtherKind.VIEW: "geobox.DuplicateVectorLayerViewNameError",
    OtherKind.GROUP: "geobox.DuplicateGroupLayerNameError",
    OtherKind.QUERY: "geobox.DuplicateQueryNameError",
}
_ids = itertools.count(101)


def now() -> str:
    """The current time as the API writes it: with microseconds, without a zone; UTC is a guess."""
    return timestamp(datetime.now(timezone.utc))


def timestamp(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Field:
    """A column of a layer or table.

    Attributes:
        name: Its name.
        datatype: `Integer`, `Long`, `Float`, `String`, `Date` or `DateTime`.
    """

    name: str
    datatype: str


@dataclass(frozen=True)
class View:
    """What a view shows of its layer.

    Attributes:
        layer: The layer.
        shows: Whether the view shows a feature.
        columns: The columns that it shows; None for all.
    """

    layer: Asset
    shows: Callable[[dict[str, Any]], bool]
    columns: frozenset[str] | None


@dataclass
class Asset:
    """A layer, view, raster, model, file, tileset, table or group of layers.

    Attributes:
        kind: The kind.
        name: The name.
        details: Its further fields in the API.
        content: The bytes of a file, raster or model.
        fields: The columns of a layer or table.
        rows: The rows of a table; the features of a layer, in EPSG:3857. Replaced as a whole and
            never changed in place, so that readers get a consistent list.
        source: For a view: what it shows of which layer.
        members: The layers and views of a group.
    """

    kind: Kind
    name: str
    details: dict[str, Any] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)
    fields: list[Field] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    source: View | None = None
    members: list[Asset] = field(default_factory=list)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    id: int = field(default_factory=lambda: next(_ids))
    created_at: str = field(default_factory=now)

    def view(self) -> dict[str, Any]:
        """The asset as the API describes it."""
        return described(self)


class Describable(Protocol):
    """An object that the API can describe."""

    uuid: str
    id: int
    name: str
    created_at: str
    details: dict[str, Any]


def described(thing: Describable) -> dict[str, Any]:
    """An asset or composition as the API describes it."""
    return {
        "uuid": thing.uuid,
        "id": thing.id,
        "name": thing.name,
        "created_at": thing.created_at,
        # The value of a new asset is not known; a guess.
        "last_edit_at": thing.created_at,
        **thing.details,
    }


class Store:
    """All assets. Thread-safe."""

    def __init__(self) -> None:
        self._assets: dict[str, Asset] = {}
        self._lock = threading.Lock()

    def add(self, asset: Asset) -> None:
        """Adds an asset.

        Raises:
            JobError: Another asset of its kind has the same name. Files may share a name.
        """
        with self._lock:
            taken = any(
                other.kind is asset.kind and other.name == asset.name
                for other in self._assets.values()
            )
            if taken and asset.kind in _DUPLICATE:
                reason = f"a {asset.kind} named {asset.name!r} exists already"
                raise JobError(reason, _DUPLICATE[asset.kind])
            self._assets[asset.uuid] = asset

    def find(self, kind: Kind, key: str) -> Asset | None:
        """The asset of this kind and uuid, or None."""
        asset = self._assets.get(key)
        return asset if asset is not None and asset.kind is kind else None

    def remove(self, asset: Asset) -> None:
        """Deletes an asset and, a guess, its views; nothing happens if it is deleted already."""
        with self._lock:
            views = [o for o in self._assets.values() if o.source and o.source.layer is asset]
            for deleted in [asset, *views]:
                self._assets.pop(deleted.uuid, None)
            for group in self._assets.values():
                group.members = [m for m in group.members if m.uuid in self._assets]

    def all(self, kind: Kind) -> Iterator[Asset]:
        """All assets of a kind, the newest first."""
        with self._lock:
            assets = list(self._assets.values())
        return (asset for asset in reversed(assets) if asset.kind is kind)
