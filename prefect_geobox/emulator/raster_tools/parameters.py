"""The parameters of the raster analyses: read from a request, each with its type and range."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.http.errors import invalid_parameter, missing_parameter, not_found
from prefect_geobox.emulator.http.request_body import Body
from prefect_geobox.emulator.state.layers import split
from prefect_geobox.emulator.state.store import Asset, OtherKind, Store

# Low, high and new value; in a rule for a single value low and high are equal.
Rules = list[tuple[float, float, float]]


@dataclass(frozen=True)
class AssetLookup:
    """Finds the assets that parameters name.

    Attributes:
        store: The assets.
        is_view: Whether the layer is a view.
    """

    store: Store
    is_view: bool


Read = Callable[[str, AssetLookup], Any]
# Marks a parameter without a default.
REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """A parameter of an analysis.

    Attributes:
        name: Its name in a request.
        read: Parses its text; raises `ValueError` with the reason.
        default: Its value if the request has none; without a default it is required.
    """

    name: str
    read: Read
    default: Any = REQUIRED

    def value(self, body: Body, assets: AssetLookup) -> Any:
        """Its value in a request.

        Raises:
            ApiError: It is missing or invalid (422), or names an asset that does not exist (404).
                That the request fails then, and not the task, is a guess.
        """
        text = body.text(self.name)
        if text is None:
            if self.default is REQUIRED:
                raise missing_parameter("body", self.name)
            return self.default
        try:
            return self.read(text, assets)
        except ValueError as error:
            raise invalid_parameter("body", self.name, str(error)) from None


def text(value: str, _: AssetLookup) -> str:
    """Any text."""
    return value


def raster(key: str, assets: AssetLookup) -> Asset:
    """The raster of a uuid."""
    found = assets.store.find(AssetKind.RASTER, key)
    if found is None:
        raise not_found("raster", key)
    return found


def layer(key: str, assets: AssetLookup) -> Asset:
    """The layer of a uuid or, if the request has `is_view`, the view.

    A guess: a view is not found as a layer, nor a layer as a view.
    """
    kind = OtherKind.VIEW if assets.is_view else AssetKind.VECTOR
    found = assets.store.find(kind, key)
    if found is None:
        raise not_found("view" if assets.is_view else "vector layer", key)
    return found


def number(least: float | None = None, *, above: float | None = None, whole: bool = False) -> Read:
    """A number with a lower limit.

    Args:
        least: The smallest value that is allowed.
        above: The value that it must exceed.
        whole: Whether it must be an integer.
    """
    kind = "integer" if whole else "number"

    def read(value: str, _: AssetLookup) -> float:
        try:
            found = int(value) if whole else float(value)
        except ValueError:
            raise ValueError(f"value is not a valid {kind}") from None
        if not math.isfinite(found):
            raise ValueError(f"value is not a valid {kind}")
        if least is not None and found < least:
            raise ValueError(f"value is less than {least:g}")
        if above is not None and found <= above:
            raise ValueError(f"value is not more than {above:g}")
        return found

    return read


def flag(value: str, _: AssetLookup) -> bool:
    """A truth value."""
    if value.lower() not in {"true", "false", "1", "0"}:
        raise ValueError("value is neither true nor false")
    return value.lower() in {"true", "1"}


def choice(*names: str) -> Read:
    """One of some names."""

    def read(value: str, _: AssetLookup) -> str:
        if value not in names:
            raise ValueError(f"{value!r} is none of {', '.join(names)}")
        return value

    return read


def band(value: str, assets: AssetLookup) -> int | None:
    """The number of a band, or None for all of them."""
    if value == "all":
        return None
    return int(number(1, whole=True)(value, assets))


def connectivity(value: str, _: AssetLookup) -> int:
    """4 or 8."""
    if value not in {"4", "8"}:
        raise ValueError(f"{value!r} is none of 4, 8")
    return int(value)


def pair(*, positive: bool) -> Read:
    """Two numbers."""

    def read(value: str, assets: AssetLookup) -> tuple[float, float]:
        parts = split([value])
        if len(parts) != 2:
            raise ValueError("value is not two numbers with a comma between")
        check = number(above=0 if positive else None)
        return check(parts[0], assets), check(parts[1], assets)

    return read


def extent(value: str, assets: AssetLookup) -> tuple[float, float, float, float]:
    """West, south, east and north."""
    try:
        west, south, east, north = (number()(part, assets) for part in split([value]))
    except ValueError:
        raise ValueError("value is not minX,minY,maxX,maxY") from None
    if west >= east or south >= north:
        raise ValueError("the minimum is not less than the maximum")
    return west, south, east, north


def numbers(value: str, _: AssetLookup) -> list[float]:
    """A JSON array of numbers."""
    found = _json(value)
    if not isinstance(found, list) or not all(_is_number(item) for item in found):
        raise ValueError("value is not a JSON array of numbers")
    return found


def rules(value: str, _: AssetLookup) -> tuple[str, Rules]:
    """The mode of rules, and the rules: `{"1": 10}`, or `[[0, 10, 1]]`."""
    found = _json(value)
    if isinstance(found, dict) and found and all(map(_is_number, found.values())):
        try:
            return "exact", [(float(old), float(old), new) for old, new in found.items()]
        except ValueError:
            raise ValueError("a rule is for a value that is not a number") from None
    if isinstance(found, list) and found and all(_is_range(item) for item in found):
        return "range", [(low, high, new) for low, high, new in found]
    message = "value is neither a JSON object of numbers by number nor a JSON array of"
    raise ValueError(f"{message} [low, high, new value]")


def variables(value: str, assets: AssetLookup) -> dict[str, tuple[Asset, int]]:
    """Rasters and their bands by name: `{"A": "uuid", "B": ["uuid", 2]}`."""
    found = _json(value)
    if not isinstance(found, dict) or not found:
        raise ValueError("value is not a JSON object of rasters by name")
    read: dict[str, tuple[Asset, int]] = {}
    for name, spec in found.items():
        key, index = spec if isinstance(spec, list) and len(spec) == 2 else (spec, 1)
        if not (name.isidentifier() and isinstance(key, str) and type(index) is int and index > 0):
            raise ValueError(f"{name!r} is not a name with a raster's uuid, or that and a band")
        read[name] = (raster(key, assets), index)
    return read


def _json(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("value is not valid JSON") from None


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
