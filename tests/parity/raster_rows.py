"""The raster analyses."""

from __future__ import annotations

import json

from geobox.enums import (
    AnalysisAlgorithm,
    AnalysisDataType,
    AnalysisResampleMethod,
    DistanceUnit,
    PolygonizeConnectivity,
    RangeBound,
    SlopeUnit,
)

from prefect_geobox.client import operations as ours

from .peer import VARIABLES, VIEW_BUG, Row, SdkField, U, V

ROWS = [
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.rasterize(s.layer, "x"),
        ours.rasterize,
        (U, "x"),
    ),
    Row(
        "view",
        lambda s: s.client.raster_analysis.rasterize(
            s.view, "x", 5, 0, AnalysisDataType.uint8, 0, "height", 1
        ),
        ours.rasterize,
        (U, "x"),
        {
            "pixel_size": 5,
            "nodata": 0,
            "data_type": AnalysisDataType.uint8,
            "burn_value": 0,
            "burn_attribute": "height",
            "user_id": 1,
            "is_view": True,
        },
        differs=VIEW_BUG,
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.polygonize(s.raster, "x"),
        ours.polygonize,
        (U, "x"),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.polygonize(
            s.raster, "x", 2, "v", True, PolygonizeConnectivity.connected_8, "[1, 2]", "l", 0
        ),
        ours.polygonize,
        (U, "x"),
        {
            "band_index": 2,
            "value_field": "v",
            "mask_nodata": True,
            "connectivity": PolygonizeConnectivity.connected_8,
            "keep_values": [1, 2],
            "layer_name": "l",
            "user_id": 0,
        },
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.clip(s.raster, s.layer, "x"),
        ours.clip_raster,
        (U, U, "x"),
    ),
    Row(
        "view",
        lambda s: s.client.raster_analysis.clip(
            s.raster, s.view, "x", "a=1", 0, False, AnalysisResampleMethod.cubic, 0
        ),
        ours.clip_raster,
        (U, U, "x"),
        {
            "where": "a=1",
            "dst_nodata": 0,
            "crop": False,
            "resample": "cubic",
            "user_id": 0,
            "is_view": True,
        },
        differs=VIEW_BUG,
    ),
    Row(
        "json",
        lambda s: s.client.raster_analysis.calculator(json.dumps(VARIABLES), "NIR-RED", "x"),
        ours.calculate_raster,
        ({"NIR": U, "RED": (V, 2)}, "NIR-RED", "x"),
    ),
    Row(
        "dict",
        lambda s: s.client.raster_analysis.calculator({"NIR": U, "RED": V}, "NIR-RED", "x", V),
        ours.calculate_raster,
        ({"NIR": U, "RED": V}, "NIR-RED", "x"),
        {"match_raster": V},
        # The SDK sends the names alone, and loses the rasters.
        differs={"variables": json.dumps({"NIR": U, "RED": V})},
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.calculator(
            json.dumps({"A": U}),
            "A",
            "x",
            V,
            AnalysisResampleMethod.cubic,
            AnalysisDataType.uint8,
            0,
            1,
        ),
        ours.calculate_raster,
        ({"A": U}, "A", "x"),
        {
            "match_raster": V,
            "resample": AnalysisResampleMethod.cubic,
            "out_dtype": AnalysisDataType.uint8,
            "dst_nodata": 0,
            "user_id": 1,
        },
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.slope(s.raster, "x"),
        ours.raster_slope,
        (U, "x"),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.slope(
            s.raster, "x", SlopeUnit.percent, AnalysisAlgorithm.ZevenbergenThorne, 2, False, 0, 1
        ),
        ours.raster_slope,
        (U, "x"),
        {
            "slope_units": "percent",
            "algorithm": "ZevenbergenThorne",
            "scale": 2,
            "compute_edges": False,
            "nodata_out": 0,
            "user_id": 1,
        },
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.aspect(s.raster, "x"),
        ours.raster_aspect,
        (U, "x"),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.aspect(
            s.raster, "x", AnalysisAlgorithm.ZevenbergenThorne, True, False, False, 0, 1
        ),
        ours.raster_aspect,
        (U, "x"),
        {
            "algorithm": "ZevenbergenThorne",
            "trigonometric": True,
            "zero_for_flat": False,
            "compute_edges": False,
            "nodata_out": 0,
            "user_id": 1,
        },
    ),
    Row(
        "exact",
        lambda s: s.client.raster_analysis.reclassify(s.raster, "x", '{"1": 10, "2": 0}'),
        ours.reclassify_raster,
        (U, "x", {1: 10, 2: 0}),
    ),
    Row(
        "range",
        lambda s: s.client.raster_analysis.reclassify(
            s.raster,
            "x",
            "[[0, 10, 1], [10, 20, 2]]",
            default_value=0,
            nodata_in=0,
            nodata_out=0,
            out_dtype=AnalysisDataType.uint8,
            inclusive=RangeBound.both,
            user_id=1,
        ),
        ours.reclassify_raster,
        (U, "x", [(0, 10, 1), (10, 20, 2)]),
        {
            "default_value": 0,
            "nodata_in": 0,
            "nodata_out": 0,
            "out_dtype": "uint8",
            "inclusive": RangeBound.both,
            "user_id": 1,
        },
    ),
    Row(
        "size",
        lambda s: s.client.raster_analysis.resample(s.raster, "x", out_res="10,20.5"),
        ours.resample_raster,
        (U, "x"),
        {"out_res": (10, 20.5)},
    ),
    Row(
        "raster",
        lambda s: s.client.raster_analysis.resample(s.raster, "x", match_raster_uuid=V),
        ours.resample_raster,
        (U, "x"),
        {"match_raster": V},
    ),
    Row(
        "factor, all",
        lambda s: s.client.raster_analysis.resample(
            s.raster,
            "x",
            scale_factor=2,
            resample_method=AnalysisResampleMethod.mode,
            dst_nodata=0,
            user_id=1,
        ),
        ours.resample_raster,
        (U, "x"),
        {"scale_factor": 2, "resample_method": "mode", "dst_nodata": 0, "user_id": 1},
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.idw_interpolation(s.layer, "x", SdkField("z")),
        ours.interpolate_idw,
        (U, "x", "z"),
    ),
    Row(
        "view",
        lambda s: s.client.raster_analysis.idw_interpolation(
            s.view,
            "x",
            SdkField("z"),
            V,
            5,
            "0,0,10,10",
            1.5,
            0.5,
            3,
            50,
            0,
            AnalysisDataType.int32,
            1,
        ),
        ours.interpolate_idw,
        (U, "x", SdkField("z")),
        {
            "match_raster": V,
            "pixel_size": 5,
            "extent": "0,0,10,10",
            "power": 1.5,
            "smoothing": 0.5,
            "max_points": 3,
            "radius": 50,
            "nodata": 0,
            "out_dtype": "int32",
            "user_id": 1,
            "is_view": True,
        },
        differs=VIEW_BUG,
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.constant("x", "0,0,100,100", 0),
        ours.constant_raster,
        ("x", (0, 0, 100, 100), 0),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.constant(
            "x", "0,0,100,100", 7, 5, AnalysisDataType.uint8, 0, "0,0", 1
        ),
        ours.constant_raster,
        ("x", "0,0,100,100", 7),
        {"pixel_size": 5, "dtype": "uint8", "nodata": 0, "align_to": (0, 0), "user_id": 1},
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.fill_nodata(s.raster, "x"),
        ours.fill_nodata,
        (U, "x"),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.fill_nodata(s.raster, "x", "all", 0, 5, 0, V, 0),
        ours.fill_nodata,
        (U, "x"),
        {
            "band": "all",
            "nodata": 0,
            "max_search_dist": 5,
            "smoothing_iterations": 0,
            "mask_raster": V,
            "user_id": 0,
        },
    ),
    Row(
        "defaults",
        lambda s: s.client.raster_analysis.proximity(s.raster, "x"),
        ours.raster_proximity,
        (U, "x"),
    ),
    Row(
        "all",
        lambda s: s.client.raster_analysis.proximity(s.raster, "x", DistanceUnit.PIXEL, 2, 0, 1),
        ours.raster_proximity,
        (U, "x"),
        {"dist_units": "PIXEL", "burn_value": 2, "nodata": 0, "user_id": 1},
    ),
]
