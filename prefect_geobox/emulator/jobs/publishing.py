"""Publishing a file: as a layer, a table, a raster, a model or 3D tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.columns import datatypes
from prefect_geobox.emulator.geodata.datasets import Archive
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.features import Row, VectorSource
from prefect_geobox.emulator.geodata.reprojection import OutsideError, epsg, to_web_mercator
from prefect_geobox.emulator.geodata.vector_files import read_rows, read_vector
from prefect_geobox.emulator.http.parameters import boolean, integer
from prefect_geobox.emulator.state.layers import BASE_SRID
from prefect_geobox.emulator.state.new_assets import (
    asset_outcome,
    make_content,
    make_layer,
    make_table,
    with_own_ids,
)
from prefect_geobox.emulator.state.remote_tasks import Outcome
from prefect_geobox.emulator.state.store import Asset, Field

if TYPE_CHECKING:
    from prefect_geobox.emulator.http.request_body import Body

# The first three names are known; the others are guesses modelled on them.
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
class PublishOptions:
    """What a request to publish a file asks for.

    Attributes:
        kind: What to publish it as.
        name: The name of the asset.
        dataset: The file within a zip.
        layer: The layer within the file.
        geometry_type: The type of geometry, such as `POINT`; that of the first feature if None.
        srid: The EPSG code of a file that names no reference system. A guess: clients send 3857
            with any file, so the file's own reference system takes precedence.
        encoding: The encoding of texts that name none themselves.
        report_errors: Whether the result reports the features that were left out.
    """

    kind: AssetKind
    name: str
    dataset: str | None
    layer: str | None
    geometry_type: str | None
    srid: int
    encoding: str
    report_errors: bool


def read_publish_options(body: Body, kind: AssetKind, name: str = "") -> PublishOptions:
    """The options in the body of a request.

    Args:
        body: The body.
        kind: What to publish it as.
        name: The name of the asset; empty if the features go into a layer that exists.

    Raises:
        ApiError: A parameter is invalid.
    """
    return PublishOptions(
        kind=kind,
        name=name,
        dataset=body.text("input_dataset"),
        layer=body.text("input_layer"),
        geometry_type=body.text("input_geom_type"),
        srid=integer(body.text("input_srid"), "body", "input_srid", BASE_SRID),
        encoding=body.text("file_encoding") or "UTF-8",
        report_errors=boolean(body.text("report_errors"), default=True),
    )


def publish(file: Asset, options: PublishOptions) -> Outcome:
    """Does the work of a task that publishes a file.

    Raises:
        JobError: It cannot be published.
    """
    if options.kind is AssetKind.VECTOR:
        return _publish_vector(file, options)
    if options.kind is AssetKind.TABLE:
        return _publish_table(file, options)
    if not file.content:
        raise _empty(file)
    if not file.name.lower().endswith(_SUFFIXES[options.kind]):
        suffix = PurePosixPath(file.name).suffix or "without a suffix"
        reason = (
            f"{file.name} cannot be published as a {options.kind}: "
            f"the format {suffix} is not supported"
        )
        raise JobError(reason, "geobox.InvalidFileError")
    if not file.content.startswith(_MAGIC[options.kind]):
        raise JobError(f"{file.name} cannot be read", "geobox.InvalidFileError")
    if options.kind is AssetKind.TILES3D and not Archive(file.name, file.content).is_tileset():
        raise JobError(f"{file.name} holds no tileset.json", "geobox.InvalidFileError")
    return asset_outcome(make_content(options.kind, options.name, file.content))


def _publish_vector(file: Asset, options: PublishOptions) -> Outcome:
    if not file.content:
        raise _empty(file)
    # An unknown code is an error even if the file names its own reference system.
    epsg(options.srid)
    source = read_vector(
        file.name,
        file.content,
        dataset=options.dataset,
        layer=options.layer,
        encoding=options.encoding,
    )
    return publish_source(source, file.name, options)


def publish_source(source: VectorSource, name: str, options: PublishOptions) -> Outcome:
    """Makes a layer of the features of a file, map server or database.

    Args:
        source: The features.
        name: The name of the file or table, for error messages.
        options: What the request asks for.

    Raises:
        JobError: No feature can be used.
    """
    if not source.rows:
        raise JobError(f"{name} has no features", "geobox.NoFeaturesError")
    layer_type = _layer_type(source, options)
    features, errors = valid_features(source, layer_type, source.crs or epsg(options.srid))
    if not features:
        raise no_valid_features_error(name, errors)
    types = source.datatypes or datatypes(row.properties for row in source.rows)
    fields = [Field(name, datatype) for name, datatype in types.items()]
    layer = make_layer(options.name, layer_type, features, fields, temporary=False)
    return asset_outcome(layer, errors if options.report_errors else None)


def _publish_table(file: Asset, options: PublishOptions) -> Outcome:
    rows = read_rows(
        file.name, file.content, options.encoding, dataset=options.dataset, layer=options.layer
    )
    if not rows:
        raise _empty(file)
    return asset_outcome(make_table(options.name, with_own_ids(rows)))


def _layer_type(source: VectorSource, options: PublishOptions) -> str:
    if options.geometry_type:
        wanted = options.geometry_type.upper()
        kind = _GEOMETRY_TYPES.get(wanted.removesuffix("Z"))
        if kind is None:
            raise JobError(f"unknown geometry type {wanted!r}", "geobox.InvalidGeometryTypeError")
        return kind
    valid = (row.geometry for row in source.rows if geometry.problem(row.geometry) is None)
    types = [geometry.layer_type(shape) for shape in valid]
    # Points are at home in a layer of multi-points too, but not the other way round.
    if types and types[0] == "Point" and "MultiPoint" in types:
        return "MultiPoint"
    return types[0] if types else "Point"


def valid_features(
    source: VectorSource, layer_type: str, crs: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The features of a source that a layer can hold, and why it cannot hold the others.

    Args:
        source: The features.
        layer_type: The type of the layer.
        crs: The reference system of the source.

    Returns:
        The features, numbered and in EPSG:3857, and an error for each that was left out.
    """
    transform = to_web_mercator(crs)
    features: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for number, row in enumerate(source.rows, start=1):
        reason = row.problem or geometry.problem(row.geometry) or _type_mismatch(row, layer_type)
        if reason is not None:
            errors.append(_feature_error(number, reason, "geobox.InvalidGeometryError"))
            continue
        try:
            shape = geometry.reproject(row.geometry, transform)
        except OutsideError as error:
            errors.append(_feature_error(number, str(error), error.kind))
            continue
        feature = {"id": len(features) + 1, "geometry": shape, "properties": row.properties}
        features.append({"type": "Feature", **feature})
    return features, errors


def _type_mismatch(row: Row, layer_type: str) -> str | None:
    own = geometry.layer_type(row.geometry)
    # Points are the only geometries that a layer of another type can hold.
    if own == layer_type or (own, layer_type) == ("Point", "MultiPoint"):
        return None
    return (
        f"the geometry is a {row.geometry['type']} and the layer's type is {layer_type}; "
        "input_geom_type chooses another"
    )


def _feature_error(number: int, reason: str, kind: str) -> dict[str, Any]:
    # That a result has `errors` is known; the shape of an entry is a guess.
    return {"feature": number, "msg": reason, "type": kind}


def no_valid_features_error(name: str, errors: list[dict[str, Any]]) -> JobError:
    """The failure of an import without a valid feature."""
    first = errors[0]
    reason = f"no feature of {name} can be used: {first['msg']} (feature {first['feature']})"
    return JobError(reason, first["type"])


def _empty(file: Asset) -> JobError:
    return JobError(f"{file.name} is empty", "geobox.EmptyFileError")
