"""Waiting for remote tasks with few requests."""
