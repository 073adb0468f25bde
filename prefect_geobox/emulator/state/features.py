"""The features of a layer as GeoJSON: selected and reprojected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.reprojection import Transform, from_web_mercator
from prefect_geobox.emulator.http.errors import invalid_parameter
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.parameters import boolean, integer
from prefect_geobox.emulator.state.layers import (
    BASE_SRID,
    column_names,
    record,
    rows_by_id_and_box,
    selected_fields,
)

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from prefect_geobox.emulator.state.store import Asset

_DEFAULT_LIMIT = 100


def feature_collection(layer: Asset, params: QueryParams) -> dict[str, Any] | int:
    """The answer to `GET vectorLayers/{uuid}/features/`, or the number of matching features.

    Raises:
        ApiError: A parameter is invalid.
    """
    query = ListQuery.read(params, column_names(layer), _DEFAULT_LIMIT)
    found = query.select(rows_by_id_and_box(layer, params), record)
    if isinstance(found, int):
        return found
    srid = integer(params.get("out_srid"), "query", "out_srid", BASE_SRID)
    columns = {
        field.name for field in selected_fields(layer, params, "select_fields", "skip_fields")
    }
    try:
        transform = from_web_mercator(srid)
        shown = [reproject_feature(row, transform) for row in found]
    except JobError as error:
        raise invalid_parameter("query", "out_srid", str(error)) from None
    for feature in shown:
        feature["properties"] = {k: v for k, v in feature["properties"].items() if k in columns}
        if boolean(params.get("skip_geometry")):
            feature["geometry"] = None
    return collection(shown, srid)


def reproject_feature(feature: dict[str, Any], transform: Transform) -> dict[str, Any]:
    """A copy of a feature in another reference system."""
    return {**feature, "geometry": geometry.reproject(feature["geometry"], transform)}


def collection(features: list[dict[str, Any]], srid: int) -> dict[str, Any]:
    """A GeoJSON object of features that names the reference system."""
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": f"EPSG:{srid}"}},
        "features": features,
    }
