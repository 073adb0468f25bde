"""Changes to layers and views: features imported, computed, updated, deleted."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from typing_extensions import Unpack

from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._file_layers import (
    file_input,
    with_chosen_layer,
    with_srid_remark,
)
from prefect_geobox.client.operations._inputs import FileLike, LayerLike, inputs
from prefect_geobox.client.operations._operation import edits_asset
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.operations._validation import (
    BBox,
    FieldName,
    Ids,
    Names,
    Srid,
    UserId,
    check_box,
    joined,
)
from prefect_geobox.client.polling.policy import WaitOptions

#: The types of geometry that the API reads.
GeometryType = Literal[
    "POINT",
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "POINTZ",
    "LINESTRINGZ",
    "POLYGONZ",
    "MULTIPOINTZ",
    "MULTILINESTRINGZ",
    "MULTIPOLYGONZ",
]


@edits_asset(endpoint="POST vectorLayers/{uuid}/import/", sdk="VectorLayer.import_features")
def import_features(
    layer: LayerLike,
    file: FileLike,
    *,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_geom_type: GeometryType | Enum | None = None,
    input_srid: Srid | None = None,
    file_encoding: str = "utf-8",
    replace_domain_codes_by_values: bool = False,
    report_errors: bool = True,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Adds the features of an uploaded file to a layer or view.

    Features that could not be read are in `.errors` of the remote task that is returned.

    Args:
        layer: The layer or view.
        file: The uploaded file.
        input_layer: The layer within the file; by default the first of `input_dataset`, or the
            server's choice. A name that the file does not have is refused.
        input_dataset: The dataset within the file; by default that of `input_layer`, or the
            server's choice.
        input_geom_type: The geometry type to read, such as `POINT`.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        file_encoding: The encoding of the attributes.
        replace_domain_codes_by_values: Whether coded values are written out.
        report_errors: Whether features that could not be read are reported.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        task = import_features(credentials, layer, file)
        print(task.reason or "all of it")
        ```
    """
    return Request(
        "Import {file} into {layer}",
        "{layer}import/",
        inputs(layer, is_view=is_view) | file_input(file, input_layer, input_dataset),
        form={
            "file_uuid": file,
            "input_layer": input_layer,
            "input_geom_type": input_geom_type,
            "replace_domain_codes_by_values": replace_domain_codes_by_values,
            "input_dataset": input_dataset,
            "user_id": user_id,
            "input_srid": input_srid,
            "file_encoding": file_encoding,
            "report_errors": report_errors,
        },
        finish=with_chosen_layer(input_layer, input_dataset),
        remarks=with_srid_remark(input_layer, input_dataset, input_srid),
    )


