"""The inputs of operations, such as layers, rasters and files, in all the ways to give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.model.validation import UuidLike, checked_uuid, refuse_undecoded


class Resource(str, Enum):
    """The collections of the API that operations work on.

    Those that a remote task can make are kinds of asset too; a view counts as a vector layer there.
    """

    VECTOR = "vectorLayers"
    VIEW = "vectorLayerViews"
    RASTER = "rasters"
    MODEL = "3dmodels"
    FILE = "files"
    TILES3D = "3dtiles"
    TABLE = "tables"
    MOSAIC = "mosaics"
    TILESET = "tilesets"
    MAP = "maps"
    GROUP_LAYER = "groupLayers"
    QUERY = "queries"
    SYSTEM_QUERY = "queries/systemQueries"

    def __str__(self) -> str:
        return _WORDS[self]

    @property
    def asset_kind(self) -> AssetKind | None:
        """The kind of asset that it is, or None."""
        return _ASSET_KINDS.get(self)


_WORDS: Final = {
    Resource.VECTOR: "vector layer",
    Resource.VIEW: "view",
    Resource.RASTER: "raster",
    Resource.MODEL: "3D model",
    Resource.FILE: "file",
    Resource.TILES3D: "3D tileset",
    Resource.TABLE: "table",
    Resource.MOSAIC: "mosaic",
    Resource.TILESET: "tileset",
    Resource.MAP: "map",
    Resource.GROUP_LAYER: "group layer",
    Resource.QUERY: "query",
    Resource.SYSTEM_QUERY: "system query",
}

_ASSET_KINDS: Final = {
    Resource.VECTOR: AssetKind.VECTOR,
    Resource.VIEW: AssetKind.VECTOR,
    Resource.RASTER: AssetKind.RASTER,
    Resource.MODEL: AssetKind.MODEL,
    Resource.FILE: AssetKind.FILE,
    Resource.TILES3D: AssetKind.TILES3D,
    Resource.TABLE: AssetKind.TABLE,
}

_RESOURCE_OF_KIND: Final = {
    kind: resource for resource, kind in _ASSET_KINDS.items() if resource is not Resource.VIEW
}


def resources_of(kind: AssetKind) -> tuple[Resource, ...]:
    """The collections in which a kind of asset can be."""
    return LAYERS if kind is AssetKind.VECTOR else (_RESOURCE_OF_KIND[kind],)


#: A vector layer, or a view of one.
LAYERS: Final = (Resource.VECTOR, Resource.VIEW)


@dataclass(frozen=True, slots=True)
class ByName:
    """Something in Geobox that is named rather than given by its uuid. Made by `by_name`.

    Attributes:
        name: Its exact name.
    """

    name: str


def by_name(name: str) -> ByName:
    """Names an input of a step by its exact name, to be looked up when the step runs.

    The step raises where nothing has that name, or where several inputs have it.

    Args:
        name: The name.

    Raises:
        InvalidArgumentError: It is empty.

    Example:
        >>> by_name("parcels")
        ByName(name='parcels')
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(f"name must be the name of something in Geobox; got {name!r}")
    refuse_undecoded("name", name)
    return ByName(name)


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an operation.

    Attributes:
        field: The parameter that it was given as.
        kinds: The kinds that it may be of; a bare uuid is taken for one of the first.
        resource: The kind that it is taken for.
        uuid: Its uuid; empty until it was looked up.
        name: Its name, as far as it is known.
        data: Its description by the API, as far as it was read.
        needs: The key of `data` that has to be known; "" for none.
    """

    field: str
    kinds: tuple[Resource, ...]
    resource: Resource
    uuid: str = ""
    name: str = ""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    needs: str = ""

    @property
    def needs_lookup(self) -> bool:
        """Whether a request is needed before it can be used."""
        return not self.uuid or (bool(self.needs) and self.needs not in self.data)

    @property
    def path(self) -> str:
        """Where the API has it, with a slash at the end."""
        return f"{self.resource.value}/{self.uuid}/"

    @property
    def label(self) -> str:
        """A name for people."""
        return printable(self.name, 100) or self.uuid

    @property
    def is_view(self) -> bool:
        """Whether it is a view of a vector layer."""
        return self.resource is Resource.VIEW

    def as_view(self, is_view: bool | None) -> Input:
        """The same, where a bare uuid or a name is known to be that of a view, or of a layer."""
        if is_view is None or Resource.VIEW not in self.kinds or len(self.kinds) == 1:
            return self
        resource = Resource.VIEW if is_view else Resource.VECTOR
        return replace(self, resource=resource, kinds=(resource,))

    def found(self, resource: Resource, uuid: str, data: Mapping[str, Any]) -> Input:
        """The same, once it was read."""
        name = data.get("name")
        return replace(
            self,
            resource=resource,
            uuid=uuid,
            name=name if isinstance(name, str) else self.name,
            data=data,
        )


@dataclass(frozen=True)
class InputKinds:
    """In an annotation: the kinds that an input may be of; a bare uuid is one of the first."""

    kinds: tuple[Resource, ...]

    def __call__(self, argument: str, value: AssetLike) -> Input:
        """Makes an input of the given value. Sends nothing."""
        return to_input(argument, value, *self.kinds)


#: How an input is given: its uuid, an asset, a remote task that made it, an object of the official
#: SDK, or `by_name("…")`. Parameters of these types reach an operation as `Input`.
AssetLike = UuidLike | ByName
LayerLike = Annotated[AssetLike, InputKinds(LAYERS)]
RasterLike = Annotated[AssetLike, InputKinds((Resource.RASTER,))]
FileLike = Annotated[AssetLike, InputKinds((Resource.FILE,))]
TableLike = Annotated[AssetLike, InputKinds((Resource.TABLE,))]
MosaicLike = Annotated[AssetLike, InputKinds((Resource.MOSAIC,))]
TilesetLike = Annotated[AssetLike, InputKinds((Resource.TILESET,))]
MapLike = Annotated[AssetLike, InputKinds((Resource.MAP,))]
GroupLayerLike = Annotated[AssetLike, InputKinds((Resource.GROUP_LAYER,))]


def inputs(
    *given: AssetLike | None, is_view: bool | None = None, needs: str = ""
) -> dict[str, Input]:
    """The inputs of a request by the names of their parameters, which were checked before.

    Args:
        *given: The values of the parameters; None is left out.
        is_view: Whether a bare uuid or a name of a layer is that of a view; None where that is not
            known.
        needs: The key of their descriptions that has to be known; "" for none.
    """
    found: dict[str, Input] = {}
    for value in given:
        if value is not None:
            checked = cast("Input", value)
            found[checked.field] = replace(checked.as_view(is_view), needs=needs)
    return found


def to_input(argument: str, value: AssetLike, *kinds: Resource) -> Input:
    """Makes an input of a given value. Sends nothing.

    Args:
        argument: The parameter's name, for messages.
        value: The given value.
        kinds: The kinds that it may be of; a bare uuid is taken for one of the first.

    Raises:
        InvalidArgumentError: It is of another kind, or has no uuid.
    """
    if isinstance(value, ByName):
        return Input(argument, kinds, kinds[0], name=value.name)
    if isinstance(value, RemoteTask):
        output = value.output
        if output is None:
            raise InvalidArgumentError(
                f"{argument} must be {_any_of(kinds)}; got remote task {value.label} "
                f"({value.state_text}), which names no output. Wait for it first, and pass what "
                "it made."
            )
        resource = _RESOURCE_OF_KIND[output.kind]
        _check(argument, resource, kinds, output.uuid)
        return Input(argument, kinds, resource, output.uuid)
    found = _resource_of(value)
    uuid = checked_uuid(argument, value, has_name=True)
    if found is not None:
        _check(argument, found, kinds, getattr(value, "name", None) or uuid)
    name = getattr(value, "name", "") if found is not None else ""
    data = value.data if isinstance(value, OutputAsset) else {}
    return Input(
        argument,
        kinds if found is None else (found,),
        found or kinds[0],
        uuid,
        name if isinstance(name, str) else "",
        data,
    )


def _check(argument: str, resource: Resource, kinds: Collection[Resource], what: object) -> None:
    if resource not in kinds:
        raise InvalidArgumentError(
            f"{argument} must be {_any_of(kinds)}; got the {resource} {printable(str(what), 100)}"
        )


def _any_of(kinds: Collection[Resource]) -> str:
    return "a " + " or a ".join(str(kind) for kind in kinds)


def _resource_of(value: Any) -> Resource | None:
    """The kind of an object, as far as it says; None for a bare uuid."""
    if isinstance(value, OutputAsset):
        # An asset that was read from a view has the view's URL.
        is_view = value.kind is AssetKind.VECTOR and (
            f"/{Resource.VIEW.value}/" in urlsplit(value.api_url).path
            or "view_filter" in value.data
        )
        return Resource.VIEW if is_view else _RESOURCE_OF_KIND[value.kind]
    # Objects of the official SDK know the path that they came from.
    endpoint = getattr(value, "endpoint", None)
    if not isinstance(endpoint, str):
        return None
    collection = endpoint.strip("/").rpartition("/")[0]
    return next((resource for resource in Resource if resource.value == collection), None)
