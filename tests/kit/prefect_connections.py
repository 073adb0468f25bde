"""Connections that Prefect leaves open, which are no fault of a test that meets them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest


def allow_open_connections(items: Iterable[pytest.Item], place: Path) -> None:
    """Has the tests of a file or folder ignore them; ours are checked by the tests of the client.

    Args:
        items: All tests that were collected.
        place: The file or folder.
    """
    for item in items:
        if item.path == place or place in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(pytest.mark.usefixtures("_collected_connections"))
