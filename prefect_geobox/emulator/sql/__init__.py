"""SQL over layers and tables, in SQLite with geometry functions."""
