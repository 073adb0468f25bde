"""Layers and views written to files and to new layers."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath
from typing import Final, Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import LayerLike, inputs
from prefect_geobox.client.operations._operation import LayerOptions, creates_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.operations._validation import (
    BBox,
    Ids,
    Names,
    Srid,
    check_box,
    joined,
)
from prefect_geobox.client.polling.policy import WaitOptions

FeatureFormat = Literal["Shapefile", "GPKG", "GeoJSON", "CSV", "KML", "DXF"]


_FORMAT_OF_ENDING: Final[dict[str, FeatureFormat]] = {
    ".shp": "Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".csv": "CSV",
    ".kml": "KML",
    ".dxf": "DXF",
}


@creates_asset(
    AssetKind.FILE,
    endpoint="POST vectorLayers/{uuid}/export/",
    sdk="VectorLayer.export_features",
)
def export_features(
    layer: LayerLike,
    filename: str,
    *,
    out_format: FeatureFormat | Enum | None = None,
    out_srid: Srid | None = None,
    zipped: bool = True,
    fields: Names | None = None,
    q: str | None = None,
    bbox: BBox | None = None,
    bbox_srid: Srid | None = None,
    feature_ids: Ids | None = None,
    replace_domain_codes_by_values: bool = False,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Exports features of a layer or view to a file.

    Args:
        layer: The layer or view.
        filename: The name of the file, such as `roads.gpkg`.
        out_format: "Shapefile", "GPKG", "GeoJSON", "CSV", "KML" or "DXF"; by default what the
            file's ending says.
        out_srid: The EPSG code of the coordinates; by default the server's choice.
        zipped: Whether the file is packed into a zip.
        fields: The fields to write; by default all.
        q: A filter in OGC CQL, such as `name = 'x'`.
        bbox: Only features in this box: west, south, east, north.
        bbox_srid: The EPSG code of the box; only with `bbox`.
        feature_ids: Only features with these numbers.
        replace_domain_codes_by_values: Whether coded values are written out.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        file = export_features(credentials, layer, "roads.gpkg", zipped=False)
        download_file(credentials, file, "out/")
        ```
    """
    check_box(bbox, bbox_srid)
    return Request(
        f"Export {{layer}} as {literally(filename)}",
        "{layer}export/",
        inputs(layer, is_view=is_view),
        form={
            "replace_domain_codes_by_values": replace_domain_codes_by_values,
            "out_format": out_format or _format_of(filename),
            "run_async": True,
            "bbox": bbox,
            "out_srid": out_srid,
            "zipped": zipped,
            "feature_ids": feature_ids,
            "bbox_srid": bbox_srid,
            "q": q,
            "out_filename": filename,
            "fields": fields,
        },
        name=filename,
    )


def _format_of(filename: str) -> FeatureFormat:
    found = _FORMAT_OF_ENDING.get(PurePath(filename).suffix.lower())
    if found is None:
        raise InvalidArgumentError(
            f"out_format must be given: the ending of {filename!r} does not say it. Use one of "
            f"{', '.join(_FORMAT_OF_ENDING)}, or pass one of "
            f"{', '.join(dict.fromkeys(_FORMAT_OF_ENDING.values()))}."
        )
    return found


@creates_asset(
    AssetKind.VECTOR,
    endpoint="POST vectorLayers/{uuid}/saveAsVectorLayer",
    sdk="VectorLayer.save_as_vector_layer",
)
def save_as_layer(
    layer: LayerLike,
    name: str,
    *,
    q: str | None = None,
    bbox: BBox | None = None,
    bbox_srid: Srid | None = None,
    fields: Names | None = None,
    schema_only: bool = False,
    is_view: bool | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Copies features of a layer or view into a new layer.

    Args:
        layer: The layer or view.
        name: The name of the new layer.
        q: A filter in OGC CQL.
        bbox: Only features in this box: west, south, east, north.
        bbox_srid: The EPSG code of the box; only with `bbox`.
        fields: The fields to copy; by default all.
        schema_only: Whether to copy the fields and no features.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        large = save_as_layer(credentials, layer, "large_parcels", q="area > 10000")
        ```
    """
    check_box(bbox, bbox_srid)
    return Request(
        f"Save {{layer}} as {literally(name)}",
        "{layer}saveAsVectorLayer",
        inputs(layer, is_view=is_view),
        form={
            "out_layer_name": name,
            "q": q,
            "bbox": joined(bbox),
            "bbox_srid": bbox_srid,
            "fields": joined(fields),
            "schema_only": schema_only,
            "run_async": True,
        },
        name=name,
    )
