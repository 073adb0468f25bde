"""Each way to start a remote task: how the official SDK is asked for it, and how we are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from geobox import aio, file, group_layer, mosaic, raster, table, tileset, vectorlayer, view
from geobox import db_connection as db
from geobox import map as map_module
from geobox.aio import db_connection as aio_db
from geobox.aio import file as aio_file
from geobox.aio import group_layer as aio_group_layer
from geobox.aio import map as aio_map
from geobox.aio import mosaic as aio_mosaic
from geobox.aio import query as aio_query
from geobox.aio import raster as aio_raster
from geobox.aio import table as aio_table
from geobox.aio import tileset as aio_tileset
from geobox.aio import vectorlayer as aio_vectorlayer
from geobox.aio import view as aio_view
from geobox.enums import (
    AnalysisAlgorithm,
    AnalysisDataType,
    AnalysisResampleMethod,
    DBType,
    FileOutputFormat,
    InputGeomType,
    LayerType,
    PolygonizeConnectivity,
    QueryGeometryType,
    RangeBound,
    SlopeUnit,
)
from geobox.query import Query

from prefect_geobox import AssetKind, OutputAsset
from prefect_geobox.client import operations as ours
from prefect_geobox.client.operations import Database

U = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
V = "1e1e1e1e-1e1e-4e1e-8e1e-1e1e1e1e1e1e"

FILE_DATA = {
    "uuid": U,
    "name": "roads.gpkg",
    "file_type": "GPKG",
    "layers": {"layers": [{"layer": "roads", "dataset": "roads.gpkg", "format": "GPKG"}]},
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


@dataclass(frozen=True)
class Row:
    """One request of both.

    Attributes:
        number: Which row of the API's table of starts it is.
        name: What it is, for the test's name.
        sdk: Asks the SDK.
        operation: What we call it.
        args: Our parameters.
        options: Our keywords.
        differs: Fields that differ on purpose: what we send, and why. None is nothing.
    """

    number: int
    name: str
    sdk: Callable[[Sdk], Any]
    operation: Any
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    differs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.number}-{self.name}"


@dataclass(frozen=True)
class _Field:
    """A field as the SDK takes it."""

    name: str


# The SDK takes a view for a layer, of which its class is a subclass.
_VIEW_BUG = {"is_view": "True"}
_BOX = [1, 2, 3.5, 4]
_VARIABLES = {"NIR": U, "RED": [V, 2]}
_PARAMS = [
    {"name": "l", "type": "Layer", "value": U},
    {"name": "n", "type": "Integer", "value": 3},
    {"name": "t", "type": "Text", "value": "a"},
]

ROWS = [
    Row(1, "defaults", lambda s: s.file.publish(name="x"), ours.publish_file, (FILE, "x")),
    Row(
        1,
        "all",
        lambda s: s.file.publish(
            name="x",
            input_layer="a",
            input_geom_type=InputGeomType.POINT,
            replace_domain_codes_by_values=True,
            input_dataset="b",
            user_id=3,
            input_srid=4326,
            file_encoding="cp1256",
            report_errors=False,
            as_terrain=True,
        ),
        ours.publish_file,
        (FILE, "x"),
        {
            "input_layer": "a",
            "input_geom_type": "POINT",
            "replace_domain_codes_by_values": True,
            "input_dataset": "b",
            "user_id": 3,
            "input_srid": 4326,
            "file_encoding": "cp1256",
            "report_errors": False,
            "as_terrain": True,
        },
    ),
    Row(
        2,
        "defaults",
        lambda s: s.layer.calculate_field("f", "1"),
        ours.calculate_field,
        (U, "f", "1"),
    ),
    Row(
        2,
        "all",
        lambda s: s.view.calculate_field(
            "f", "1", q="a = 1", bbox=_BOX, bbox_srid=4326, feature_ids=[0, 2], user_id=0
        ),
        ours.calculate_field,
        (U, "f", "1"),
        {
            "q": "a = 1",
            "bbox": _BOX,
            "bbox_srid": 4326,
            "feature_ids": [0, 2],
            "user_id": 0,
            "is_view": True,
        },
    ),
    Row(
        3,
        "everything",
        lambda s: s.layer.delete_features(),
        ours.delete_features,
        (U,),
        {"everything": True},
    ),
    Row(
        3,
        "filtered",
        lambda s: s.view.delete_features(q="a = 1", bbox=_BOX, bbox_srid=1, feature_ids=[1]),
        ours.delete_features,
        (U,),
        {"q": "a = 1", "bbox": "1,2,3.5,4", "bbox_srid": 1, "feature_ids": "1", "is_view": True},
    ),
    Row(4, "defaults", lambda s: s.layer.import_features(s.file), ours.import_features, (U, FILE)),
    Row(
        4,
        "all",
        lambda s: s.view.import_features(
            s.file,
            input_geom_type=InputGeomType.POINT_Z,
            input_layer_name="a",
            input_dataset="b",
            user_id=1,
            input_srid=4326,
            file_encoding="cp1256",
            replace_domain_codes_by_values=True,
            report_errors=False,
        ),
        ours.import_features,
        (U, FILE),
        {
            "input_geom_type": InputGeomType.POINT_Z,
            "input_layer": "a",
            "input_dataset": "b",
            "user_id": 1,
            "input_srid": 4326,
            "file_encoding": "cp1256",
            "replace_domain_codes_by_values": True,
            "report_errors": False,
            "is_view": True,
        },
    ),
    Row(
        5,
        "defaults",
        lambda s: s.layer.export_features("x.gpkg", FileOutputFormat.GPKG),
        ours.export_features,
        (U, "x.gpkg"),
    ),
    Row(
        5,
        "all",
        lambda s: s.view.export_features(
            "x",
            FileOutputFormat.Shapefile,
            replace_domain_codes_by_values=True,
            bbox=_BOX,
            out_srid=4326,
            zipped=False,
            feature_ids=[0],
            bbox_srid=3857,
            q="a = 0",
            fields=["a", "b"],
        ),
        ours.export_features,
        (U, "x"),
        {
            "out_format": FileOutputFormat.Shapefile,
            "replace_domain_codes_by_values": True,
            "bbox": _BOX,
            "out_srid": 4326,
            "zipped": False,
            "feature_ids": [0],
            "bbox_srid": 3857,
            "q": "a = 0",
            "fields": "a, b",
            "is_view": True,
        },
    ),
    Row(
        6,
        "defaults",
        lambda s: s.layer.save_as_vector_layer("x"),
        ours.save_as_layer,
        (U, "x"),
    ),
    Row(
        6,
        "all",
        lambda s: s.view.save_as_vector_layer(
            "x", q="a = 0", bbox="1,2,3.5,4", bbox_srid=1, fields="a,b", schema_only=True
        ),
        ours.save_as_layer,
        (U, "x"),
        {
            "q": "a = 0",
            "bbox": _BOX,
            "bbox_srid": 1,
            "fields": ["a", "b"],
            "schema_only": True,
            "is_view": True,
        },
    ),
    Row(
        7,
        "defaults",
        lambda s: s.layer.update_by_layer(V, "id"),
        ours.update_by_layer,
        (U, V, "id"),
    ),
    Row(
        7,
        "all",
        lambda s: s.view.update_by_layer(
            V,
            "id",
            fields_to_update="a,b",
            update_geometry=True,
            delete_unmatched=True,
            insert_missing=True,
            user_id=2,
        ),
        ours.update_by_layer,
        (U, V, "id"),
        {
            "fields_to_update": ["a", "b"],
            "update_geometry": True,
            "delete_unmatched": True,
            "insert_missing": True,
            "user_id": 2,
            "is_view": True,
        },
    ),
    Row(
        8,
        "defaults",
        lambda s: s.layer.update_by_file(V, "id"),
        ours.update_by_file,
        (U, V, "id"),
    ),
    Row(
        8,
        "all",
        lambda s: s.view.update_by_file(
            V,
            "id",
            input_dataset="a",
            input_layer="b",
            input_srid=4326,
            fields_to_update="c",
            update_geometry=True,
            file_encoding="cp1256",
            user_id=0,
        ),
        ours.update_by_file,
        (U, V, "id"),
        {
            "input_dataset": "a",
            "input_layer": "b",
            "input_srid": 4326,
            "fields_to_update": "c",
            "update_geometry": True,
            "file_encoding": "cp1256",
            "user_id": 0,
            "is_view": True,
        },
    ),
    Row(9, "layer", lambda s: s.layer.seed_cache(), ours.seed_layer_cache, (U,)),
    Row(
        9,
        "view",
        lambda s: s.view.seed_cache(0, 3, ignore_cache=True, workers=4, user_id=0),
        ours.seed_layer_cache,
        (U, 0, 3),
        {"ignore_cache": True, "workers": 4, "user_id": 0, "is_view": True},
    ),
    Row(10, "raster", lambda s: s.raster.seed_cache(), ours.seed_raster_cache, (U,)),
    Row(
        10,
        "mosaic",
        lambda s: s.mosaic.seed_cache(0, 3, extent=_BOX, workers=2),
        ours.seed_mosaic_cache,
        (U, 0, 3),
        {"extent": _BOX, "workers": 2},
    ),
    Row(11, "defaults", lambda s: s.tileset.seed_cache(), ours.seed_tileset_cache, (U,)),
    Row(
        11,
        "all",
        lambda s: s.tileset.seed_cache(1, 2, extent=_BOX, workers=24, user_id=5),
        ours.seed_tileset_cache,
        (U, 1, 2),
        {"extent": _BOX, "workers": 24, "user_id": 5},
    ),
    Row(
        12, "defaults", lambda s: s.tileset.update_cache(0, 2), ours.update_tileset_cache, (U, 0, 2)
    ),
    Row(
        12,
        "all",
        lambda s: s.tileset.update_cache(0, 2, extents=[_BOX], user_id=5),
        ours.update_tileset_cache,
        (U, 0, 2),
        {"extents": [_BOX], "user_id": 5},
    ),
    Row(13, "defaults", lambda s: s.map.seed_cache(), ours.seed_map_cache, (U,)),
    Row(
        13,
        "all",
        lambda s: s.map.seed_cache(0, 2, extent=_BOX, workers=2, user_id=0, scale=2),
        ours.seed_map_cache,
        (U, 0, 2),
        {"extent": _BOX, "workers": 2, "user_id": 0, "scale": 2},
    ),
    Row(14, "defaults", lambda s: s.map.update_cache(), ours.update_map_cache, (U,)),
    Row(
        14,
        "all",
        lambda s: s.map.update_cache(0, 2, extent=_BOX, user_id=0, scale=2),
        ours.update_map_cache,
        (U, 0, 2),
        {"extent": _BOX, "user_id": 0, "scale": 2},
    ),
    Row(
        15,
        "picture",
        lambda s: s.map.export_map_to_image(_BOX, 640, 480),
        ours.export_map_image,
        (U, _BOX, 640, 480),
    ),
    Row(
        16,
        "defaults",
        lambda s: s.table.calculate_field("f", "1"),
        ours.calculate_table_field,
        (U, "f", "1"),
    ),
    Row(
        16,
        "all",
        lambda s: s.table.calculate_field(
            "f", "1", q="a = 1", search="b", search_fields="c,d", row_ids="1,2", user_id=0
        ),
        ours.calculate_table_field,
        (U, "f", "1"),
        {
            "q": "a = 1",
            "search": "b",
            "search_fields": ["c", "d"],
            "row_ids": [1, 2],
            "user_id": 0,
        },
    ),
    Row(17, "defaults", lambda s: s.table.import_rows(s.file), ours.import_rows, (U, FILE)),
    Row(
        17,
        "all",
        lambda s: s.table.import_rows(
            s.file,
            file_encoding="cp1256",
            input_dataset="a",
            delimiter=";",
            has_header=False,
            report_errors=True,
            bulk_insert=False,
        ),
        ours.import_rows,
        (U, FILE),
        {
            "file_encoding": "cp1256",
            "input_dataset": "a",
            "delimiter": ";",
            "has_header": False,
            "report_errors": True,
            "bulk_insert": False,
        },
    ),
    Row(18, "defaults", lambda s: s.table.export_rows("x"), ours.export_rows, (U, "x")),
    Row(
        18,
        "all",
        lambda s: s.table.export_rows(
            "x",
            q="a = 1",
            search="b",
            search_fields="c",
            row_ids="0,1",
            fields="a,b",
            exclude="c",
            order_by="a D",
            zipped=True,
        ),
        ours.export_rows,
        (U, "x"),
        {
            "q": "a = 1",
            "search": "b",
            "search_fields": "c",
            "row_ids": [0, 1],
            "fields": ["a", "b"],
            "exclude": "c",
            "order_by": "a D",
            "zipped": True,
        },
    ),
    Row(19, "defaults", lambda s: s.group_layer.export(), ours.export_group_layer, (U,)),
    Row(
        19,
        "all",
        lambda s: s.group_layer.export("Shapefile", out_srid=4326, out_filename="x"),
        ours.export_group_layer,
        (U, "x"),
        {"out_format": "Shapefile", "out_srid": 4326},
    ),
    Row(
        20,
        "sql",
        lambda s: s.query.direct_save_as_layer(
            s.client,
            "SELECT 1",
            _PARAMS,
            "x",
            layer_type=QueryGeometryType.POLYGON,
            temporary=True,
        ),
        ours.save_query_as_layer,
        ("SELECT 1", "x", _PARAMS),
        {"layer_type": QueryGeometryType.POLYGON, "temporary": True},
    ),
    Row(
        21,
        "sql",
        lambda s: s.query.direct_save_as_table(
            s.client, "SELECT 1", [{"name": "t", "type": "Table", "value": U}], "x"
        ),
        ours.save_query_as_table,
        ("SELECT 1", "x", [{"name": "t", "type": "Table", "value": U}]),
    ),
    Row(
        22,
        "defaults",
        lambda s: s.client.wfs_import("http://x/wfs", "roads", "x"),
        ours.import_wfs,
        ("http://x/wfs", "roads", "x"),
    ),
    Row(
        22,
        "all",
        lambda s: s.client.wfs_import(
            "http://x/wfs", "roads", "x", "u", "p", "2.0.0", 4326, "Point", True, 1
        ),
        ours.import_wfs,
        ("http://x/wfs", "roads", "x"),
        {
            "username": "u",
            "password": "p",
            "version": "2.0.0",
            "input_srid": 4326,
            "input_geom_type": "Point",
            "report_errors": True,
            "user_id": 1,
        },
    ),
    Row(
        23,
        "view",
        lambda s: s.client.wfs_import_into_layer("http://x/wfs", "roads", U, is_view=True),
        ours.import_wfs_into_layer,
        ("http://x/wfs", "roads", U),
        {"is_view": True},
    ),
    Row(
        24,
        "defaults",
        lambda s: s.database_table.import_spatial(),
        ours.import_database_layer,
        (Database(**DATABASE), "parcels"),
    ),
    Row(
        24,
        "all",
        lambda s: s.database_table.import_spatial("a", "b", 4326, "POINT", True, 2),
        ours.import_database_layer,
        (Database(**DATABASE), "a", "b"),
        {"input_srid": 4326, "input_geom_type": "POINT", "report_errors": True, "user_id": 2},
    ),
    Row(
        25,
        "defaults",
        lambda s: s.database_table.import_non_spatial(out_table_name="x"),
        ours.import_database_table,
        (Database(**DATABASE), "parcels", "x"),
        # The SDK sends its default, False, as if it were a user.
        differs={"user_id": None},
    ),
    Row(
        26,
        "view",
        lambda s: s.database_table.import_spatial_into_layer(U, is_view=True, input_srid=1),
        ours.import_database_into_layer,
        (Database(**DATABASE), "parcels", U),
        {"is_view": True, "input_srid": 1},
    ),
    Row(
        27,
        "with geometries",
        lambda s: s.database_table.import_table(out_name="x"),
        ours.import_from_database,
        (Database(**DATABASE), "parcels", "x"),
        {"has_geometry": True},
    ),
    Row(
        28,
        "defaults",
        lambda s: s.client.raster_analysis.rasterize(s.layer, "x"),
        ours.rasterize,
        (U, "x"),
    ),
    Row(
        28,
        "view",
        lambda s: s.client.raster_analysis.rasterize(
            s.view, "x", 5, 0, AnalysisDataType.uint8, 0, "height", 1
        ),
        ours.rasterize,
        (U, "x"),
        {
            "pixel_size": 5,
            "nodata": 0,
            "data_type": AnalysisDataType.uint8,
            "burn_value": 0,
            "burn_attribute": "height",
            "user_id": 1,
            "is_view": True,
        },
        differs=_VIEW_BUG,
    ),
    Row(
        29,
        "defaults",
        lambda s: s.client.raster_analysis.polygonize(s.raster, "x"),
        ours.polygonize,
        (U, "x"),
    ),
    Row(
        29,
        "all",
        lambda s: s.client.raster_analysis.polygonize(
            s.raster, "x", 2, "v", True, PolygonizeConnectivity.connected_8, "[1, 2]", "l", 0
        ),
        ours.polygonize,
        (U, "x"),
        {
            "band_index": 2,
            "value_field": "v",
            "mask_nodata": True,
            "connectivity": PolygonizeConnectivity.connected_8,
            "keep_values": [1, 2],
            "layer_name": "l",
            "user_id": 0,
        },
    ),
    Row(
        30,
        "defaults",
        lambda s: s.client.raster_analysis.clip(s.raster, s.layer, "x"),
        ours.clip_raster,
        (U, U, "x"),
    ),
    Row(
        30,
        "view",
        lambda s: s.client.raster_analysis.clip(
            s.raster, s.view, "x", "a=1", 0, False, AnalysisResampleMethod.cubic, 0
        ),
        ours.clip_raster,
        (U, U, "x"),
        {
            "where": "a=1",
            "dst_nodata": 0,
            "crop": False,
            "resample": "cubic",
            "user_id": 0,
            "is_view": True,
        },
        differs=_VIEW_BUG,
    ),
    Row(
        31,
        "json",
        lambda s: s.client.raster_analysis.calculator(json.dumps(_VARIABLES), "NIR-RED", "x"),
        ours.calculate_raster,
        ({"NIR": U, "RED": (V, 2)}, "NIR-RED", "x"),
    ),
    Row(
        31,
        "dict",
        lambda s: s.client.raster_analysis.calculator({"NIR": U, "RED": V}, "NIR-RED", "x", V),
        ours.calculate_raster,
        ({"NIR": U, "RED": V}, "NIR-RED", "x"),
        {"match_raster": V},
        # The SDK sends the names alone, and loses the rasters.
        differs={"variables": json.dumps({"NIR": U, "RED": V})},
    ),
    Row(
        32,
        "defaults",
        lambda s: s.client.raster_analysis.slope(s.raster, "x"),
        ours.raster_slope,
        (U, "x"),
    ),
    Row(
        32,
        "all",
        lambda s: s.client.raster_analysis.slope(
            s.raster, "x", SlopeUnit.percent, AnalysisAlgorithm.ZevenbergenThorne, 2, False, 0, 1
        ),
        ours.raster_slope,
        (U, "x"),
        {
            "slope_units": "percent",
            "algorithm": "ZevenbergenThorne",
            "scale": 2,
            "compute_edges": False,
            "nodata_out": 0,
            "user_id": 1,
        },
    ),
    Row(
        33,
        "defaults",
        lambda s: s.client.raster_analysis.aspect(s.raster, "x"),
        ours.raster_aspect,
        (U, "x"),
    ),
    Row(
        34,
        "exact",
        lambda s: s.client.raster_analysis.reclassify(s.raster, "x", '{"1": 10, "2": 0}'),
        ours.reclassify_raster,
        (U, "x", {1: 10, 2: 0}),
    ),
    Row(
        34,
        "range",
        lambda s: s.client.raster_analysis.reclassify(
            s.raster,
            "x",
            "[[0, 10, 1], [10, 20, 2]]",
            default_value=0,
            nodata_in=0,
            nodata_out=0,
            out_dtype=AnalysisDataType.uint8,
            inclusive=RangeBound.both,
        ),
        ours.reclassify_raster,
        (U, "x", [(0, 10, 1), (10, 20, 2)]),
        {
            "default_value": 0,
            "nodata_in": 0,
            "nodata_out": 0,
            "out_dtype": "uint8",
            "inclusive": RangeBound.both,
        },
    ),
    Row(
        35,
        "size",
        lambda s: s.client.raster_analysis.resample(s.raster, "x", out_res="10,20.5"),
        ours.resample_raster,
        (U, "x"),
        {"out_res": (10, 20.5)},
    ),
    Row(
        35,
        "raster",
        lambda s: s.client.raster_analysis.resample(s.raster, "x", match_raster_uuid=V),
        ours.resample_raster,
        (U, "x"),
        {"match_raster": V},
    ),
    Row(
        36,
        "defaults",
        lambda s: s.client.raster_analysis.idw_interpolation(s.layer, "x", _Field("z")),
        ours.interpolate_idw,
        (U, "x", "z"),
    ),
    Row(
        36,
        "view",
        lambda s: s.client.raster_analysis.idw_interpolation(
            s.view, "x", _Field("z"), V, 5, "0,0,10,10", 1.5, 0.5, 3, 50, 0
        ),
        ours.interpolate_idw,
        (U, "x", _Field("z")),
        {
            "match_raster": V,
            "pixel_size": 5,
            "extent": "0,0,10,10",
            "power": 1.5,
            "smoothing": 0.5,
            "max_points": 3,
            "radius": 50,
            "nodata": 0,
            "is_view": True,
        },
        differs=_VIEW_BUG,
    ),
    Row(
        37,
        "defaults",
        lambda s: s.client.raster_analysis.constant("x", "0,0,100,100", 0),
        ours.constant_raster,
        ("x", (0, 0, 100, 100), 0),
    ),
    Row(
        37,
        "all",
        lambda s: s.client.raster_analysis.constant(
            "x", "0,0,100,100", 7, 5, AnalysisDataType.uint8, 0, "0,0", 1
        ),
        ours.constant_raster,
        ("x", "0,0,100,100", 7),
        {"pixel_size": 5, "dtype": "uint8", "nodata": 0, "align_to": (0, 0), "user_id": 1},
    ),
    Row(
        38,
        "defaults",
        lambda s: s.client.raster_analysis.fill_nodata(s.raster, "x"),
        ours.fill_nodata,
        (U, "x"),
    ),
    Row(
        38,
        "all",
        lambda s: s.client.raster_analysis.fill_nodata(s.raster, "x", "all", 0, 5, 0, V, 0),
        ours.fill_nodata,
        (U, "x"),
        {
            "band": "all",
            "nodata": 0,
            "max_search_dist": 5,
            "smoothing_iterations": 0,
            "mask_raster": V,
            "user_id": 0,
        },
    ),
    Row(
        39,
        "defaults",
        lambda s: s.client.raster_analysis.proximity(s.raster, "x"),
        ours.raster_proximity,
        (U, "x"),
    ),
]

#: For each vector tool the SDK's parameters in its order, and ours by name, without the first.
TOOLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "area": ((U,), {}),
    "as_geojson": ((U,), {}),
    "as_wkt": ((U,), {}),
    "buffer": ((U, 50), {"distance": 50}),
    "centroid": ((U,), {}),
    "clip": ((U, V), {"clip": V}),
    "concave_hull": ((U, 0.5), {"tolerance": 0.5}),
    "convex_hull": ((U,), {}),
    "count_point_in_polygons": ((U, V), {"point_layer": V}),
    "delaunay_triangulation": ((U,), {}),
    "disjoint": ((U, V), {"filter_layer": V}),
    "dissolve": ((U, "kind"), {"dissolve_field": "kind"}),
    "distance_to_nearest": ((U, V, 100), {"nearest_layer": V, "search_radius": 100}),
    "distinct": ((U,), {}),
    "dump": ((U,), {}),
    "erase": ((U, V), {"erase": V}),
    "feature_bbox": ((U, 4326), {"srid": 4326}),
    "feature_extent": ((U,), {}),
    "find_replace": ((U, "a", "b"), {"find": "a", "replace": "b"}),
    "from_geojson": ((U, "json"), {"json_field": "json"}),
    "from_wkt": ((U, "wkt", 4326), {"wkt_column": "wkt", "srid": 4326}),
    "generate_points": ((U, 5, 42), {"number_of_points": 5, "seed": 42}),
    "group_by": (
        (U, "kind", "size", "sum"),
        {"group_column": "kind", "agg_column": "size", "agg_function": "sum"},
    ),
    "hexagon_grid": ((U, 100), {"cell_size": 100}),
    "intersection": ((U, V), {"intersect": V}),
    "join": (
        (U, V, "a", "b"),
        {"layer2": V, "layer1_join_column": "a", "layer2_join_column": "b"},
    ),
    "lat_lon_to_point": ((35.5, 51.5), {"latitude": 35.5, "longitude": 51.5}),
    "layer_extent": ((U,), {}),
    "length": ((U,), {}),
    "line_to_polygon": ((U,), {}),
    "linear_referencing": ((U, 3, 10, 1), {"feature_id": 3, "dist": 10, "tolerance": 1}),
    "make_envelop": ((1, 2, 3, 4), {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}),
    "merge": ((U, V), {"layer2": V}),
    "network_trace": ((U, 3, "up", 1), {"from_id": 3, "direction": "up", "tolerance": 1}),
    "number_of_geoms": ((U,), {}),
    "number_of_points": ((U,), {}),
    "point_stats_in_polygon": ((U, V, "size"), {"point_layer": V, "stats_column": "size"}),
    "remove_holes": ((U,), {}),
    "reverse_line": ((U,), {}),
    "simplify": ((U, 10), {"tolerance": 10}),
    "snap_to_grid": ((U, 10), {"grid_size": 10}),
    "spatial_aggregation": ((U, "union"), {"agg_function": "union"}),
    "spatial_filter": (
        (U, "Intersect", V),
        {"spatial_predicate": "Intersect", "filter_layer": V},
    ),
    "spatial_group_by": ((U, "kind", "union"), {"group_column": "kind", "agg_function": "union"}),
    "square_grid": ((U, 100), {"cell_size": 100}),
    "table_to_vector_layer": ((U, "lon", "lat"), {"lon": "lon", "lat": "lat"}),
    "voronoi_polygons": ((U,), {}),
    "within_distance": ((U, V, 100), {"filter_layer": V, "dist": 100}),
    "xy_coordinate": ((U, 4326), {"srid": 4326}),
}
