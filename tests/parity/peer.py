"""The objects of the official SDK, and what a row of the comparison is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import geobox
from geobox import (
    aio,
    db_connection as db,
    file,
    group_layer,
    map as map_module,
    mosaic,
    raster,
    table,
    tileset,
    vectorlayer,
    view,
)
from geobox.aio import (
    db_connection as aio_db,
    file as aio_file,
    group_layer as aio_group_layer,
    map as aio_map,
    mosaic as aio_mosaic,
    query as aio_query,
    raster as aio_raster,
    table as aio_table,
    tileset as aio_tileset,
    vectorlayer as aio_vectorlayer,
    view as aio_view,
)
from geobox.enums import (
    DBType,
    LayerType,
)
from geobox.query import Query

from prefect_geobox import AssetKind, OutputAsset

U = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
V = "1e1e1e1e-1e1e-4e1e-8e1e-1e1e1e1e1e1e"

FILE_DATA = {
    "uuid": U,
    "name": "roads.gpkg",
    "file_type": "GPKG",
    "layers": {
        "layers": [
            {"layer": "roads", "dataset": "roads.gpkg", "format": "GPKG"},
            {"layer": "a", "dataset": "b", "format": "GPKG"},
        ]
    },
}
FILE = OutputAsset(
    kind=AssetKind.FILE, uuid=U, name="roads.gpkg", data=FILE_DATA, api_url="http://x/"
)
DATABASE = {
    "db_type": "postgis",
    "host": "db.example.org",
    "port": "5432",
    "db_name": "gis",
    "username": "reader",
    "password": "hidden-from-all",
    "schemas": "public",
}


class Sdk:
    """The objects of one half of the SDK, made without a request."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._is_async = isinstance(client, aio.AsyncGeoboxClient)

    def _of(self, blocking: Any, awaiting: Any, name: str) -> Any:
        return getattr(awaiting, f"Async{name}") if self._is_async else getattr(blocking, name)

    @property
    def layer(self) -> Any:
        """A vector layer."""
        made = self._of(vectorlayer, aio_vectorlayer, "VectorLayer")
        return made(self.client, U, LayerType.Polygon, {"uuid": U, "name": "roads"})

    @property
    def view(self) -> Any:
        """A view."""
        made = self._of(view, aio_view, "VectorLayerView")
        return made(self.client, U, LayerType.Polygon, {"uuid": U, "name": "roads"})

    @property
    def file(self) -> Any:
        """A file."""
        return self._of(file, aio_file, "File")(self.client, U, dict(FILE_DATA))

    @property
    def raster(self) -> Any:
        """A raster."""
        return self._of(raster, aio_raster, "Raster")(self.client, U, {"uuid": U})

    @property
    def mosaic(self) -> Any:
        """A mosaic."""
        return self._of(mosaic, aio_mosaic, "Mosaic")(self.client, U, {"uuid": U})

    @property
    def tileset(self) -> Any:
        """A tileset."""
        return self._of(tileset, aio_tileset, "Tileset")(self.client, U, {"uuid": U})

    @property
    def map(self) -> Any:
        """A map."""
        return self._of(map_module, aio_map, "Map")(self.client, U, {"uuid": U})

    @property
    def table(self) -> Any:
        """A table."""
        return self._of(table, aio_table, "Table")(self.client, U, {"uuid": U, "name": "rows"})

    @property
    def group_layer(self) -> Any:
        """A group layer."""
        return self._of(group_layer, aio_group_layer, "GroupLayer")(self.client, U, {"uuid": U})

    @property
    def query(self) -> Any:
        """The class of queries."""
        return aio_query.AsyncQuery if self._is_async else Query

    @property
    def database_table(self) -> Any:
        """A table of a database."""
        credentials = db.DBCredentials(**{**DATABASE, "db_type": DBType.POSTGIS})
        database = self._of(db, aio_db, "Database")(self.client, credentials)
        made = self._of(db, aio_db, "DatabaseTable")
        return made(self.client, database, {"name": "parcels", "has_geometry": True})


def sdk_class(name: str) -> Any:
    """A class of the SDK, of whichever of its modules."""
    modules = [import_module(f"geobox.{each.name}") for each in iter_modules(geobox.__path__)]
    return next(vars(module)[name] for module in modules if name in vars(module))


@dataclass(frozen=True)
class Row:
    """One request of both.

    Attributes:
        name: Part of the test's name.
        sdk: Asks the SDK.
        operation: Our operation.
        args: Our parameters.
        options: Our keywords.
        differs: Fields that differ on purpose, with the values that we send; None is not sent.
    """

    name: str
    sdk: Callable[[Sdk], Any]
    operation: Any
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    differs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation.name}-{self.name}"


@dataclass(frozen=True)
class SdkField:
    """A field as the SDK takes it."""

    name: str


# The SDK takes a view for a layer, of which its class is a subclass.
VIEW_BUG = {"is_view": "True"}
BOX = [1, 2, 3.5, 4]
VARIABLES = {"NIR": U, "RED": [V, 2]}
PARAMS = [
    {"name": "l", "type": "Layer", "value": U},
    {"name": "n", "type": "Integer", "value": 3},
    {"name": "t", "type": "Text", "value": "a"},
]
