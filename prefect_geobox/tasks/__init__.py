"""The Prefect tasks."""
