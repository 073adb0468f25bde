"""Maps, tilesets and mosaics: composed of other assets, and made without a remote task."""

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
        name: The name, unique among those of its kind.
        details: Its further fields in the API.
        members: The uuids of the layers of a tileset or the rasters of a mosaic.
        style: The style of a map, which has an endpoint of its own.
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
        """The composition as the API describes it."""
        return described(self)


class Compositions:
    """All maps, tilesets and mosaics. Thread-safe."""

    def __init__(self) -> None:
        self._all: dict[str, Composition] = {}
        self._lock = threading.Lock()

    def add(self, composition: Composition) -> None:
        """Adds a composition.

        Raises:
            ApiError: Another of its kind has the same name. That this is a 422, and that names are
                unique here as they are for layers, are guesses.
        """
        with self._lock:
            if any(
                other.kind is composition.kind and other.name == composition.name
                for other in self._all.values()
            ):
                message = (
                    f"one of the {composition.kind.value} is named {composition.name!r} already"
                )
                raise ApiError(422, {"msg": message, "type": "geobox.DuplicateNameError"})
            self._all[composition.uuid] = composition

    def find(self, kind: CompositionKind, key: str) -> Composition | None:
        """The composition with this kind and uuid, or None."""
        found = self._all.get(key)
        return found if found is not None and found.kind is kind else None

    def remove(self, composition: Composition) -> None:
        """Deletes a composition; nothing happens if it is deleted already."""
        with self._lock:
            self._all.pop(composition.uuid, None)

    def all(self, kind: CompositionKind) -> Iterator[Composition]:
        """All compositions of a kind, the newest first."""
        with self._lock:
            compositions = list(self._all.values())
        return (found for found in reversed(compositions) if found.kind is kind)
