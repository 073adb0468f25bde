"""The vector tools: system queries that make a layer of others, with shapely for PostGIS."""
