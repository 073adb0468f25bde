"""Maps, tilesets and mosaics: what is composed of other assets and made without a remote task."""

from __future__ import annotations

import itertools
import threading
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.http.errors import ApiError
from prefect_geobox.emulator.state.store import described, now

if TYPE_CHECKING:
    from collections.abc import Iterator

_ids = itertools.count(5001)


class CompositionKind(str, Enum):
    """The kinds, as their endpoints name them."""

    MAP = "maps"
    MOSAIC = "mosaics"
    TILESET = "tilesets"


@dataclass
class Composition:
    """A map, a tileset or a mosaic.

    Attributes:
        kind: The kind.
        name: The name, which no other of its kind has.
        details: What the API tells of it besides the identifiers.
        members: The uuids of the layers of a tileset or the rasters of a mosaic.
        style: The style of a map, which is told at an endpoint of its own.
    """

    kind: CompositionKind
    name: str
    details: dict[str, Any]
    members: list[str] = field(default_factory=list)
    style: dict[str, Any] = field(default_factory=dict)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    id: int = field(default_factory=lambda: next(_ids))
    created_at: str = field(default_factory=now)

    def view(self) -> dict[str, Any]:
        """It as the API describes it."""
        return described(self)


class Compositions:
    """All maps, tilesets and mosaics. Safe to use from several threads."""

    def __init__(self) -> None:
        self._all: dict[str, Composition] = {}
        self._lock = threading.Lock()

    def add(self, made: Composition) -> None:
        """Adds one.

        Raises:
            ApiError: Another of the kind has its name. That this is a 422, and that names are
                unique here as they are for layers, are guesses.
        """
        with self._lock:
            if any(o.kind is made.kind and o.name == made.name for o in self._all.values()):
                message = f"one of the {made.kind.value} is named {made.name!r} already"
                raise ApiError(422, {"msg": message, "type": "geobox.DuplicateNameError"})
            self._all[made.uuid] = made

    def find(self, kind: CompositionKind, key: str) -> Composition | None:
        """The one of this kind and uuid, or None."""
        found = self._all.get(key)
        return found if found is not None and found.kind is kind else None

    def remove(self, made: Composition) -> None:
        """Deletes one; nothing happens where it is gone already."""
        with self._lock:
            self._all.pop(made.uuid, None)

    def all(self, kind: CompositionKind) -> Iterator[Composition]:
        """All of a kind, the newest first."""
        with self._lock:
            made = list(self._all.values())
        return (one for one in reversed(made) if one.kind is kind)