@edits_asset(endpoint="POST vectorLayers/{uuid}/calculateField/", sdk="VectorLayer.calculate_field")
def calculate_field(
    layer: LayerLike,
    target_field: FieldName,
    expression: str,
    *,
    q: str | None = None,
    bbox: BBox | None = None,
    bbox_srid: Srid | None = None,
    feature_ids: Ids | None = None,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Computes the values of a field of a layer or view.

    Args:
        layer: The layer or view.
        target_field: The field.
        expression: What to compute, in the server's language.
        q: A filter in OGC CQL.
        bbox: Only features in this box: west, south, east, north.
        bbox_srid: The EPSG code of the box; only with `bbox`.
        feature_ids: Only features with these numbers.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        calculate_field(credentials, layer, "density", "population / area", q="area > 0")
        ```
    """
    check_box(bbox, bbox_srid)
    return Request(
        f"Calculate {literally(target_field)} of {{layer}}",
        "{layer}calculateField/",
        inputs(layer, is_view=is_view),
        form={
            "target_field": target_field,
            "expression": expression,
            "q": q,
            "bbox": bbox,
            "bbox_srid": bbox_srid,
            "feature_ids": feature_ids,
            "run_async": True,
            "user_id": user_id,
        },
    )


@edits_asset(endpoint="POST vectorLayers/{uuid}/deleteFeatures/", sdk="VectorLayer.delete_features")
def delete_features(
    layer: LayerLike,
    *,
    q: str | None = None,
    bbox: BBox | None = None,
    bbox_srid: Srid | None = None,
    feature_ids: Ids | None = None,
    everything: bool = False,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Deletes features of a layer or view.

    Args:
        layer: The layer or view.
        q: A filter in OGC CQL.
        bbox: Only features in this box: west, south, east, north.
        bbox_srid: The EPSG code of the box; only with `bbox`.
        feature_ids: Only features with these numbers.
        everything: Must be True where no filter is given: all features are deleted then.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        delete_features(credentials, layer, q="status = 'obsolete'")
        ```
    """
    check_box(bbox, bbox_srid)
    is_filtered = any(value is not None for value in (q, bbox, feature_ids))
    if not is_filtered and not everything:
        raise InvalidArgumentError(
            "q, bbox or feature_ids must say which features to delete; pass everything=True to "
            "delete all of them"
        )
    if is_filtered and everything:
        raise InvalidArgumentError("everything must not be given together with a filter")
    return Request(
        "Delete features of {layer}",
        "{layer}deleteFeatures/",
        inputs(layer, is_view=is_view),
        form={
            "q": q,
            "bbox": bbox,
            "bbox_srid": bbox_srid,
            "feature_ids": feature_ids,
            "run_async": True,
            "user_id": user_id,
        },
    )


@edits_asset(endpoint="POST vectorLayers/{uuid}/updateByLayer", sdk="VectorLayer.update_by_layer")
def update_by_layer(
    layer: LayerLike,
    source: LayerLike,
    common_field: FieldName,
    *,
    fields_to_update: Names | None = None,
    update_geometry: bool = False,
    delete_unmatched: bool = False,
    insert_missing: bool = False,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Updates features of a layer or view from those of another.

    Args:
        layer: The layer or view that changes.
        source: The layer or view with the new values.
        common_field: The field by whose values features are matched.
        fields_to_update: The fields that change; by default the server's choice.
        update_geometry: Whether the geometries change too.
        delete_unmatched: Whether features that the source does not have are deleted.
        insert_missing: Whether features that only the source has are added.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name given as `layer` is that of a view.

    Example:
        ```python
        update_by_layer(credentials, parcels, survey, "parcel_id", update_geometry=True)
        ```
    """
    return Request(
        "Update {layer} by {source}",
        "{layer}updateByLayer",
        inputs(layer, is_view=is_view) | inputs(source),
        form={
            "source_layer_uuid": source,
            "common_field": common_field,
            "fields_to_update": joined(fields_to_update),
            "update_geometry": update_geometry,
            "delete_unmatched": delete_unmatched,
            "insert_missing": insert_missing,
            "run_async": True,
            "user_id": user_id,
        },
    )


@edits_asset(endpoint="POST vectorLayers/{uuid}/updateByFile", sdk="VectorLayer.update_by_file")
def update_by_file(
    layer: LayerLike,
    file: FileLike,
    common_field: FieldName,
    *,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_srid: Srid | None = None,
    fields_to_update: Names | None = None,
    update_geometry: bool = False,
    delete_unmatched: bool = False,
    insert_missing: bool = False,
    file_encoding: str = "utf-8",
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Updates features of a layer or view from those of an uploaded file.

    Args:
        layer: The layer or view that changes.
        file: The uploaded file with the new values.
        common_field: The field by whose values features are matched.
        input_layer: The layer within the file; by default the first of `input_dataset`, or the
            server's choice. A name that the file does not have is refused.
        input_dataset: The dataset within the file; by default that of `input_layer`, or the
            server's choice.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        fields_to_update: The fields that change; by default the server's choice.
        update_geometry: Whether the geometries change too.
        delete_unmatched: Whether features that the file does not have are deleted.
        insert_missing: Whether features that only the file has are added.
        file_encoding: The encoding of the attributes.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        update_by_file(credentials, parcels, file, "parcel_id", fields_to_update=["owner"])
        ```
    """
    return Request(
        "Update {layer} by {file}",
        "{layer}updateByFile",
        inputs(layer, is_view=is_view) | file_input(file, input_layer, input_dataset),
        form={
            "file_uuid": file,
            "input_dataset": input_dataset,
            "input_layer": input_layer,
            "input_srid": input_srid,
            "common_field": common_field,
            "fields_to_update": joined(fields_to_update),
            "update_geometry": update_geometry,
            "delete_unmatched": delete_unmatched,
            "insert_missing": insert_missing,
            "file_encoding": file_encoding,
            "run_async": True,
            "user_id": user_id,
        },
        finish=with_chosen_layer(input_layer, input_dataset),
        remarks=with_srid_remark(input_layer, input_dataset, input_srid),
    )
