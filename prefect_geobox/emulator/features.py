"""The features of a layer as GeoJSON: picked, moved into a reference system, exported."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

from prefect_geobox.emulator import geometry
from prefect_geobox.emulator.answers import boolean, integer, invalid_parameter
from prefect_geobox.emulator.extras import JobFailed
from prefect_geobox.emulator.listing import ListQuery
from prefect_geobox.emulator.publishing import succeeded
from prefect_geobox.emulator.reprojection import (
    Transform,
    from_web_mercator,
    to_web_mercator,
)
from prefect_geobox.emulator.uploads import make_file

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from prefect_geobox.emulator.remote_tasks import Outcome
    from prefect_geobox.emulator.store import Asset

_BASE_SRID = 3857
_DEFAULT_LIMIT = 100


def feature_collection(layer: Asset, params: QueryParams) -> dict[str, Any] | int:
    """The answer to `GET vectorLayers/{uuid}/features/`, or the number of features that pass.

    Raises:
        ApiError: A parameter makes no sense.
    """
    fields = {"id", *(field.name for field in layer.fields)}
    query = ListQuery.read(params, fields, _DEFAULT_LIMIT)
    found = query.select(_within(layer, params), _record)
    if isinstance(found, int):
        return found
    srid = integer(params.get("out_srid"), "query", "out_srid", _BASE_SRID)
    columns = _columns(layer, params)
    try:
        shown = [_moved(row, from_web_mercator(srid)) for row in found] if found else []
    except JobFailed as error:
        raise invalid_parameter("query", "out_srid", str(error)) from None
    for feature in shown:
        feature["properties"] = {k: v for k, v in feature["properties"].items() if k in columns}
        if boolean(params.get("skip_geometry")):
            feature["geometry"] = None
    return _collection(shown, srid)


def export(layer: Asset, filename: str, out_format: str, srid: int, *, zipped: bool) -> Outcome:
    """Does the work of a task that exports a layer into a file.

    Raises:
        JobFailed: The format or the reference system cannot be made.
    """
    if out_format != "GeoJSON":
        reason = f"the emulator exports only GeoJSON, not {out_format}"
        raise JobFailed(reason, "geobox.InvalidFormatError")
    move = from_web_mercator(srid)
    document = _collection([_moved(row, move) for row in layer.rows], srid)
    content = json.dumps(document).encode()
    name = filename if filename.endswith(".geojson") else f"{filename}.geojson"
    if zipped:
        buffer = io.BytesIO()
        with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        name, content = f"{name.removesuffix('.geojson')}.zip", buffer.getvalue()
    file = make_file(name, content, scan_archive=True)
    return succeeded(file)


def _within(layer: Asset, params: QueryParams) -> list[dict[str, Any]]:
    # The API takes comma separated values and repeated ones alike.
    ids = set(_values(params, "feature_ids"))
    rows = [row for row in layer.rows if not ids or str(row["id"]) in ids]
    box = _values(params, "bbox")
    if not box:
        return rows
    srid = integer(params.get("bbox_srid"), "query", "bbox_srid", _BASE_SRID)
    try:
        west, south, east, north = (float(value) for value in box)
        move = to_web_mercator(f"EPSG:{srid}")
        (west, south), (east, north) = move(west, south), move(east, north)
    except (ValueError, JobFailed):
        raise invalid_parameter("query", "bbox", "is no west,south,east,north") from None
    return [row for row in rows if _overlaps(row["geometry"], (west, south, east, north))]


def _overlaps(shape: dict[str, Any], box: tuple[float, float, float, float]) -> bool:
    own = geometry.extent([shape])
    if own is None:
        return False
    return own[0] <= box[2] and own[2] >= box[0] and own[1] <= box[3] and own[3] >= box[1]


def _values(params: QueryParams, name: str) -> list[str]:
    parts = [p for text in params.getlist(name) for p in text.strip("[]").split(",")]
    return [part.strip() for part in parts if part.strip()]


def _columns(layer: Asset, params: QueryParams) -> set[str]:
    names = {field.name for field in layer.fields}
    selected = params.get("select_fields") or "[ALL]"
    if selected != "[ALL]":
        names &= set(_values(params, "select_fields"))
    return names - set(_values(params, "skip_fields"))


def _record(feature: dict[str, Any]) -> dict[str, Any]:
    return {"id": feature["id"], **feature["properties"]}


def _moved(feature: dict[str, Any], move: Transform) -> dict[str, Any]:
    return {**feature, "geometry": geometry.moved(feature["geometry"], move)}


def _collection(features: list[dict[str, Any]], srid: int) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": f"EPSG:{srid}"}},
        "features": features,
    }
