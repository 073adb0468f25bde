"""The assets of Geobox: layers, rasters, files and others."""

from __future__ import annotations

from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from prefect_geobox.client.model.base import FrozenModel


class AssetKind(str, Enum):
    """The kinds of asset that a remote task can produce."""

    VECTOR = "vector"
    RASTER = "raster"
    MODEL = "model"
    FILE = "file"
    TILES3D = "tiles3d"
    TABLE = "table"

    def __str__(self) -> str:
        return self.value


class TaskOutput(FrozenModel):
    """The asset that the result of a remote task names.

    Attributes:
        kind: The kind of asset.
        uuid: The asset's uuid.
    """

    kind: AssetKind
    uuid: str


class OutputAsset(FrozenModel):
    """An asset in Geobox: a layer, raster, model, file, tileset or table.

    Attributes:
        kind: The kind of asset.
        uuid: Its uuid.
        name: Its name; may be empty.
        data: The raw object of the API.
        api_url: Its URL in the API, without a credential.

    Example:
        >>> asset = OutputAsset(kind="vector", uuid="l1", name="parcels",
        ...                     api_url="https://api.geobox.ir/v1/vectorLayers/l1/")
        >>> asset.asset_key
        'geobox://api.geobox.ir/vector/l1'
    """

    kind: AssetKind
    uuid: str
    name: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    api_url: str

    @property
    def asset_key(self) -> str:
        """The key of this asset in Prefect: `geobox://<host>/<kind>/<uuid>`."""
        host = urlsplit(self.api_url).netloc.rpartition("@")[2]
        # Asset keys allow no brackets, which an IPv6 address has.
        host = host.replace("[", "").replace("]", "")
        return f"geobox://{host}/{self.kind.value}/{self.uuid}"

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name or self.uuid} ({self.uuid})"
