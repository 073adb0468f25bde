"""The pair of Prefect tasks, sync and async, of each operation; made when one is first used."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from prefect_geobox.client import operations
from prefect_geobox.tasks._factory import TaskNaming, make_tasks

#: Each operation by its name, with how its task runs are named. The async task has an `a` in front.
NAMING: Final[Mapping[str, TaskNaming]] = {
    "publish_file": {"run_name": "publish", "done": "published"},
    "start_task": {"named_by": "path"},
    "seed_layer_cache": {"named_by": "layer"},
    "seed_raster_cache": {"named_by": "raster"},
    "seed_mosaic_cache": {"named_by": "mosaic"},
    "seed_tileset_cache": {"named_by": "tileset"},
    "update_tileset_cache": {"named_by": "tileset"},
    "seed_map_cache": {"named_by": "map"},
    "update_map_cache": {"named_by": "map"},
    "import_wfs": {},
    "import_wfs_into_layer": {"named_by": "layer"},
    "import_database_layer": {},
    "import_database_table": {},
    "import_database_into_layer": {"named_by": "layer"},
    "import_from_database": {},
    "export_map_image": {"named_by": "map"},
    "export_group_layer": {"named_by": "group_layer"},
    "run_vector_tool": {"run_name": "run", "named_by": "output_name"},
    "save_query_as_layer": {},
    "save_query_as_table": {},
    "rasterize": {},
    "polygonize": {},
    "clip_raster": {},
    "calculate_raster": {},
    "raster_slope": {},
    "raster_aspect": {},
    "reclassify_raster": {},
    "resample_raster": {},
    "interpolate_idw": {},
    "constant_raster": {},
    "fill_nodata": {},
    "raster_proximity": {},
    "run_raster_tool": {"run_name": "raster", "named_by": "tool"},
    "calculate_table_field": {"named_by": "target_field"},
    "import_rows": {"named_by": "table"},
    "export_rows": {"named_by": "filename"},
    "export_features": {"run_name": "export", "named_by": "filename"},
    "import_features": {"named_by": "layer"},
    "calculate_field": {"named_by": "target_field"},
    "delete_features": {"named_by": "layer"},
    "save_as_layer": {},
    "update_by_layer": {"named_by": "layer"},
    "update_by_file": {"named_by": "layer"},
}

_making = threading.Lock()


def __getattr__(name: str) -> Any:
    """Makes the pair of tasks that a name belongs to, once."""
    operation = name if name in NAMING else name[1:]
    if operation not in NAMING or name not in (operation, f"a{operation}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _making:
        if name not in globals():
            naming: TaskNaming = NAMING[operation]
            made = make_tasks(getattr(operations, operation), **naming)
            globals()[operation], globals()[f"a{operation}"] = made
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *NAMING, *(f"a{operation}" for operation in NAMING)})
