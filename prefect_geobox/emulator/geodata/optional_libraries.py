"""The geospatial libraries, which only the extra `emulator` installs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from prefect_geobox.emulator.geodata.errors import JobError


def library(name: str, purpose: str) -> Any:
    """Imports a geospatial library.

    Args:
        name: The module.
        purpose: What needs it, as the subject of a sentence.

    Raises:
        JobError: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        reason = f'{purpose} needs {name}: pip install "prefect-geobox[emulator]"'
        raise JobError(reason, "geobox.MissingLibraryError") from None
