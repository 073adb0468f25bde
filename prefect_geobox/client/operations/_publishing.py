"""The request that publishes an uploaded file as a layer, raster, model, tileset or table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, get_args

from typing_extensions import TypedDict

from prefect_geobox.client.model.errors import InvalidArgumentError

PublishAs = Literal["vector", "raster", "model3d", "tiles3d", "table"]

_BY_FORMAT: Final[dict[str, PublishAs]] = {
    **dict.fromkeys(
        ("GeoJSON", "GPKG", "DXF", "GPX", "Shapefile", "KML", "CSV", "FileGDB"), "vector"
    ),
    "GeoTIFF": "raster",
    "GLB": "model3d",
    "ThreedTiles": "tiles3d",
    "XLSX": "table",
}


#: What the remote tasks that publish are called, as far as that is known.
PUBLISH_TASK_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "vector": ("import:publish-file-to-vector-layer",),
    "raster": ("import:publish-file-to-raster-dataset",),
    "model3d": ("import:publish-file-to-3d-model",),
}


class UploadedFile(Protocol):
    """An uploaded file with what the API tells of it."""

    @property
    def uuid(self) -> str:
        """Its uuid."""

    @property
    def name(self) -> str:
        """Its name; may be empty."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The raw object of the API."""


class PublishOptions(TypedDict, total=False):
    """How a file is published. What is left out has the endpoint's usual value.

    Attributes:
        publish_as: What to make; by default what the file's format suggests.
        input_layer: The layer within the file; by default its first.
        input_dataset: The dataset within the file; by default that of its first layer.
        input_geom_type: The geometry type to read, such as `POINT`.
        input_srid: The EPSG code of the coordinates.
        file_encoding: The encoding of the attributes.
        replace_domain_codes_by_values: Whether coded values are written out.
        report_errors: Whether features that could not be read are reported.
        as_terrain: Whether a raster is a terrain.
        user_id: On behalf of this user; needs privileges.
    """

    publish_as: PublishAs | None
    input_layer: str | None
    input_dataset: str | None
    input_geom_type: str | None
    input_srid: int
    file_encoding: str
    replace_domain_codes_by_values: bool
    report_errors: bool
    as_terrain: bool
    user_id: int | None


def check_publishing(name: str, options: PublishOptions) -> None:
    """Refuses what makes no sense, before anything is sent.

    Raises:
        InvalidArgumentError: The name is empty, or an option makes no sense; the message names it.
    """
    publish_as, input_srid = options.get("publish_as"), options.get("input_srid", 3857)
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(f"name must be the name of the new layer; got {name!r}")
    if publish_as is not None and publish_as not in get_args(PublishAs):
        raise InvalidArgumentError(
            f"publish_as must be one of {', '.join(get_args(PublishAs))}, or None; got "
            f"{publish_as!r}"
        )
    if isinstance(input_srid, bool) or not isinstance(input_srid, int) or input_srid <= 0:
        raise InvalidArgumentError(f"input_srid must be an EPSG code; got {input_srid!r}")


def publish_form(
    file: UploadedFile, name: str, options: PublishOptions | None = None
) -> dict[str, Any]:
    """The form of `POST files/{uuid}/publish/`.

    Args:
        file: The uploaded file, with its description.
        name: The name of what is made.
        options: How to publish it.

    Raises:
        InvalidArgumentError: The name or an option makes no sense, or the file's format does not
            say what to make of it.
    """
    given = options or {}
    check_publishing(name, given)
    first = _first_layer(file)
    return {
        "publish_as": given.get("publish_as") or suggested_publish_as(file),
        "layer_name": name,
        "input_layer": given.get("input_layer") or first.get("layer"),
        "input_geom_type": given.get("input_geom_type"),
        "replace_domain_codes_by_values": given.get("replace_domain_codes_by_values", False),
        "input_dataset": given.get("input_dataset") or first.get("dataset"),
        "user_id": given.get("user_id"),
        "input_srid": given.get("input_srid", 3857),
        "file_encoding": given.get("file_encoding", "UTF-8"),
        "report_errors": given.get("report_errors", True),
        "as_terrain": given.get("as_terrain", False),
    }


def suggested_publish_as(file: UploadedFile) -> PublishAs:
    """What the format of an uploaded file suggests to make of it.

    Args:
        file: The uploaded file, with its description.

    Raises:
        InvalidArgumentError: The format does not say.
    """
    file_type = file.data.get("file_type")
    # An archive is published by what is in it.
    file_format = _first_layer(file).get("format") if file_type == "Complex" else file_type
    suggestion = _BY_FORMAT.get(str(file_format))
    if suggestion is None:
        raise InvalidArgumentError(
            f"publish_as must be given: what to make of file {file.name or file.uuid!r} does not "
            f"follow from its format ({file_format or 'unknown'}). Pass one of "
            f"{', '.join(get_args(PublishAs))}."
        )
    return suggestion


def _first_layer(file: UploadedFile) -> dict[str, Any]:
    listing = file.data.get("layers")
    layers = listing.get("layers") if isinstance(listing, dict) else None
    first = layers[0] if isinstance(layers, list) and layers else None
    return first if isinstance(first, dict) else {}
