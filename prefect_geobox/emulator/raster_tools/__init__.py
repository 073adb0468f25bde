"""The twelve raster analyses, computed with rasterio and numpy."""
