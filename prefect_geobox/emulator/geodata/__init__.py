"""Geometries, reference systems, and reading of vector and table files."""
