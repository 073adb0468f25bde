"""Caches of tiles, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

seed_layer_cache, aseed_layer_cache = steps_of(operations.seed_layer_cache)
seed_raster_cache, aseed_raster_cache = steps_of(operations.seed_raster_cache)
seed_mosaic_cache, aseed_mosaic_cache = steps_of(operations.seed_mosaic_cache)
seed_tileset_cache, aseed_tileset_cache = steps_of(operations.seed_tileset_cache)
update_tileset_cache, aupdate_tileset_cache = steps_of(operations.update_tileset_cache)
seed_map_cache, aseed_map_cache = steps_of(operations.seed_map_cache)
update_map_cache, aupdate_map_cache = steps_of(operations.update_map_cache)
