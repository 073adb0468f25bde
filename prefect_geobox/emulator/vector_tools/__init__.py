"""The vector tools: system queries that make a layer of others, with shapely instead of PostGIS."""
