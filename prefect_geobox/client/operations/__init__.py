"""The operations of Geobox: one description for each kind of remote task.

A description is a function that returns the request that starts the remote task; its parameters are
checked by their annotations. The clients carry an operation out with `start` and `run`; in a flow
there is a step for each.

Example:
    ```python
    from prefect_geobox.client import GeoboxClient, by_name, operations

    with GeoboxClient(apikey="…") as client:
        file = client.run(operations.export_features, by_name("parcels"), "parcels.gpkg")
    ```
"""

from prefect_geobox.client.operations._operation import (
    OPERATIONS as OPERATIONS,
    BoundOperation as BoundOperation,
    Evidence as Evidence,
    LayerOptions as LayerOptions,
    Operation as Operation,
)
from prefect_geobox.client.operations.custom_endpoint import (
    start_task as start_task,
)
from prefect_geobox.client.operations.files import (
    publish_file as publish_file,
)
from prefect_geobox.client.operations.import_database import (
    Database as Database,
    import_database_into_layer as import_database_into_layer,
    import_database_layer as import_database_layer,
    import_database_table as import_database_table,
    import_from_database as import_from_database,
)
from prefect_geobox.client.operations.import_wfs import (
    import_wfs as import_wfs,
    import_wfs_into_layer as import_wfs_into_layer,
)
from prefect_geobox.client.operations.map_export import (
    export_group_layer as export_group_layer,
    export_map_image as export_map_image,
)
from prefect_geobox.client.operations.raster_cell_values import (
    calculate_raster as calculate_raster,
    constant_raster as constant_raster,
    fill_nodata as fill_nodata,
    reclassify_raster as reclassify_raster,
    resample_raster as resample_raster,
)
from prefect_geobox.client.operations.raster_conversion import (
    clip_raster as clip_raster,
    interpolate_idw as interpolate_idw,
    polygonize as polygonize,
    rasterize as rasterize,
)
from prefect_geobox.client.operations.raster_terrain import (
    raster_aspect as raster_aspect,
    raster_proximity as raster_proximity,
    raster_slope as raster_slope,
)
from prefect_geobox.client.operations.raster_tools import (
    run_raster_tool as run_raster_tool,
)
from prefect_geobox.client.operations.sql import (
    save_query_as_layer as save_query_as_layer,
    save_query_as_table as save_query_as_table,
)
from prefect_geobox.client.operations.tables import (
    calculate_table_field as calculate_table_field,
    export_rows as export_rows,
    import_rows as import_rows,
)
from prefect_geobox.client.operations.tile_caches import (
    seed_layer_cache as seed_layer_cache,
    seed_map_cache as seed_map_cache,
    seed_mosaic_cache as seed_mosaic_cache,
    seed_raster_cache as seed_raster_cache,
    seed_tileset_cache as seed_tileset_cache,
    update_map_cache as update_map_cache,
    update_tileset_cache as update_tileset_cache,
)
from prefect_geobox.client.operations.vector_edit import (
    calculate_field as calculate_field,
    delete_features as delete_features,
    import_features as import_features,
    update_by_file as update_by_file,
    update_by_layer as update_by_layer,
)
from prefect_geobox.client.operations.vector_export import (
    export_features as export_features,
    save_as_layer as save_as_layer,
)
from prefect_geobox.client.operations.vector_tools import (
    run_vector_tool as run_vector_tool,
)
