"""Queries: the SQL of vector tools or users, saved as a layer or table, or only executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata import geometry
from prefect_geobox.emulator.geodata.columns import datatypes
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.features import plain
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.sql.database import select
from prefect_geobox.emulator.state.layers import fields_of
from prefect_geobox.emulator.state.new_assets import asset_outcome, make_layer, make_table
from prefect_geobox.emulator.state.store import Field, OtherKind
from prefect_geobox.emulator.vector_tools.catalogue import TOOLS
from prefect_geobox.emulator.vector_tools.inputs import Feature, Inputs

if TYPE_CHECKING:
    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Asset, Store

_TOOLS = {tool.sql: tool for tool in TOOLS}
_ASSET_TYPES = frozenset({"Layer", "Table"})
# The dimension of the geometries in each type of layer.
_DIMENSIONS = {"Point": 0, "MultiPoint": 0, "Polyline": 1, "Polygon": 2}


@dataclass(frozen=True)
class Query:
    """A query whose parameters are resolved.

    Attributes:
        sql: The SQL.
        assets: The layers, views and tables by the name of their parameter.
        values: The other parameters by name.
        missing: The uuids of layers and tables that do not exist.
    """

    sql: str
    assets: dict[str, Asset]
    values: dict[str, Any]
    missing: tuple[str, ...] = ()

    @property
    def feature_count(self) -> int:
        """The number of features and rows that it reads."""
        return sum(len(asset.rows) for asset in self.assets.values())

    def run(self) -> list[Feature]:
        """Runs it.

        Raises:
            JobError: A parameter is missing or is invalid, or the SQL is wrong.
        """
        for uuid in self.missing:
            raise JobError(f"layer or table {uuid!r} not found", "geobox.NotFoundError")
        tool = _TOOLS.get(self.sql)
        if tool is None:
            return self._select()
        for name, kind in tool.params.items():
            found = self.assets if kind in _ASSET_TYPES else self.values
            if found.get(name) is None:
                reason = f"{tool.name} needs a value for {name!r}"
                raise JobError(reason, "geobox.MissingParameterError")
            is_table = kind == "Layer" and self.assets[name].kind is AssetKind.TABLE
            if is_table or (kind == "Table" and self.assets[name].kind is not AssetKind.TABLE):
                reason = f"{tool.name} needs a {kind.lower()} as {name!r}"
                raise JobError(reason, "geobox.InvalidParameterError")
        return tool.work(Inputs(tool.name, self.assets, self.values))

    def known_fields(self) -> dict[str, Field]:
        """The columns of its layers and tables; the first one if several have the same name."""
        fields = [field for asset in self.assets.values() for field in fields_of(asset)]
        return {field.name: field for field in reversed(fields)}

    def _select(self) -> list[Feature]:
        found = select(self.sql, self.assets, self.values)
        shapes = found.shapes or [None] * len(found.rows)
        return [Feature(shape, row) for shape, row in zip(shapes, found.rows, strict=True)]


def resolve_query(store: Store, sql: str, params: list[dict[str, Any]]) -> Query:
    """A query with the layers and tables whose uuids are its parameters."""
    assets: dict[str, Asset] = {}
    values: dict[str, Any] = {}
    missing: list[str] = []
    for param in params:
        name, value = str(param.get("name")), param.get("value")
        if value is None:
            value = param.get("default_value")
        if param.get("type") not in _ASSET_TYPES:
            values[name] = value
        elif value is not None:
            found = _find_asset(store, str(value))
            if found is None:
                missing.append(str(value))
            else:
                assets[name] = found
    return Query(sql, assets, values, tuple(missing))


def _find_asset(store: Store, uuid: str) -> Asset | None:
    for kind in (AssetKind.VECTOR, OtherKind.VIEW, AssetKind.TABLE):
        asset = store.find(kind, uuid)
        if asset is not None:
            return asset
    return None


def save_as_layer(query: Query, name: str, layer_type: str | None, *, temporary: bool) -> Outcome:
    """Does the work of a task that saves the result of a query as a layer.

    Args:
        query: The query.
        name: The name of the layer.
        layer_type: Its type; that of the first feature if None. Geometries of another dimension
            are left out.
        temporary: Whether it is temporary.

    Raises:
        JobError: As `Query.run`, or no row has a geometry.
    """
    found = [feature for feature in query.run() if feature.shape is not None]
    layer_type, shapes = _matching_geometries(found, layer_type)
    features = [
        {"type": "Feature", "id": number, "geometry": shape, "properties": properties}
        for number, (shape, properties) in enumerate(shapes, start=1)
    ]
    fields = _fields(query, [properties for _, properties in shapes])
    return asset_outcome(make_layer(name, layer_type, features, fields, temporary=temporary))


def save_as_table(query: Query, name: str) -> Outcome:
    """Does the work of a task that saves the result of a query as a table, without geometries.

    Raises:
        JobError: As `Query.run`.
    """
    return asset_outcome(make_table(name, [feature.properties for feature in query.run()]))


def run_query(query: Query, *, geometries: bool) -> tuple[list[Field], list[dict[str, Any]]]:
    """The result of a query: its columns and its features, with null for a missing geometry.

    Raises:
        JobError: As `Query.run`.
    """
    found = query.run()
    features = []
    for number, (shape, properties) in enumerate(found, start=1):
        is_shown = geometries and shape is not None and not shape.is_empty
        features.append(
            {
                "type": "Feature",
                "id": properties.get("id", number),
                "geometry": _mapped(shape) if is_shown else None,
                "properties": {k: v for k, v in properties.items() if k != "id"},
            }
        )
    return _fields(query, [feature["properties"] for feature in features]), features


def _fields(query: Query, rows: list[dict[str, Any]]) -> list[Field]:
    known = query.known_fields()
    return [known.get(name) or Field(name, kind) for name, kind in datatypes(rows).items()]


def _matching_geometries(
    found: list[Feature], layer_type: str | None
) -> tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The type of a layer, and the geometries of its dimension with their columns."""
    shapely = library("shapely", "making a layer")
    nonempty = [feature for feature in found if not feature.shape.is_empty]
    if layer_type is None and not nonempty:
        # What the API makes of an empty result is not known; a guess: a failure.
        raise JobError("the result of the query has no geometry", "geobox.NoFeaturesError")
    if layer_type is not None:
        dimension = _DIMENSIONS[layer_type]
    else:
        dimension = int(shapely.get_dimensions(nonempty[0].shape))
    matching = []
    for shape, properties in nonempty:
        kept = _of_dimension(shapely, shape, dimension)
        if kept is not None:
            # The layer numbers its features itself.
            columns = {k: v for k, v in properties.items() if k != "id"}
            matching.append((_mapped(kept), columns))
    kinds = {geometry.layer_type(shape) for shape, _ in matching}
    if layer_type is None:
        layer_type = "MultiPoint" if "MultiPoint" in kinds else next(iter(kinds))
    return layer_type, matching


def _of_dimension(shapely: Any, shape: Any, dimension: int) -> Any:
    if shape.geom_type != "GeometryCollection":
        return shape if int(shapely.get_dimensions(shape)) == dimension else None
    parts = [
        part
        for one in shapely.get_parts(shape)
        for part in shapely.get_parts(one)
        if int(shapely.get_dimensions(part)) == dimension
    ]
    multi_types = (shapely.MultiPoint, shapely.MultiLineString, shapely.MultiPolygon)
    return multi_types[dimension](parts) if parts else None


def _mapped(shape: Any) -> dict[str, Any]:
    shapely = library("shapely", "making a layer")
    if shape.geom_type == "LinearRing":
        shape = shapely.LineString(shape.coords)
    mapped: dict[str, Any] = plain(shapely.geometry.mapping(shape))
    return mapped
