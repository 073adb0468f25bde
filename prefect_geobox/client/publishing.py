"""The request that publishes an uploaded file as a layer, raster, model, tileset or table."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from prefect_geobox.client.errors import InvalidArgumentError
from prefect_geobox.client.models import OutputAsset

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


def publish_form(
    file: OutputAsset,
    name: str,
    *,
    publish_as: PublishAs | None = None,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_geom_type: str | None = None,
    input_srid: int = 3857,
    file_encoding: str = "UTF-8",
    replace_domain_codes_by_values: bool = False,
    report_errors: bool = True,
    as_terrain: bool = False,
    user_id: int | None = None,
) -> dict[str, Any]:
    """The form of `POST files/{uuid}/publish/`.

    Args:
        file: The uploaded file, with its description.
        name: The name of what is made.
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

    Raises:
        InvalidArgumentError: The name is empty, `publish_as` is unknown, or the file's format does
            not say what to make of it.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(f"name must be the name of the new layer; got {name!r}")
    if publish_as is not None and publish_as not in get_args(PublishAs):
        raise InvalidArgumentError(
            f"publish_as must be one of {', '.join(get_args(PublishAs))}, or None; got "
            f"{publish_as!r}"
        )
    if isinstance(input_srid, bool) or not isinstance(input_srid, int) or input_srid <= 0:
        raise InvalidArgumentError(f"input_srid must be an EPSG code; got {input_srid!r}")
    first = _first_layer(file)
    return {
        "publish_as": publish_as or _suggested(file, first),
        "layer_name": name,
        "input_layer": input_layer or first.get("layer"),
        "input_geom_type": input_geom_type,
        "replace_domain_codes_by_values": replace_domain_codes_by_values,
        "input_dataset": input_dataset or first.get("dataset"),
        "user_id": user_id,
        "input_srid": input_srid,
        "file_encoding": file_encoding,
        "report_errors": report_errors,
        "as_terrain": as_terrain,
    }


def _first_layer(file: OutputAsset) -> dict[str, Any]:
    listing = file.data.get("layers")
    layers = listing.get("layers") if isinstance(listing, dict) else None
    first = layers[0] if isinstance(layers, list) and layers else None
    return first if isinstance(first, dict) else {}


def _suggested(file: OutputAsset, first_layer: dict[str, Any]) -> PublishAs:
    file_type = file.data.get("file_type")
    # An archive is published by what is in it.
    file_format = first_layer.get("format") if file_type == "Complex" else file_type
    suggestion = _BY_FORMAT.get(str(file_format))
    if suggestion is None:
        raise InvalidArgumentError(
            f"publish_as must be given: what to make of file {file.name or file.uuid!r} does not "
            f"follow from its format ({file_format or 'unknown'}). Pass one of "
            f"{', '.join(get_args(PublishAs))}."
        )
    return suggestion
