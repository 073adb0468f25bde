"""The raster analyses by name, with the parameters and the defaults of the official SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.http.errors import ApiError, invalid_parameter
from prefect_geobox.emulator.http.filters import parse_filter
from prefect_geobox.emulator.http.parameters import boolean
from prefect_geobox.emulator.raster_tools import parameters as p
from prefect_geobox.emulator.raster_tools.expressions import Expression
from prefect_geobox.emulator.state.layers import column_names
from prefect_geobox.emulator.state.new_assets import asset_outcome, make_content
from prefect_geobox.emulator.state.store import Asset

if TYPE_CHECKING:
    from prefect_geobox.emulator.http.request_body import Body
    from prefect_geobox.emulator.state.remote_tasks import Outcome
    from prefect_geobox.emulator.state.store import Store

Parameter = p.Parameter
Values = dict[str, Any]

# The libraries of all analyses, so that each has all that it needs or fails at once.
_LIBRARIES = ("numpy", "rasterio", "shapely", "pyogrio")
_NODATA = -9999.0
_DTYPE = p.choice("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_METHOD = p.choice(
    "near", "bilinear", "cubic", "cubicspline", "lanczos", "average", "mode",
    "max", "min", "med", "q1", "q3", "rms", "sum",
)  # fmt: skip
_ALGORITHM = Parameter("algorithm", p.choice("Horn", "ZevenbergenThorne"), "Horn")
_RASTER = Parameter("raster_uuid", p.raster)
_MATCH = Parameter("match_raster_uuid", p.raster, None)
_LAYER = Parameter("layer_uuid", p.layer)
_PIXEL_SIZE = Parameter("pixel_size", p.number(above=0), 10.0)
_EDGES = Parameter("compute_edges", p.flag, default=True)
_NODATA_OUT = Parameter("nodata_out", p.number(), _NODATA)
_DST_NODATA = Parameter("dst_nodata", p.number(), _NODATA)
_PLAIN_NODATA = Parameter("nodata", p.number(), _NODATA)


@dataclass(frozen=True)
class Analysis:
    """A raster analysis.

    Attributes:
        name: Its name, which is also that of its endpoint and of the function that does the work.
        module: The module of that function.
        parameters: The parameters of a request. `raster_uuid` becomes the argument `raster`.
        output: The parameter that names the output.
        check: Checks parameters together; raises `ApiError`. May replace values.
    """

    name: str
    module: str
    parameters: tuple[Parameter, ...]
    output: str = "output_raster_name"
    check: Callable[[Values], None] = field(default=lambda _: None)

    def read(self, body: Body, store: Store) -> tuple[str, Values]:
        """The name of the output and the arguments of the work.

        Raises:
            ApiError: A parameter is missing or invalid, or names an asset that does not exist.
        """
        assets = p.AssetLookup(store, boolean(body.text("is_view")))
        name: str = Parameter(self.output, p.text).value(body, assets)
        values = {
            parameter.name.removesuffix("_uuid"): parameter.value(body, assets)
            for parameter in self.parameters
        }
        self.check(values)
        return name, values

    def run(self, name: str, values: Mapping[str, Any]) -> Outcome:
        """Does the work of a task.

        Raises:
            JobError: It cannot be done, or a library is missing.
        """
        for needed in _LIBRARIES:
            library(needed, f"the analysis {self.name}")
        module = import_module(f"prefect_geobox.emulator.raster_tools.{self.module}")
        work = getattr(module, self.name)
        if self.name == "polygonize":
            return asset_outcome(work(output_layer_name=name, **values))
        grids = import_module("prefect_geobox.emulator.raster_tools.grids")
        content = grids.write(work(**values))
        return asset_outcome(make_content(AssetKind.RASTER, name, content))


def _one_size(values: Values) -> None:
    names = ("out_res", "scale_factor", "match_raster")
    if sum(values[name] is not None for name in names) != 1:
        message = "exactly one of out_res, scale_factor and match_raster_uuid must be given"
        raise invalid_parameter("body", "out_res", message)


def _known_names(values: Values) -> None:
    unknown = sorted(values["expr"].names - set(values["variables"]))
    if unknown:
        message = f"{unknown[0]!r} is none of the variables {', '.join(values['variables'])}"
        raise invalid_parameter("body", "expr", message)


def _same_mode(values: Values) -> None:
    mode, values["rules"] = values["rules"]
    if values["mode"] not in {None, mode}:
        message = f"the rules are those of mode {mode}, not {values['mode']}"
        raise invalid_parameter("body", "mode", message)
    values["mode"] = mode


def _column(name: str) -> Callable[[Values], None]:
    def check(values: Values) -> None:
        column = values[name]
        if column is not None and column not in column_names(values["layer"]):
            raise _no_column(name, column, values["layer"])

    return check


def _columns_of_where(values: Values) -> None:
    where = values["where"]
    for column in sorted(where.fields - set(column_names(values["layer"])) if where else ()):
        raise _no_column("where", column, values["layer"])


def _no_column(name: str, column: str, layer: Asset) -> ApiError:
    return invalid_parameter("body", name, f"unknown field {column!r} of {layer.name}")


_ALL = (
    Analysis(
        "rasterize",
        "conversion",
        (
            _LAYER,
            _PIXEL_SIZE,
            _PLAIN_NODATA,
            Parameter("data_type", _DTYPE, "int16"),
            Parameter("burn_value", p.number(), 1.0),
            Parameter("burn_attribute", p.text, None),
        ),
        check=_column("burn_attribute"),
    ),
    Analysis(
        "polygonize",
        "conversion",
        (
            _RASTER,
            Parameter("band_index", p.number(1, whole=True), 1),
            Parameter("value_field", p.text, None),
            Parameter("mask_nodata", p.flag, default=False),
            Parameter("connectivity", p.connectivity, 4),
            Parameter("keep_values", p.numbers, None),
            Parameter("layer_name", p.text, None),
        ),
        output="output_layer_name",
    ),
    Analysis(
        "clip",
        "conversion",
        (
            _RASTER,
            _LAYER,
            # The filter language is a guess: that of lists. The SDK's example, `VEG=forest`, lacks
            # the quotes that it needs.
            Parameter("where", lambda text, _: parse_filter(text), None),
            _DST_NODATA,
            Parameter("crop", p.flag, default=True),
            Parameter("resample", _METHOD, "near"),
        ),
        check=_columns_of_where,
    ),
    Analysis(
        "calculator",
        "cell_values",
        (
            Parameter("variables", p.variables),
            Parameter("expr", lambda text, _: Expression(text)),
            _MATCH,
            Parameter("resample", _METHOD, "bilinear"),
            Parameter("out_dtype", _DTYPE, "float32"),
            _DST_NODATA,
        ),
        check=_known_names,
    ),
    Analysis(
        "slope",
        "terrain",
        (
            _RASTER,
            Parameter("slope_units", p.choice("degree", "percent"), "degree"),
            _ALGORITHM,
            Parameter("scale", p.number(above=0), 1.0),
            _EDGES,
            _NODATA_OUT,
        ),
    ),
    Analysis(
        "aspect",
        "terrain",
        (
            _RASTER,
            _ALGORITHM,
            Parameter("trigonometric", p.flag, default=False),
            Parameter("zero_for_flat", p.flag, default=True),
            _EDGES,
            _NODATA_OUT,
        ),
    ),
    Analysis(
        "reclassify",
        "cell_values",
        (
            _RASTER,
            Parameter("rules", p.rules),
            Parameter("mode", p.choice("exact", "range"), None),
            Parameter("default_value", p.number(), None),
            Parameter("nodata_in", p.number(), None),
            _NODATA_OUT,
            Parameter("out_dtype", _DTYPE, "int16"),
            Parameter("inclusive", p.choice("left", "right", "both", "neither"), "left"),
        ),
        check=_same_mode,
    ),
    Analysis(
        "resample",
        "cell_values",
        (
            _RASTER,
            Parameter("out_res", p.pair(positive=True), None),
            Parameter("scale_factor", p.number(above=0), None),
            _MATCH,
            Parameter("resample_method", _METHOD, "near"),
            _DST_NODATA,
        ),
        check=_one_size,
    ),
    Analysis(
        "idw",
        "conversion",
        (
            _LAYER,
            Parameter("z_field", p.text),
            _MATCH,
            _PIXEL_SIZE,
            Parameter("extent", p.extent, None),
            Parameter("power", p.number(above=0), 2.0),
            Parameter("smoothing", p.number(0), 0.0),
            Parameter("max_points", p.number(1, whole=True), 16),
            Parameter("radius", p.number(above=0), 1000.0),
            _PLAIN_NODATA,
            Parameter("out_dtype", _DTYPE, "float32"),
        ),
        check=_column("z_field"),
    ),
    Analysis(
        "constant",
        "cell_values",
        (
            Parameter("extent", p.extent),
            Parameter("value", p.number()),
            _PIXEL_SIZE,
            Parameter("dtype", _DTYPE, "float32"),
            _PLAIN_NODATA,
            Parameter("align_to", p.pair(positive=False), None),
        ),
    ),
    Analysis(
        "fill",
        "cell_values",
        (
            _RASTER,
            Parameter("band", p.band, 1),
            Parameter("nodata", p.number(), None),
            Parameter("max_search_dist", p.number(above=0), None),
            Parameter("smoothing_iterations", p.number(0, whole=True), None),
            Parameter("mask_raster_uuid", p.raster, None),
        ),
    ),
    Analysis(
        "proximity",
        "terrain",
        (
            _RASTER,
            Parameter("dist_units", p.choice("GEO", "PIXEL"), "GEO"),
            Parameter("burn_value", p.number(), 1.0),
            _PLAIN_NODATA,
        ),
    ),
)

ANALYSES = {analysis.name: analysis for analysis in _ALL}
