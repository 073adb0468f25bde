"""What the operations say of arguments that make no sense, before anything is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prefect_geobox.client import AssetKind, InvalidArgumentError, OutputAsset, operations

U = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
RASTER = OutputAsset(kind=AssetKind.RASTER, uuid=U, name="heights", api_url="http://x/rasters/")
HUGE = 10**400


@pytest.mark.parametrize(
    ("name", "args", "options", "told"),
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
        # Nothing would be sent of an empty list, and so everything be meant.
        ("calculate_field", (U, "a", "1"), {"feature_ids": []}, "feature_ids must name at least"),
        ("delete_features", (U,), {"feature_ids": []}, "feature_ids must name at least one"),
        ("delete_features", (U,), {}, "pass everything=True to delete all of them"),
        ("export_features", (U, "x.gpkg"), {"fields": []}, "fields must name at least one"),
        ("export_rows", (U, "x"), {"row_ids": []}, "row_ids must name at least one"),
    ],
)
def test_what_makes_no_sense_names_itself(
    name: str, args: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    """The message names the invalid argument and what it may be."""
    operation = operations.OPERATIONS[name]
    with pytest.raises(InvalidArgumentError, match=re.escape(told)):
        operation.request(operation.bind(args, options))


@pytest.mark.parametrize("name", list(operations.OPERATIONS))
def test_each_operation_says_what_it_needs(name: str) -> None:
    """Called with nothing, each names all that it needs, and what that means."""
    operation = operations.OPERATIONS[name]
    with pytest.raises(InvalidArgumentError, match=f"^{name} needs ") as error:
        operation.bind((), {})
    for parameter in operation.signature.parameters.values():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            assert re.search(rf"\b{parameter.name} \([^)]+\): \S", str(error.value)), parameter


@pytest.mark.parametrize("body", ["form", "json"])
def test_what_looks_like_a_secret_is_not_told(body: str) -> None:
    """A password for any endpoint is sent, but is neither in messages nor in records."""
    operation = operations.start_task
    given = {"db_password": "hidden-from-all", "host": "db.example.org"}
    request = operation.request(operation.bind(("POST", "dbImport/import/"), {body: given}))
    assert (request.wire_form or request.wire_json) == given
    assert request.asked == "Start POST dbImport/import/ (host=db.example.org)"
    assert "hidden-from-all" not in f"{request.identity} {request!r}"
