"""SQL over layers and tables."""
