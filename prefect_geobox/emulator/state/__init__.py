"""What a running emulator holds: assets, remote tasks, sources, recorded requests."""
