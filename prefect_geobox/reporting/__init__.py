"""What a run page shows: artifacts, assets and events."""
