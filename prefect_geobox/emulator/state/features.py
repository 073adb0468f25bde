"""The features of a layer as GeoJSON: picked and moved into a reference system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.optional_libraries import JobFailed
from prefect_geobox.emulator.geodata.reprojection import Transform, from_web_mercator
from prefect_geobox.emulator.http.errors import boolean, integer, invalid_parameter
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.state.layers import BASE_SRID, column_names, narrowed, record, selected

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from prefect_geobox.emulator.state.store import Asset

_DEFAULT_LIMIT = 100


def feature_collection(layer: Asset, params: QueryParams) -> dict[str, Any] | int:
    """The answer to `GET vectorLayers/{uuid}/features/`, or the number of features that pass.

    Raises:
        ApiError: A parameter makes no sense.
    """
    query = ListQuery.read(params, column_names(layer), _DEFAULT_LIMIT)
    found = query.select(narrowed(layer, params), record)
    if isinstance(found, int):
        return found
    srid = integer(params.get("out_srid"), "query", "out_srid", BASE_SRID)
    columns = {field.name for field in selected(layer, params, "select_fields", "skip_fields")}
    try:
        move = from_web_mercator(srid)
        shown = [moved(row, move) for row in found]
    except JobFailed as error:
        raise invalid_parameter("query", "out_srid", str(error)) from None
    for feature in shown:
        feature["properties"] = {k: v for k, v in feature["properties"].items() if k in columns}
        if boolean(params.get("skip_geometry")):
            feature["geometry"] = None
    return collection(shown, srid)


def moved(feature: dict[str, Any], move: Transform) -> dict[str, Any]:
    """A copy of a feature in another reference system."""
    return {**feature, "geometry": geometry.moved(feature["geometry"], move)}


def collection(features: list[dict[str, Any]], srid: int) -> dict[str, Any]:
    """Features as one GeoJSON object, which names the reference system."""
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": f"EPSG:{srid}"}},
        "features": features,
    }
