"""The raster analyses, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

rasterize, arasterize = steps_of(operations.rasterize)
polygonize, apolygonize = steps_of(operations.polygonize)
clip_raster, aclip_raster = steps_of(operations.clip_raster)
calculate_raster, acalculate_raster = steps_of(operations.calculate_raster)
raster_slope, araster_slope = steps_of(operations.raster_slope)
raster_aspect, araster_aspect = steps_of(operations.raster_aspect)
reclassify_raster, areclassify_raster = steps_of(operations.reclassify_raster)
resample_raster, aresample_raster = steps_of(operations.resample_raster)
interpolate_idw, ainterpolate_idw = steps_of(operations.interpolate_idw)
constant_raster, aconstant_raster = steps_of(operations.constant_raster)
fill_nodata, afill_nodata = steps_of(operations.fill_nodata)
raster_proximity, araster_proximity = steps_of(operations.raster_proximity)
run_raster_tool, arun_raster_tool = steps_of(operations.run_raster_tool)
