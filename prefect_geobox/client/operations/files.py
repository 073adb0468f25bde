"""Publishing an uploaded file."""

from __future__ import annotations

from typing import Any, get_args

from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import FileLike, Resource, to_input
from prefect_geobox.client.operations._operation import (
    BoundOperation,
    Evidence,
    LayerOptions,
    creates_asset,
)
from prefect_geobox.client.operations._publishing import (
    PUBLISH_TASK_NAMES,
    PublishAs,
    PublishOptions,
    check_publishing,
    publish_form,
    suggested_publish_as,
)
from prefect_geobox.client.operations._request import Request, literally


@creates_asset(
    AssetKind.VECTOR,
    AssetKind.RASTER,
    AssetKind.MODEL,
    AssetKind.TILES3D,
    AssetKind.TABLE,
    endpoint="POST files/{uuid}/publish/",
    row=1,
    evidence=Evidence.CONFIRMED,
)
def publish_file(
    file: FileLike,
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
    **options: Unpack[LayerOptions],
) -> Request:
    """Publishes an uploaded file as a layer, raster, model, tileset or table.

    Args:
        file: What `upload_file` returned, or another way to name a file.
        name: The name of what is made.
        publish_as: "vector", "raster", "model3d", "tiles3d" or "table"; by default what the file's
            format suggests.
        input_layer: The layer within the file; by default its first.
        input_dataset: The dataset within the file; by default that of its first layer.
        input_geom_type: The geometry type to read, such as `POINT`.
        input_srid: The EPSG code of the coordinates.
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
    given: PublishOptions = {
        "publish_as": publish_as,
        "input_layer": input_layer,
        "input_dataset": input_dataset,
        "input_geom_type": input_geom_type,
        "input_srid": input_srid,
        "file_encoding": file_encoding,
        "replace_domain_codes_by_values": replace_domain_codes_by_values,
        "report_errors": report_errors,
        "as_terrain": as_terrain,
        "user_id": user_id,
    }
    check_publishing(name, given)
    is_temporary = bool(options.get("temporary"))

    def finish(request: Request) -> dict[str, Any]:
        source = request.inputs["file"]
        chosen = publish_as or suggested_publish_as(source)
        if is_temporary and chosen not in ("vector", "raster"):
            raise InvalidArgumentError(
                f"temporary must be False where a file is published as {chosen}: Geobox has "
                "temporary layers and rasters only"
            )
        return publish_form(source, name, given)

    return Request(
        f"Publish {{file}} as {literally(name)}",
        "{file}publish/",
        {"file": to_input("file", file, Resource.FILE, needs="file_type")},
        form={"layer_name": name, **given},
        name=name,
        finish=finish,
        task_names=_task_names(publish_as),
    )


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
    kinds = get_args(PublishAs) if publish_as is None else (publish_as,)
    if any(kind not in PUBLISH_TASK_NAMES for kind in kinds if publish_as is not None):
        return ()
    return tuple(name for kind in kinds for name in PUBLISH_TASK_NAMES.get(kind, ()))
