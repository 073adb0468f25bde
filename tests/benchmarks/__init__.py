"""Measurements, each side by side with the official SDK on the same emulator."""
