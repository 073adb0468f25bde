"""The tests of prefect-geobox."""
