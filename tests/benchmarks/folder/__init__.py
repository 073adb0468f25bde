"""The folder: many small files uploaded and published, with Prefect and without it."""
