"""What a vector tool works on: features with shapely's shapes, and the values of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.state.layers import fields_of, record, rows_of

if TYPE_CHECKING:
    from prefect_geobox.emulator.state.store import Asset


class Piece(NamedTuple):
    """A feature: its shape in EPSG:3857, None for a row without, and its properties."""

    shape: Any
    properties: dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """The parameters of one run of a tool.

    Attributes:
        tool: The name of the tool.
        assets: The layers, views and tables by the name of their parameter.
        values: The other parameters by name.
    """

    tool: str
    assets: dict[str, Asset]
    values: dict[str, Any]

    @cached_property
    def shapely(self) -> Any:
        """The library.

        Raises:
            JobError: It is not installed.
        """
        return library("shapely", self.tool)

    def pieces(self, name: str = "layer") -> list[Piece]:
        """The features of a layer, or the rows of a table."""
        rows = rows_of(self.assets[name])
        if "layer_type" not in self.assets[name].details:
            return [Piece(None, {k: v for k, v in row.items() if k != "id"}) for row in rows]
        shape = self.shapely.geometry.shape
        return [Piece(shape(row["geometry"]), row["properties"]) for row in rows]

    def shapes(self, name: str = "layer") -> list[Any]:
        """The shapes of a layer."""
        return [piece.shape for piece in self.pieces(name)]

    def identified(self, name: str = "layer") -> dict[str, Piece]:
        """The features of a layer by their `id` as text."""
        ids = (str(row["id"]) for row in rows_of(self.assets[name]))
        return dict(zip(ids, self.pieces(name), strict=True))

    def text(self, name: str) -> str:
        """The value of a parameter as text."""
        return str(self.values[name])

    def number(self, name: str) -> float:
        """The value of a parameter as a number.

        Raises:
            JobError: It is none.
        """
        try:
            number = float(self.values[name])
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(name, f"{self.values[name]!r} is no number")
        return number

    def positive(self, name: str) -> float:
        """The value of a parameter as a number above zero.

        Raises:
            JobError: It is none.
        """
        number = self.number(name)
        if number <= 0:
            raise self.wrong(name, f"{number:g} is not above zero")
        return number

    def column(self, name: str, layer: str = "layer") -> str:
        """The value of a parameter as the name of a column.

        Raises:
            JobError: The layer has no such column.
        """
        column = self.text(name)
        if column not in {"id", *(field.name for field in fields_of(self.assets[layer]))}:
            raise self.wrong(name, f"{self.assets[layer].name} has no field {column!r}")
        return column

    def values_of(self, column: str, layer: str = "layer") -> list[Any]:
        """The values of a column, feature by feature."""
        return [record(row).get(column) for row in rows_of(self.assets[layer])]

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The value of a parameter as one of a few words, in the case that they have here.

        Raises:
            JobError: It is none of them.
        """
        for choice in choices:
            if self.text(name).lower() == choice.lower():
                return choice
        raise self.wrong(name, f"{self.text(name)!r} is none of {', '.join(choices)}")

    def wrong(self, name: str, reason: str) -> JobError:
        """The failure of a run whose parameter makes no sense."""
        return JobError(f"{self.tool}: {name}: {reason}", "geobox.InvalidParameterError")
