"""Publishing a file: as a layer, a table, a raster, a model or 3D tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.optional_libraries import JobFailed
from prefect_geobox.emulator.geodata.reprojection import OutsideError, epsg, to_web_mercator
from prefect_geobox.emulator.geodata.table_files import read_rows
from prefect_geobox.emulator.geodata.vector_files import (
    Row,
    VectorSource,
    datatypes,
    read_vector,
)
from prefect_geobox.emulator.state.remote_tasks import Outcome
from prefect_geobox.emulator.state.store import Asset, Field, Kind

# The names of the first three are known; the others are guesses after them.
TASK_NAMES = {
    AssetKind.VECTOR: "import:publish-file-to-vector-layer",
    AssetKind.RASTER: "import:publish-file-to-raster-dataset",
    AssetKind.MODEL: "import:publish-file-to-3d-model",
    AssetKind.TILES3D: "import:publish-file-to-3d-tiles",
    AssetKind.TABLE: "import:publish-file-to-table",
}
# The values of `publish_as`.
PUBLISH_AS = {
    "vector": AssetKind.VECTOR,
    "raster": AssetKind.RASTER,
    "model3d": AssetKind.MODEL,
    "tiles3d": AssetKind.TILES3D,
    "table": AssetKind.TABLE,
}
# The key of a task's result that names its asset.
RESULT_KEYS: dict[Kind, str] = {
    AssetKind.VECTOR: "layer_uuid",
    AssetKind.RASTER: "raster_uuid",
    AssetKind.MODEL: "model_uuid",
    AssetKind.FILE: "file_uuid",
    AssetKind.TILES3D: "3dtiles_uuid",
    AssetKind.TABLE: "table_uuid",
}
_GEOMETRY_TYPES = {
    "POINT": "Point",
    "MULTIPOINT": "MultiPoint",
    "LINESTRING": "Polyline",
    "MULTILINESTRING": "Polyline",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "Polygon",
}
_SUFFIXES = {
    AssetKind.RASTER: (".tif", ".tiff"),
    AssetKind.MODEL: (".glb",),
    AssetKind.TILES3D: (".zip",),
}
# The first bytes of these formats: a TIFF of either byte order, a GLB, a zip.
_MAGIC = {
    AssetKind.RASTER: (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    AssetKind.MODEL: (b"glTF",),
    AssetKind.TILES3D: (b"PK",),
}


@dataclass(frozen=True)
class PublishOrder:
    """What a request to publish a file asks for.

    Attributes:
        kind: What to publish it as.
        name: The name of the asset.
        dataset: The file within a zip.
        layer: The layer within the file.
        geometry_type: The type of geometry, such as `POINT`; that of the first feature where None.
        srid: The reference system of a file that names none. A guess: clients send 3857 with any
            file, so that the file's own must win.
        encoding: The encoding of a text file.
        report_errors: Whether the result tells what was left out.
    """

    kind: AssetKind
    name: str
    dataset: str | None
    layer: str | None
    geometry_type: str | None
    srid: int
    encoding: str
    report_errors: bool


def publish(file: Asset, order: PublishOrder) -> Outcome:
    """Does the work of a task that publishes a file.

    Raises:
        JobFailed: It cannot be published.
    """
    if order.kind is AssetKind.VECTOR:
        return _publish_vector(file, order)
    if order.kind is AssetKind.TABLE:
        return _publish_table(file, order)
    if not file.content:
        raise _empty(file)
    if not file.name.lower().endswith(_SUFFIXES[order.kind]):
        reason = f"{file.name} is of no format that is a {order.kind}"
        raise JobFailed(reason, "geobox.InvalidFileError")
    if not file.content.startswith(_MAGIC[order.kind]):
        raise JobFailed(f"{file.name} cannot be read", "geobox.InvalidFileError")
    return succeeded(make_content(order.kind, order.name, file.content))


def succeeded(asset: Asset, errors: list[dict[str, Any]] | None = None) -> Outcome:
    """The outcome of work that made an asset, and what of the input it left out."""
    result: dict[str, Any] = {RESULT_KEYS[asset.kind]: asset.uuid}
    if errors:
        result["errors"] = errors
    return Outcome(result, asset)


def make_layer(
    name: str, kind: str, features: list[dict[str, Any]], fields: list[Field], *, temporary: bool
) -> Asset:
    """A vector layer of features in EPSG:3857."""
    geometries = [feature["geometry"] for feature in features]
    details = {
        "layer_type": kind,
        "display_name": name,
        "description": None,
        "temporary": temporary,
        "is_shared": False,
        "has_z": any(geometry.has_z(shape) for shape in geometries),
        # Guesses: no source tells these two of a layer, and no client needs them.
        "extent": geometry.extent(geometries),
        "feature_count": len(features),
    }
    return Asset(AssetKind.VECTOR, name, details, fields=fields, rows=features)


def make_content(kind: AssetKind, name: str, content: bytes) -> Asset:
    """A raster, a model or 3D tiles."""
    details = {"display_name": name, "description": None, "size": len(content)}
    return Asset(kind, name, {**details, "temporary": False}, content)


def make_table(name: str, rows: list[dict[str, Any]]) -> Asset:
    """A table of rows, which get numbers of their own as `id`."""
    details: dict[str, Any] = {
        "display_name": name,
        "description": None,
        "temporary": False,
        "settings": {},
    }
    types = datatypes({k: v for k, v in row.items() if k != "id"} for row in rows)
    fields = [Field(column, datatype) for column, datatype in types.items()]
    numbered = [{**row, "id": number} for number, row in enumerate(rows, start=1)]
    return Asset(AssetKind.TABLE, name, details, fields=fields, rows=numbered)


def _publish_vector(file: Asset, order: PublishOrder) -> Outcome:
    if not file.content:
        raise _empty(file)
    # A wrong code is an error even where the file's own reference system wins.
    epsg(order.srid)
    source = read_vector(
        file.name,
        file.content,
        dataset=order.dataset,
        layer=order.layer,
        encoding=order.encoding,
    )
    return publish_source(source, file.name, order)


def publish_source(source: VectorSource, name: str, order: PublishOrder) -> Outcome:
    """Makes a layer of what was read of a file, or of something like it.

    Args:
        source: What was read.
        name: What it was read of, for people.
        order: What was asked for.

    Raises:
        JobFailed: Nothing of it can be used.
    """
    if not source.rows:
        raise JobFailed(f"{name} has no features", "geobox.NoFeaturesError")
    kind = _wanted_type(source, order)
    features, errors = sound_features(source, kind, source.crs or epsg(order.srid))
    if not features:
        raise nothing_usable(name, errors)
    types = source.datatypes or datatypes(row.properties for row in source.rows)
    fields = [Field(name, datatype) for name, datatype in types.items()]
    layer = make_layer(order.name, kind, features, fields, temporary=False)
    return succeeded(layer, errors if order.report_errors else None)


def _publish_table(file: Asset, order: PublishOrder) -> Outcome:
    rows = read_rows(
        file.name, file.content, order.encoding, dataset=order.dataset, layer=order.layer
    )
    if not rows:
        raise _empty(file)
    return succeeded(make_table(order.name, rows))


def _wanted_type(source: VectorSource, order: PublishOrder) -> str:
    if order.geometry_type:
        wanted = order.geometry_type.upper()
        kind = _GEOMETRY_TYPES.get(wanted.removesuffix("Z"))
        if kind is None:
            raise JobFailed(f"unknown geometry type {wanted!r}", "geobox.InvalidGeometryTypeError")
        return kind
    sound = (row.geometry for row in source.rows if geometry.problem(row.geometry) is None)
    first = next(sound, None)
    return geometry.layer_type(first) if first else "Point"


def sound_features(
    source: VectorSource, kind: str, crs: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The features of a source that fit into a layer, and why others do not.

    Args:
        source: What was read.
        kind: The type of the layer.
        crs: The reference system of the source.

    Returns:
        The features, numbered and in EPSG:3857, and an entry for each that was left out.
    """
    move = to_web_mercator(crs)
    features: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for number, row in enumerate(source.rows, start=1):
        reason = geometry.problem(row.geometry) or _misfit(row, kind)
        if reason is not None:
            errors.append(_left_out(number, reason, "geobox.InvalidGeometryError"))
            continue
        try:
            shape = geometry.moved(row.geometry, move)
        except OutsideError as error:
            errors.append(_left_out(number, str(error), error.kind))
            continue
        feature = {"id": len(features) + 1, "geometry": shape, "properties": row.properties}
        features.append({"type": "Feature", **feature})
    return features, errors


def _misfit(row: Row, kind: str) -> str | None:
    own = geometry.layer_type(row.geometry)
    # The one case where a geometry fits into a layer of another type.
    if own == kind or (own, kind) == ("Point", "MultiPoint"):
        return None
    return f"the geometry is a {row.geometry['type']} and the layer's type is {kind}"


def _left_out(number: int, reason: str, kind: str) -> dict[str, Any]:
    # That the API tells `errors` is known; the shape of one is a guess.
    return {"feature": number, "msg": reason, "type": kind}


def nothing_usable(name: str, errors: list[dict[str, Any]]) -> JobFailed:
    """The failure of reading a file, or something like it, of which no feature is sound."""
    first = errors[0]
    reason = f"no feature of {name} can be used: {first['msg']} (feature {first['feature']})"
    return JobFailed(reason, first["type"])


def _empty(file: Asset) -> JobFailed:
    return JobFailed(f"{file.name} is empty", "geobox.EmptyFileError")
