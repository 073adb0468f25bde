"""What a remote task that has succeeded has left out, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prefect_geobox.client.model.tasks import RemoteTask

#: Keys of an entry that name the feature or the row which it is about.
_PLACES: Final = {"feature": "features", "row": "rows"}


def left_out(task: RemoteTask, made: int | None = None) -> str | None:
    """Returns how many features were left out, of how many, and why; equal reasons once.

    Args:
        task: The remote task.
        made: The number of features of the layer that it has made; None if it is not known, and if
            it has changed a layer that existed.

    Returns:
        Such as `3 of 10 features were left out: has no geometry (3 times)`; None if the remote task
        reports no errors or has not succeeded.
    """
    if not task.succeeded or not task.reason:
        return None
    entries = task.errors.get("errors") if task.errors is not None else None
    if not isinstance(entries, list):
        return task.reason
    key = _key(entries)
    if key is None:
        number = len(entries)
        errors = "1 error" if number == 1 else f"{number:,} errors"
        count = f"; the layer has {made:,} features" if made is not None else ""
        return f"{errors} reported{count}: {task.reason}"
    # One feature can have several reasons.
    number, what = len({str(entry[key]) for entry in entries}), _PLACES[key]
    was = "was" if number == 1 else "were"
    if made is not None:
        return f"{number:,} of {made + number:,} {what} {was} left out: {task.reason}"
    return f"{number:,} {what if number > 1 else what[:-1]} {was} left out: {task.reason}"


def _key(entries: list[Any]) -> str | None:
    """The key under which each entry names its feature or row."""
    for key in _PLACES:
        if all(isinstance(entry, Mapping) and key in entry for entry in entries):
            return key
    return None
