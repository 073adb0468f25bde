"""Checks of parameters, read from annotations."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le

from prefect_geobox.client import InvalidArgumentError
from prefect_geobox.client.operations._annotations import check_of, checks_of, plain_annotation
from prefect_geobox.client.operations._inputs import Input, LayerLike, Resource, TableLike
from prefect_geobox.client.operations._validation import BBox, Ids, Names, Srid

U = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


class Format(Enum):
    """An enum of the official SDK."""

    GPKG = "GPKG"
    DXF = "DXF"


Known = Literal["GPKG", "CSV"]


@pytest.mark.parametrize(
    ("hint", "given", "sent"),
    [
        (bool, True, True),
        (str | None, None, None),
        (Annotated[int, Ge(0), Le(9)], 9, 9),
        (Annotated[float, Gt(0)], 0.5, 0.5),
        (Known | Enum, Format.GPKG, "GPKG"),
        (Known | Enum | None, None, None),
        (Annotated[int, Ge(1)] | Literal["all"], "all", "all"),
        (Srid | None, 4326, 4326),
        (BBox, "1,2,3.5,4", [1, 2, 3.5, 4]),
        (Ids | None, "1, 2", [1, 2]),
        (Names, iter(["a", "b"]), ["a", "b"]),
    ],
)
def test_a_valid_value_reaches_the_operation_as_it_is_sent(
    hint: Any, given: Any, sent: Any
) -> None:
    """A check returns the value that is sent: an enum's own value, a list for a text."""
    check = check_of(hint)
    assert check is not None
    assert check("field", given) == sent


@pytest.mark.parametrize(
    ("hint", "given", "message"),
    [
        (bool, 1, "field must be True or False; got 1"),
        (bool | None, "x", "field must be True, False or None; got 'x'"),
        (str, " ", "field must be a text; got ' '"),
        (int | None, True, "field must be a whole number; got True"),
        (Annotated[int, Ge(0), Le(9)], 10, "field must be a whole number from 0 to 9; got 10"),
        (Annotated[float, Gt(0)], 0, "field must be a number above 0; got 0"),
        (Known | Enum, Format.DXF, "field must be one of GPKG, CSV; got <Format.DXF"),
        (Annotated[int, Ge(1)] | Literal["all"], "x", "field must be a whole number, 1 or more"),
        (Format, "GPKG", "field must be a Format; got an object of type str"),
        (LayerLike, "roads", "field must be a uuid such as"),
    ],
)
def test_an_invalid_value_is_named_with_what_it_may_be(hint: Any, given: Any, message: str) -> None:
    """A check raises with the parameter's name, the values that it may have, and the given one."""
    check = check_of(hint)
    assert check is not None
    with pytest.raises(InvalidArgumentError) as error:
        check("field", given)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("hint", [Any, Mapping[str, Any], LayerLike | TableLike | None, str | int])
def test_an_operation_checks_other_annotations_itself(hint: Any) -> None:
    """An annotation that does not say one check asks for none."""
    assert check_of(hint) is None


def described(
    layer: LayerLike, size: Annotated[int, Ge(1)] = 1, *, box: BBox | None = None
) -> None:
    """A description of an operation."""


def test_the_parameters_of_a_function_are_checked_by_name() -> None:
    """Each parameter has its check; an input becomes an `Input` of the kinds of its annotation."""
    checks = checks_of(described)
    assert [*checks] == ["layer", "size", "box"]
    layer = checks["layer"]("layer", U)
    assert layer == Input("layer", (Resource.VECTOR, Resource.VIEW), Resource.VECTOR, U)


def test_a_signature_shows_plain_types() -> None:
    """Annotations are shown without their checks; inputs keep their names."""
    shown = [plain_annotation(described, each) for each in described.__annotations__.values()]
    assert shown == ["LayerLike", "int", "str | Iterable[float] | None", "None"]
