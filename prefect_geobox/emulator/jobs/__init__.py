"""The work of remote tasks."""
