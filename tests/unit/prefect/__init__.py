"""Tests on a real Prefect server."""
