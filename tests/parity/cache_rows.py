"""Caches, maps, tables and groups of layers."""

from __future__ import annotations

from prefect_geobox.client import operations as ours

from .peer import BOX, FILE, Row, U

ROWS = [
    Row("layer", lambda s: s.layer.seed_cache(), ours.seed_layer_cache, (U,)),
    Row(
        "view",
        lambda s: s.view.seed_cache(0, 3, ignore_cache=True, workers=4, user_id=0),
        ours.seed_layer_cache,
        (U, 0, 3),
        {"ignore_cache": True, "workers": 4, "user_id": 0, "is_view": True},
    ),
    Row("raster", lambda s: s.raster.seed_cache(), ours.seed_raster_cache, (U,)),
    Row(
        "mosaic",
        lambda s: s.mosaic.seed_cache(0, 3, extent=BOX, workers=2),
        ours.seed_mosaic_cache,
        (U, 0, 3),
        {"extent": BOX, "workers": 2},
    ),
    Row(
        "raster, all",
        lambda s: s.raster.seed_cache(0, 3, BOX, 4),
        ours.seed_raster_cache,
        (U, 0, 3),
        {"extent": BOX, "workers": 4},
    ),
    Row("defaults", lambda s: s.tileset.seed_cache(), ours.seed_tileset_cache, (U,)),
    Row(
        "all",
        lambda s: s.tileset.seed_cache(1, 2, extent=BOX, workers=24, user_id=5),
        ours.seed_tileset_cache,
        (U, 1, 2),
        {"extent": BOX, "workers": 24, "user_id": 5},
    ),
    Row("defaults", lambda s: s.tileset.update_cache(0, 2), ours.update_tileset_cache, (U, 0, 2)),
    Row(
        "all",
        lambda s: s.tileset.update_cache(0, 2, extents=[BOX], user_id=5),
        ours.update_tileset_cache,
        (U, 0, 2),
        {"extents": [BOX], "user_id": 5},
    ),
    Row("defaults", lambda s: s.map.seed_cache(), ours.seed_map_cache, (U,)),
    Row(
        "all",
        lambda s: s.map.seed_cache(0, 2, extent=BOX, workers=2, user_id=0, scale=2),
        ours.seed_map_cache,
        (U, 0, 2),
        {"extent": BOX, "workers": 2, "user_id": 0, "scale": 2},
    ),
    Row("defaults", lambda s: s.map.update_cache(), ours.update_map_cache, (U,)),
    Row(
        "all",
        lambda s: s.map.update_cache(0, 2, extent=BOX, user_id=0, scale=2),
        ours.update_map_cache,
        (U, 0, 2),
        {"extent": BOX, "user_id": 0, "scale": 2},
    ),
    Row(
        "picture",
        lambda s: s.map.export_map_to_image(BOX, 640, 480),
        ours.export_map_image,
        (U, BOX, 640, 480),
    ),
    Row(
        "defaults",
        lambda s: s.table.calculate_field("f", "1"),
        ours.calculate_table_field,
        (U, "f", "1"),
    ),
    Row(
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
    Row("defaults", lambda s: s.table.import_rows(s.file), ours.import_rows, (U, FILE)),
    Row(
        "all",
        lambda s: s.table.import_rows(
            s.file,
            file_encoding="cp1256",
            input_dataset="b",
            delimiter=";",
            has_header=False,
            report_errors=True,
            bulk_insert=False,
        ),
        ours.import_rows,
        (U, FILE),
        {
            "file_encoding": "cp1256",
            "input_dataset": "b",
            "delimiter": ";",
            "has_header": False,
            "report_errors": True,
            "bulk_insert": False,
        },
    ),
    Row("defaults", lambda s: s.table.export_rows("x"), ours.export_rows, (U, "x")),
    Row(
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
            "out_format": "CSV",
            "order_by": "a D",
            "zipped": True,
        },
    ),
    Row("defaults", lambda s: s.group_layer.export(), ours.export_group_layer, (U,)),
    Row(
        "all",
        lambda s: s.group_layer.export("Shapefile", out_srid=4326, out_filename="x"),
        ours.export_group_layer,
        (U, "x"),
        {"out_format": "Shapefile", "out_srid": 4326},
    ),
]
