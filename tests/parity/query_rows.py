"""Queries, and what is imported from elsewhere."""

from __future__ import annotations

from geobox.enums import (
    QueryGeometryType,
)

from prefect_geobox.client import operations as ours
from prefect_geobox.client.operations import Database

from .peer import DATABASE, PARAMS, Row, U

ROWS = [
    Row(
        "sql",
        lambda s: s.query.direct_save_as_layer(
            s.client,
            "SELECT 1",
            PARAMS,
            "x",
            layer_type=QueryGeometryType.POLYGON,
            temporary=True,
        ),
        ours.save_query_as_layer,
        ("SELECT 1", "x", PARAMS),
        {"layer_type": QueryGeometryType.POLYGON, "temporary": True},
    ),
    Row(
        "defaults",
        lambda s: s.query.direct_save_as_layer(s.client, "SELECT 1", [], "x"),
        ours.save_query_as_layer,
        ("SELECT 1", "x"),
    ),
    Row(
        "sql",
        lambda s: s.query.direct_save_as_table(
            s.client, "SELECT 1", [{"name": "t", "type": "Table", "value": U}], "x"
        ),
        ours.save_query_as_table,
        ("SELECT 1", "x", [{"name": "t", "type": "Table", "value": U}]),
    ),
    Row(
        "defaults",
        lambda s: s.client.wfs_import("http://x/wfs", "roads", "x"),
        ours.import_wfs,
        ("http://x/wfs", "roads", "x"),
    ),
    Row(
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
        "view",
        lambda s: s.client.wfs_import_into_layer("http://x/wfs", "roads", U, is_view=True),
        ours.import_wfs_into_layer,
        ("http://x/wfs", "roads", U),
        {"is_view": True},
    ),
    Row(
        "defaults",
        lambda s: s.client.wfs_import_into_layer("http://x/wfs", "roads", U),
        ours.import_wfs_into_layer,
        ("http://x/wfs", "roads", U),
    ),
    Row(
        "all",
        lambda s: s.client.wfs_import_into_layer(
            "http://x/wfs", "roads", U, "u", "p", "2.0.0", 4326, "Point", False, True, 1
        ),
        ours.import_wfs_into_layer,
        ("http://x/wfs", "roads", U),
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
        "defaults",
        lambda s: s.database_table.import_spatial(),
        ours.import_database_layer,
        (Database(**DATABASE), "parcels"),
    ),
    Row(
        "all",
        lambda s: s.database_table.import_spatial("a", "b", 4326, "POINT", True, 2),
        ours.import_database_layer,
        (Database(**DATABASE), "a", "b"),
        {"input_srid": 4326, "input_geom_type": "POINT", "report_errors": True, "user_id": 2},
    ),
    Row(
        "defaults",
        lambda s: s.database_table.import_non_spatial(out_table_name="x"),
        ours.import_database_table,
        (Database(**DATABASE), "parcels", "x"),
        # The SDK sends its default, False, as if it were a user.
        differs={"user_id": None},
    ),
    Row(
        "all",
        lambda s: s.database_table.import_non_spatial("a", "x", True, 2),
        ours.import_database_table,
        (Database(**DATABASE), "a", "x"),
        {"report_errors": True, "user_id": 2},
    ),
    Row(
        "view",
        lambda s: s.database_table.import_spatial_into_layer(U, is_view=True, input_srid=1),
        ours.import_database_into_layer,
        (Database(**DATABASE), "parcels", U),
        {"is_view": True, "input_srid": 1},
    ),
    Row(
        "defaults",
        lambda s: s.database_table.import_spatial_into_layer(U),
        ours.import_database_into_layer,
        (Database(**DATABASE), "parcels", U),
    ),
    Row(
        "all",
        lambda s: s.database_table.import_spatial_into_layer(U, "a", False, 1, "POINT", True, 2),
        ours.import_database_into_layer,
        (Database(**DATABASE), "a", U),
        {"input_srid": 1, "input_geom_type": "POINT", "report_errors": True, "user_id": 2},
    ),
    Row(
        "with geometries",
        lambda s: s.database_table.import_table(out_name="x"),
        ours.import_from_database,
        (Database(**DATABASE), "parcels", "x"),
        {"has_geometry": True},
    ),
    Row(
        "all",
        lambda s: s.database_table.import_table("a", "x", 4326, "POINT", True, 2),
        ours.import_from_database,
        (Database(**DATABASE), "a", "x"),
        {
            "has_geometry": True,
            "input_srid": 4326,
            "input_geom_type": "POINT",
            "report_errors": True,
            "user_id": 2,
        },
    ),
]
