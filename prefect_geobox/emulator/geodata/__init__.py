"""Geometries, reference systems and files."""
