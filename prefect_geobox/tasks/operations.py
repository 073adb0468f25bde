"""The pair of Prefect tasks, sync and async, of each operation."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.tasks._factory import make_tasks

publish_file, apublish_file = make_tasks(
    operations.publish_file, run_name="publish", done="published"
)
start_task, astart_task = make_tasks(operations.start_task, named_by="path")
seed_layer_cache, aseed_layer_cache = make_tasks(operations.seed_layer_cache, named_by="layer")
seed_raster_cache, aseed_raster_cache = make_tasks(operations.seed_raster_cache, named_by="raster")
seed_mosaic_cache, aseed_mosaic_cache = make_tasks(operations.seed_mosaic_cache, named_by="mosaic")
seed_tileset_cache, aseed_tileset_cache = make_tasks(
    operations.seed_tileset_cache, named_by="tileset"
)
update_tileset_cache, aupdate_tileset_cache = make_tasks(
    operations.update_tileset_cache, named_by="tileset"
)
seed_map_cache, aseed_map_cache = make_tasks(operations.seed_map_cache, named_by="map")
update_map_cache, aupdate_map_cache = make_tasks(operations.update_map_cache, named_by="map")
import_wfs, aimport_wfs = make_tasks(operations.import_wfs)
import_wfs_into_layer, aimport_wfs_into_layer = make_tasks(
    operations.import_wfs_into_layer, named_by="layer"
)
import_database_layer, aimport_database_layer = make_tasks(operations.import_database_layer)
import_database_table, aimport_database_table = make_tasks(operations.import_database_table)
import_database_into_layer, aimport_database_into_layer = make_tasks(
    operations.import_database_into_layer, named_by="layer"
)
import_from_database, aimport_from_database = make_tasks(operations.import_from_database)
export_map_image, aexport_map_image = make_tasks(operations.export_map_image, named_by="map")
export_group_layer, aexport_group_layer = make_tasks(
    operations.export_group_layer, named_by="group_layer"
)
run_vector_tool, arun_vector_tool = make_tasks(
    operations.run_vector_tool, run_name="run", named_by="output_name"
)
save_query_as_layer, asave_query_as_layer = make_tasks(operations.save_query_as_layer)
save_query_as_table, asave_query_as_table = make_tasks(operations.save_query_as_table)
rasterize, arasterize = make_tasks(operations.rasterize)
polygonize, apolygonize = make_tasks(operations.polygonize)
clip_raster, aclip_raster = make_tasks(operations.clip_raster)
calculate_raster, acalculate_raster = make_tasks(operations.calculate_raster)
raster_slope, araster_slope = make_tasks(operations.raster_slope)
raster_aspect, araster_aspect = make_tasks(operations.raster_aspect)
reclassify_raster, areclassify_raster = make_tasks(operations.reclassify_raster)
resample_raster, aresample_raster = make_tasks(operations.resample_raster)
interpolate_idw, ainterpolate_idw = make_tasks(operations.interpolate_idw)
constant_raster, aconstant_raster = make_tasks(operations.constant_raster)
fill_nodata, afill_nodata = make_tasks(operations.fill_nodata)
raster_proximity, araster_proximity = make_tasks(operations.raster_proximity)
run_raster_tool, arun_raster_tool = make_tasks(
    operations.run_raster_tool, run_name="raster", named_by="tool"
)
calculate_table_field, acalculate_table_field = make_tasks(
    operations.calculate_table_field, named_by="target_field"
)
import_rows, aimport_rows = make_tasks(operations.import_rows, named_by="table")
export_rows, aexport_rows = make_tasks(operations.export_rows, named_by="filename")
export_features, aexport_features = make_tasks(
    operations.export_features, run_name="export", named_by="filename"
)
import_features, aimport_features = make_tasks(operations.import_features, named_by="layer")
calculate_field, acalculate_field = make_tasks(operations.calculate_field, named_by="target_field")
delete_features, adelete_features = make_tasks(operations.delete_features, named_by="layer")
save_as_layer, asave_as_layer = make_tasks(operations.save_as_layer)
update_by_layer, aupdate_by_layer = make_tasks(operations.update_by_layer, named_by="layer")
update_by_file, aupdate_by_file = make_tasks(operations.update_by_file, named_by="layer")
