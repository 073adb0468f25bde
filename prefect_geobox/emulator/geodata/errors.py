"""The error of work that cannot be done."""

from __future__ import annotations


class JobError(Exception):
    """The work of a remote task cannot be done; becomes its FAILURE.

    Args:
        message: The reason.
        kind: Its type. The names are guesses in the style of the API.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def unreadable(name: str, why: object) -> JobError:
    """The error for a file that cannot be read.

    Args:
        name: The file's name.
        why: The reason.
    """
    return JobError(f"{name} cannot be read: {why}", "geobox.InvalidFileError")
