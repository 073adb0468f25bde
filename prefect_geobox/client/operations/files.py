"""Publishing an uploaded file as a layer, raster, model, tileset or table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, get_args

from typing_extensions import TypedDict, Unpack

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._file_layers import (
    chosen_layer,
    chosen_layer_remark,
    layer_format,
    srid_remark,
)
from prefect_geobox.client.operations._inputs import FileLike, Input, inputs
from prefect_geobox.client.operations._operation import (
    BoundOperation,
    Evidence,
    LayerOptions,
    creates_asset,
)
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.operations._validation import AnyText, Srid, UserId, text

PublishAs = Literal["vector", "raster", "model3d", "tiles3d", "table"]

NewName = Annotated[str, partial(text, meaning="the name of the new layer")]

_BY_FORMAT: Final[dict[str, PublishAs]] = {
    **dict.fromkeys(
        ("GeoJSON", "GPKG", "DXF", "GPX", "Shapefile", "KML", "CSV", "FileGDB"), "vector"
    ),
    "GeoTIFF": "raster",
    "GLB": "model3d",
    "ThreedTiles": "tiles3d",
    "XLSX": "table",
}

_DEFAULT_SRID: Final = 3857

#: What has attributes.
_OF_ROWS: Final[tuple[PublishAs, ...]] = ("vector", "table")

#: The names of remote tasks that publish, as far as they are known.
_TASK_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "vector": ("import:publish-file-to-vector-layer",),
    "raster": ("import:publish-file-to-raster-dataset",),
    "model3d": ("import:publish-file-to-3d-model",),
}


class PublishOptions(TypedDict, total=False):
    """How a file is published: the keywords of `publish_file`, which describes them."""

    publish_as: PublishAs | None
    input_layer: str | None
    input_dataset: str | None
    input_geom_type: str | None
    input_srid: Srid | None
    file_encoding: str
    replace_domain_codes_by_values: bool
    report_errors: bool
    as_terrain: bool
    user_id: UserId | None


class PublishFileOptions(PublishOptions, LayerOptions, total=False):
    """How a file is published, and how to wait for it."""


@creates_asset(
    AssetKind.VECTOR,
    AssetKind.RASTER,
    AssetKind.MODEL,
    AssetKind.TILES3D,
    AssetKind.TABLE,
    endpoint="POST files/{uuid}/publish/",
    sdk="File.publish",
    evidence=Evidence.CONFIRMED,
)
def publish_file(
    file: FileLike,
    name: NewName,
    *,
    publish_as: PublishAs | None = None,
    input_layer: AnyText | None = None,
    input_dataset: AnyText | None = None,
    input_geom_type: AnyText | None = None,
    input_srid: Srid | None = None,
    file_encoding: AnyText = "UTF-8",
    replace_domain_codes_by_values: bool = False,
    report_errors: bool = True,
    as_terrain: bool = False,
    user_id: UserId | None = None,
    **options: Unpack[LayerOptions],
) -> Request:
    """Publishes an uploaded file as a layer, raster, model, tileset or table.

    Args:
        file: The file, as `upload_file` returns it or given in another way.
        name: The name of the new layer, raster, model, tileset or table.
        publish_as: "vector", "raster", "model3d", "tiles3d" or "table"; by default the one that the
            file's format suggests.
        input_layer: The layer within the file; by default the first of `input_dataset`, or of the
            file. A name that the file does not have is refused, with those that it has.
        input_dataset: The dataset within the file; by default that of `input_layer`.
        input_geom_type: The geometry type to read, such as `POINT`.
        input_srid: The EPSG code of coordinates whose file names no reference system; by default
            3857. It has no effect on GeoJSON, KML and GPX, which have their own.
        file_encoding: The encoding of the attributes.
        replace_domain_codes_by_values: Whether coded values are written out.
        report_errors: Whether features that could not be read are reported.
        as_terrain: Whether a raster is a terrain.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        layer = publish_file(credentials, file, "plots", input_srid=4326, timeout=3600)
        print(layer.asset_key)
        ```
    """
    form = {
        "layer_name": name,
        "publish_as": publish_as,
        "input_layer": input_layer,
        "input_dataset": input_dataset,
        "input_geom_type": input_geom_type,
        "input_srid": _DEFAULT_SRID if input_srid is None else input_srid,
        "file_encoding": file_encoding,
        "replace_domain_codes_by_values": replace_domain_codes_by_values,
        "report_errors": report_errors,
        "as_terrain": as_terrain,
        "user_id": user_id,
    }

    needing: dict[str, Sequence[PublishAs] | None] = {
        "as_terrain": ("raster",) if as_terrain else None,
        "input_geom_type": ("vector",) if input_geom_type else None,
        "replace_domain_codes_by_values": _OF_ROWS if replace_domain_codes_by_values else None,
        "file_encoding": _OF_ROWS if file_encoding.lower() not in ("utf-8", "utf8") else None,
    }

    def finish(request: Request) -> dict[str, Any]:
        source = request.inputs["file"]
        layer = chosen_layer(source, input_layer, input_dataset)
        chosen = publish_as or suggested_publish_as(source, input_layer, input_dataset)
        if options.get("temporary") and chosen not in ("vector", "raster"):
            raise InvalidArgumentError(
                f"temporary must be False where a file is published as {chosen}: Geobox has "
                "temporary layers and rasters only"
            )
        return {
            **form,
            "publish_as": chosen,
            "input_layer": layer.layer,
            "input_dataset": layer.dataset,
        }

    def remarks(request: Request) -> list[str]:
        source = request.inputs["file"]
        found = [chosen_layer_remark(source, input_layer, input_dataset)]
        if input_srid is not None:
            found.append(srid_remark(source, input_layer, input_dataset, input_srid))
        chosen = publish_as or suggested_publish_as(source, input_layer, input_dataset)
        found.extend(_remarks_on_kind(chosen, needing))
        return [sentence for sentence in found if sentence]

    return Request(
        f"Publish {{file}} as {literally(name)}",
        "{file}publish/",
        inputs(file, needs="layers" if input_layer or input_dataset else "file_type"),
        form=form,
        name=name,
        finish=finish,
        remarks=remarks,
        task_names=_task_names(publish_as),
    )


def _remarks_on_kind(
    kind: PublishAs, needing: Mapping[str, Sequence[PublishAs] | None]
) -> list[str]:
    """Sentences on arguments that have no effect where a file is published as something."""
    return [
        f"{name} has no effect where a file is published as {kind}: it is for "
        f"{' and '.join(kinds)} only."
        for name, kinds in needing.items()
        if kinds is not None and kind not in kinds
    ]


def publishing_of_output(
    bound: BoundOperation[Any], request: Request, output: Any
) -> BoundOperation[OutputAsset] | None:
    """The publishing of the file that an operation made, where that was asked for.

    Args:
        bound: The operation.
        request: The request that started it.
        output: Its output.
    """
    if request.publish_as is None:
        return None
    return bound.then(publish_file, output, request.publish_as)


def _task_names(publish_as: PublishAs | None) -> tuple[str, ...]:
    if publish_as is not None:
        return _TASK_NAMES.get(publish_as, ())
    return tuple(name for names in _TASK_NAMES.values() for name in names)


def suggested_publish_as(
    file: Input | OutputAsset, input_layer: str | None = None, input_dataset: str | None = None
) -> PublishAs:
    """The kind that the format of an uploaded file suggests to publish it as.

    Args:
        file: The uploaded file, with its description.
        input_layer: The layer within it that is published; by default its first.
        input_dataset: The dataset within it that is published.

    Raises:
        InvalidArgumentError: The format suggests nothing, or there is no such layer.
    """
    file_format = layer_format(file, input_layer, input_dataset)
    suggestion = _BY_FORMAT.get(str(file_format))
    if suggestion is None:
        raise InvalidArgumentError(
            f"publish_as must be given: what to make of file {file.name or file.uuid!r} does not "
            f"follow from its format ({file_format or 'unknown'}). Pass one of "
            f"{', '.join(get_args(PublishAs))}."
        )
    return suggestion
