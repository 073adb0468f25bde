"""The errors of operations for invalid arguments, before any request."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prefect_geobox.client import AssetKind, InvalidArgumentError, OutputAsset, operations

U = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
RASTER = OutputAsset(kind=AssetKind.RASTER, uuid=U, name="heights", api_url="http://x/rasters/")
HUGE = 10**400


@pytest.mark.parametrize(
    ("name", "args", "options", "message"),
    [
        # What is missing, not known, or too much.
        ("export_features", (U,), {}, "export_features needs filename (str): The name of the fi"),
        ("export_features", (), {}, "needs layer (layer): The layer or view.; filename (str)"),
        (
            "export_features",
            (U, "x.gpkg"),
            {"zip": True},
            "there is no 'zip'. Did you mean zipped?",
        ),
        ("export_features", (U, "x.gpkg", "GPKG"), {}, "takes layer, filename by their place, and"),
        ("export_features", (U, "x.gpkg"), {"layer": U}, "export_features: layer is given twice"),
        ("interpolate_idw", (U, "x"), {}, "interpolate_idw needs z_field (str): The field with"),
        ("run_raster_tool", ("slope", U, "x"), {"slop_units": 1}, "Did you mean slope_units?"),
        # What has no effect without its partner.
        *[
            (name, args, {"bbox_srid": 4326, **options}, "got bbox_srid=4326 without bbox. Give")
            for name, args, options in (
                ("export_features", (U, "x.gpkg"), {}),
                ("save_as_layer", (U, "x"), {}),
                ("calculate_field", (U, "x", "y"), {}),
                ("delete_features", (U,), {"q": "a = 1"}),
            )
        ],
        # Tools and their parameters.
        ("run_vector_tool", ("bufer", U, "x"), {}, "there is no 'bufer'. Did you mean buffer?"),
        ("run_vector_tool", ("count", U, "x"), {}, "Did you mean count_point_in_polygons?"),
        ("run_vector_tool", (["buffer"], U, "x"), {}, "tool must be the name of a vector tool; g"),
        ("run_vector_tool", ("buffer", U, "x"), {}, "distance is missing: buffer needs a number"),
        ("run_vector_tool", ("buffer", U, "x"), {"distence": 1}, "Did you mean distance?"),
        ("run_vector_tool", ("buffer", U, "x"), {"timout": 1}, "Did you mean timeout or on_time"),
        ("run_vector_tool", ("buffer", U, "x"), {"distance": "5"}, "distance must be a number; go"),
        ("run_vector_tool", ("buffer", U, "x"), {"distance": True}, "distance must be a number; "),
        ("run_vector_tool", ("buffer", U, "x"), {"distance": HUGE}, "distance must be a number; "),
        ("run_vector_tool", ("square_grid", U, "x"), {"cell_size": 0}, "must be a number above 0"),
        ("run_vector_tool", ("buffer", RASTER, "x"), {"distance": 1}, "got the raster heights"),
        ("run_raster_tool", ("slop", U, "x"), {}, "there is no 'slop'. Did you mean slope"),
        # Values.
        ("raster_slope", (U, "x"), {"slope_units": "grad"}, "must be one of degree, percent; got"),
        ("seed_layer_cache", (U,), {"workers": 3}, "workers must be one of 1, 2, 4, 8"),
        ("export_features", (U, "x.gpkg"), {"bbox": (5, 2, 3, 4)}, "west not beyond east"),
        ("export_features", ("roads", "x.gpkg"), {}, 'or by_name("…") for what has a name; got'),
        ("import_wfs", ("gis.example.org", "a", "b"), {}, "url must begin with http:// or https:"),
        ("import_wfs", ("http://u:p@x/", "a", "b"), {}, "url must not carry a user or password"),
        ("start_task", ("POST", "x/"), {"json": {"a": float("nan")}}, "json must have JSON values"),
        ("start_task", ("POST", "x/"), {"form": {"a": object()}}, "form must have JSON values onl"),
        # An empty list would not be sent at all, and the server would take all features.
        ("calculate_field", (U, "a", "1"), {"feature_ids": []}, "feature_ids must name at least"),
        ("delete_features", (U,), {"feature_ids": []}, "feature_ids must name at least one"),
        ("delete_features", (U,), {}, "pass everything=True to delete all of them"),
        ("export_features", (U, "x.gpkg"), {"fields": []}, "fields must name at least one"),
        ("export_rows", (U, "x"), {"row_ids": []}, "row_ids must name at least one"),
    ],
)
def test_an_invalid_argument_is_named(
    name: str, args: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    """Each error names the argument and the values that it may have."""
    operation = operations.OPERATIONS[name]
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        operation.bind(args, options).request()


@pytest.mark.parametrize("name", list(operations.OPERATIONS))
def test_each_operation_names_what_it_needs(name: str) -> None:
    """Without arguments, each operation names all that it needs and describes it."""
    operation = operations.OPERATIONS[name]
    with pytest.raises(InvalidArgumentError, match=f"^{name} needs ") as error:
        operation.bind((), {})
    for parameter in operation.signature.parameters.values():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            assert re.search(rf"\b{parameter.name} \([^)]+\): \S", str(error.value)), parameter


@pytest.mark.parametrize("body", ["form", "json"])
def test_a_field_named_like_a_secret_is_not_shown(body: str) -> None:
    """A password for any endpoint is sent, but appears neither in messages nor in records."""
    operation = operations.start_task
    given = {"db_password": "hidden-from-all", "host": "db.example.org"}
    request = operation.bind(("POST", "dbImport/import/"), {body: given}).request()
    assert (request.wire_form or request.wire_json) == given
    assert request.description == "Start POST dbImport/import/ (host=db.example.org)"
    assert "hidden-from-all" not in f"{request.identity} {request!r}"
