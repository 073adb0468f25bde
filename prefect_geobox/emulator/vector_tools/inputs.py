"""The inputs of a vector tool: features with shapely geometries, and values of parameters."""

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


class Feature(NamedTuple):
    """A feature: its shapely geometry in EPSG:3857, None for a row of a table, and its columns."""

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

    def features(self, name: str = "layer") -> list[Feature]:
        """The features of a layer, or the rows of a table."""
        rows = rows_of(self.assets[name])
        if "layer_type" not in self.assets[name].details:
            return [Feature(None, {k: v for k, v in row.items() if k != "id"}) for row in rows]
        shape = self.shapely.geometry.shape
        return [Feature(shape(row["geometry"]), row["properties"]) for row in rows]

    def shapes(self, name: str = "layer") -> list[Any]:
        """The geometries of a layer."""
        return [feature.shape for feature in self.features(name)]

    def identified(self, name: str = "layer") -> dict[str, Feature]:
        """The features of a layer by their `id` as text."""
        ids = (str(row["id"]) for row in rows_of(self.assets[name]))
        return dict(zip(ids, self.features(name), strict=True))

    def text(self, name: str) -> str:
        """The value of a parameter as text."""
        return str(self.values[name])

    def number(self, name: str) -> float:
        """The value of a parameter as a number.

        Raises:
            JobError: It is not one.
        """
        try:
            number = float(self.values[name])
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.parameter_error(name, f"{self.values[name]!r} is not a number")
        return number

    def positive(self, name: str) -> float:
        """The value of a parameter as a number above zero.

        Raises:
            JobError: It is not one.
        """
        number = self.number(name)
        if number <= 0:
            raise self.parameter_error(name, f"{number:g} is not above zero")
        return number

    def column(self, name: str, layer: str = "layer") -> str:
        """The value of a parameter as the name of a column.

        Raises:
            JobError: The layer has no such column.
        """
        column = self.text(name)
        if column not in {"id", *(field.name for field in fields_of(self.assets[layer]))}:
            raise self.parameter_error(name, f"{self.assets[layer].name} has no field {column!r}")
        return column

    def values_of(self, column: str, layer: str = "layer") -> list[Any]:
        """The values of a column, one for each feature."""
        return [record(row).get(column) for row in rows_of(self.assets[layer])]

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The value of a parameter as one of some words, compared regardless of case.

        Raises:
            JobError: It is not one of them.
        """
        for choice in choices:
            if self.text(name).lower() == choice.lower():
                return choice
        raise self.parameter_error(name, f"{self.text(name)!r} is none of {', '.join(choices)}")

    def parameter_error(self, name: str, reason: str) -> JobError:
        """The failure of a run with an invalid parameter."""
        return JobError(f"{self.tool}: {name}: {reason}", "geobox.InvalidParameterError")
