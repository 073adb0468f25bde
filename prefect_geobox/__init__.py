"""Remote Geobox tasks as steps of Prefect flows."""
