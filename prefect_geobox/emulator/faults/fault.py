"""A fault: what goes wrong with one request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prefect_geobox.emulator.http.connection import Connection


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one request. Made by the functions of `kinds`.

    Attributes:
        name: Its name in the counts of a plan.
        act: Acts on the connection of the request.
        carries_out: Whether the request is carried out first.
    """

    name: str
    act: Callable[[Connection], Awaitable[None]] = field(repr=False)
    carries_out: bool = False

    def after(self) -> Fault:
        """The same fault, once the request has been carried out: only its answer is lost.

        Example:
            >>> from prefect_geobox.emulator.faults import status
            >>> status(502).after().name
            'status 502 after'
        """
        return replace(self, name=f"{self.name} after", carries_out=True)
