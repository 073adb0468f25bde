"""Endpoints that no operation covers."""
