"""What the server has named a moment ago, for which its 404 is not believed yet."""

from __future__ import annotations

from typing import Final

from prefect_geobox.client.http.clock import Clock

#: Seconds that a server may take until it finds what it has named.
VISIBLE_WITHIN: Final = 10.0

#: A shorter identifier, such as a row number, may occur in a body by chance.
_SHORTEST_IN_BODY: Final = 16


class RecentNames:
    """The identifiers that answers of one server have named as new.

    A server that answers from several databases or caches can answer 404 in the first seconds after
    it has made something.

    Args:
        clock: Measures their age.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def note(self, *identifiers: str) -> None:
        """Records what was made just now."""
        now = self._clock.monotonic()
        for name, until in list(self._until.items()):
            if until > now:
                break
            del self._until[name]
        for name in identifiers:
            self._until.setdefault(name, now + VISIBLE_WITHIN)

    def forget(self, path: str) -> None:
        """Records that what a path names is gone."""
        for segment in path.split("/"):
            self._until.pop(segment, None)

    def are_in(self, path: str, content: bytes = b"") -> bool:
        """Whether a request is about something that was made a moment ago.

        Args:
            path: Below the base URL.
            content: The body, which may name inputs.
        """
        now, segments = self._clock.monotonic(), path.split("/")
        return any(
            name in segments or (len(name) >= _SHORTEST_IN_BODY and name.encode() in content)
            for name, until in self._until.items()
            if until > now
        )
