"""The geospatial libraries, which only the extra `emulator` brings."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class JobFailed(Exception):  # noqa: N818
    """The work of a remote task cannot be done; becomes its FAILURE.

    Args:
        message: The reason, for people.
        kind: Its type. The names are guesses in the style of the API's own.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def library(name: str, purpose: str) -> Any:
    """Imports a geospatial library.

    Args:
        name: The module.
        purpose: What it is needed for, as the subject of a sentence.

    Raises:
        JobFailed: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        reason = f'{purpose} needs {name}: pip install "prefect-geobox[emulator]"'
        raise JobFailed(reason, "geobox.MissingLibraryError") from None
