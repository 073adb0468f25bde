"""What Geobox can be asked to do in the background: one description for each kind of remote task.

A description is a function that checks its parameters and returns the request that starts the
remote task. The clients carry it out with `start` and `run`, the steps of a flow with everything
around it.

Example:
    ```python
    from prefect_geobox.client import GeoboxClient, by_name, operations

    with GeoboxClient(apikey="…") as client:
        file = client.run(operations.export_features, by_name("parcels"), "parcels.gpkg")
    ```
"""

from prefect_geobox.client.operations.anything import start_task
from prefect_geobox.client.operations.caches import (
    seed_layer_cache,
    seed_map_cache,
    seed_mosaic_cache,
    seed_raster_cache,
    seed_tileset_cache,
    update_map_cache,
    update_tileset_cache,
)
from prefect_geobox.client.operations.cells import (
    calculate_raster,
    constant_raster,
    fill_nodata,
    reclassify_raster,
    resample_raster,
)
from prefect_geobox.client.operations.databases import (
    Database,
    import_database_into_layer,
    import_database_layer,
    import_database_table,
    import_from_database,
)
from prefect_geobox.client.operations.edits import (
    calculate_field,
    delete_features,
    import_features,
    update_by_file,
    update_by_layer,
)
from prefect_geobox.client.operations.files import publish_file
from prefect_geobox.client.operations.imports import import_wfs, import_wfs_into_layer
from prefect_geobox.client.operations.maps import export_group_layer, export_map_image
from prefect_geobox.client.operations.operation import (
    OPERATIONS,
    Evidence,
    LayerOptions,
    Operation,
    StepOptions,
)
from prefect_geobox.client.operations.queries import (
    run_vector_tool,
    save_query_as_layer,
    save_query_as_table,
)
from prefect_geobox.client.operations.rasterizing import (
    clip_raster,
    interpolate_idw,
    polygonize,
    rasterize,
)
from prefect_geobox.client.operations.rasters import run_raster_tool
from prefect_geobox.client.operations.surfaces import raster_aspect, raster_proximity, raster_slope
from prefect_geobox.client.operations.tables import (
    calculate_table_field,
    export_rows,
    import_rows,
)
from prefect_geobox.client.operations.vectors import export_features, save_as_layer

__all__ = [
    "OPERATIONS",
    "Database",
    "Evidence",
    "LayerOptions",
    "Operation",
    "StepOptions",
    "calculate_field",
    "calculate_raster",
    "calculate_table_field",
    "clip_raster",
    "constant_raster",
    "delete_features",
    "export_features",
    "export_group_layer",
    "export_map_image",
    "export_rows",
    "fill_nodata",
    "import_database_into_layer",
    "import_database_layer",
    "import_database_table",
    "import_features",
    "import_from_database",
    "import_rows",
    "import_wfs",
    "import_wfs_into_layer",
    "interpolate_idw",
    "polygonize",
    "publish_file",
    "raster_aspect",
    "raster_proximity",
    "raster_slope",
    "rasterize",
    "reclassify_raster",
    "resample_raster",
    "run_raster_tool",
    "run_vector_tool",
    "save_as_layer",
    "save_query_as_layer",
    "save_query_as_table",
    "seed_layer_cache",
    "seed_map_cache",
    "seed_mosaic_cache",
    "seed_raster_cache",
    "seed_tileset_cache",
    "start_task",
    "update_by_file",
    "update_by_layer",
    "update_map_cache",
    "update_tileset_cache",
]
