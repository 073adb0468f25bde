"""The state of an emulator: assets, compositions, remote tasks, import sources."""
