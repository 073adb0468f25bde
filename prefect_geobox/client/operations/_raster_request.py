"""The parts that all raster analyses share: the types of cells, and the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prefect_geobox.client.operations._inputs import Input
from prefect_geobox.client.operations._request import Finish, Request, literally

DataType = Literal["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


Resampling = Literal[
    "near",
    "bilinear",
    "cubic",
    "cubicspline",
    "lanczos",
    "average",
    "mode",
    "max",
    "min",
    "med",
    "q1",
    "q3",
    "rms",
    "sum",
]


def raster_request(
    tool: str,
    what: str,
    given: Mapping[str, Input],
    name: str,
    form: dict[str, Any],
    *,
    finish: Finish | None = None,
    publish_as: str | None = None,
) -> Request:
    """The request of a raster analysis.

    Args:
        tool: The name in the endpoint.
        what: The purpose, in the imperative, without the name of the output.
        given: Its inputs.
        name: The name of the output.
        form: The form.
        finish: Makes the form after all inputs were read, where that is needed.
        publish_as: The name under which the file that it makes is published.
    """
    return Request(
        f"{what} as {literally(name)}",
        f"analysis/{tool}/",
        given,
        form=form,
        name=name,
        finish=finish,
        publish_as=publish_as,
    )
