"""Remote Geobox tasks as steps of Prefect flows.

Example:
    ```python
    from prefect import flow
    from prefect_geobox import GeoboxCredentials, publish_file, upload_file

    @flow
    def publish(path: str, name: str):
        credentials = GeoboxCredentials.load("my-geobox")
        file = upload_file(credentials, path)
        return publish_file(credentials, file, name)
    ```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_geobox.cleanup import (
        abort_remote_tasks,
        delete_outputs,
    )
    from prefect_geobox.client import (
        AmbiguousSubmissionError,
        ApiRequestError,
        AssetKind,
        AsyncGeoboxClient,
        AuthenticationError,
        AuthorizationError,
        ByName,
        ConfigurationError,
        ConflictError,
        GeoboxClient,
        GeoboxConnectionError,
        GeoboxError,
        InvalidArgumentError,
        InvalidResponseError,
        LostContactError,
        NameLookupError,
        NotFoundError,
        OutputAsset,
        RateLimitError,
        RemoteTask,
        ServerError,
        TaskAbortedError,
        TaskFailedError,
        TaskProgress,
        TaskState,
        TaskTimeoutError,
        ValidationError,
        by_name,
    )
    from prefect_geobox.client.operations import (
        Database,
    )
    from prefect_geobox.credentials import (
        GeoboxCredentials,
    )
    from prefect_geobox.steps.anything import (
        astart_task,
        start_task,
    )
    from prefect_geobox.steps.assets import (
        adelete_asset,
        afind_asset,
        amake_permanent,
        amake_temporary,
        delete_asset,
        find_asset,
        make_permanent,
        make_temporary,
    )
    from prefect_geobox.steps.caches import (
        aseed_layer_cache,
        aseed_map_cache,
        aseed_mosaic_cache,
        aseed_raster_cache,
        aseed_tileset_cache,
        aupdate_map_cache,
        aupdate_tileset_cache,
        seed_layer_cache,
        seed_map_cache,
        seed_mosaic_cache,
        seed_raster_cache,
        seed_tileset_cache,
        update_map_cache,
        update_tileset_cache,
    )
    from prefect_geobox.steps.files import (
        adownload_file,
        apublish_file,
        aupload_file,
        download_file,
        publish_file,
        upload_file,
    )
    from prefect_geobox.steps.imports import (
        aimport_database_into_layer,
        aimport_database_layer,
        aimport_database_table,
        aimport_from_database,
        aimport_wfs,
        aimport_wfs_into_layer,
        import_database_into_layer,
        import_database_layer,
        import_database_table,
        import_from_database,
        import_wfs,
        import_wfs_into_layer,
    )
    from prefect_geobox.steps.maps import (
        aexport_group_layer,
        aexport_map_image,
        export_group_layer,
        export_map_image,
    )
    from prefect_geobox.steps.queries import (
        arun_vector_tool,
        asave_query_as_layer,
        asave_query_as_table,
        run_vector_tool,
        save_query_as_layer,
        save_query_as_table,
    )
    from prefect_geobox.steps.rasters import (
        acalculate_raster,
        aclip_raster,
        aconstant_raster,
        afill_nodata,
        ainterpolate_idw,
        apolygonize,
        araster_aspect,
        araster_proximity,
        araster_slope,
        arasterize,
        areclassify_raster,
        aresample_raster,
        arun_raster_tool,
        calculate_raster,
        clip_raster,
        constant_raster,
        fill_nodata,
        interpolate_idw,
        polygonize,
        raster_aspect,
        raster_proximity,
        raster_slope,
        rasterize,
        reclassify_raster,
        resample_raster,
        run_raster_tool,
    )
    from prefect_geobox.steps.sdk import (
        sdk_step,
    )
    from prefect_geobox.steps.tables import (
        acalculate_table_field,
        aexport_rows,
        aimport_rows,
        calculate_table_field,
        export_rows,
        import_rows,
    )
    from prefect_geobox.steps.vectors import (
        acalculate_field,
        adelete_features,
        aexport_features,
        aimport_features,
        asave_as_layer,
        aupdate_by_file,
        aupdate_by_layer,
        calculate_field,
        delete_features,
        export_features,
        import_features,
        save_as_layer,
        update_by_file,
        update_by_layer,
    )
    from prefect_geobox.tasks import (
        aabort_task,
        abort_task,
        acount_tasks,
        aget_output_asset,
        aget_progress,
        aget_task,
        alist_tasks,
        await_for_task,
        await_for_tasks,
        count_tasks,
        get_output_asset,
        get_progress,
        get_task,
        list_tasks,
        wait_for_task,
        wait_for_tasks,
    )

_ROOMS = {
    "cleanup": "abort_remote_tasks delete_outputs",
    "client": (
        "AmbiguousSubmissionError ApiRequestError AssetKind AsyncGeoboxClient "
        "AuthenticationError AuthorizationError ByName ConfigurationError ConflictError "
        "GeoboxClient GeoboxConnectionError GeoboxError InvalidArgumentError "
        "InvalidResponseError LostContactError NameLookupError NotFoundError OutputAsset "
        "RateLimitError RemoteTask ServerError TaskAbortedError TaskFailedError "
        "TaskProgress TaskState TaskTimeoutError ValidationError by_name"
    ),
    "client.operations": "Database",
    "credentials": "GeoboxCredentials",
    "steps.anything": "astart_task start_task",
    "steps.assets": (
        "adelete_asset afind_asset amake_permanent amake_temporary delete_asset "
        "find_asset make_permanent make_temporary"
    ),
    "steps.caches": (
        "aseed_layer_cache aseed_map_cache aseed_mosaic_cache aseed_raster_cache "
        "aseed_tileset_cache aupdate_map_cache aupdate_tileset_cache seed_layer_cache "
        "seed_map_cache seed_mosaic_cache seed_raster_cache seed_tileset_cache "
        "update_map_cache update_tileset_cache"
    ),
    "steps.files": (
        "adownload_file apublish_file aupload_file download_file publish_file upload_file"
    ),
    "steps.imports": (
        "aimport_database_into_layer aimport_database_layer aimport_database_table "
        "aimport_from_database aimport_wfs aimport_wfs_into_layer "
        "import_database_into_layer import_database_layer import_database_table "
        "import_from_database import_wfs import_wfs_into_layer"
    ),
    "steps.maps": "aexport_group_layer aexport_map_image export_group_layer export_map_image",
    "steps.queries": (
        "arun_vector_tool asave_query_as_layer asave_query_as_table run_vector_tool "
        "save_query_as_layer save_query_as_table"
    ),
    "steps.rasters": (
        "acalculate_raster aclip_raster aconstant_raster afill_nodata ainterpolate_idw "
        "apolygonize araster_aspect araster_proximity araster_slope arasterize "
        "areclassify_raster aresample_raster arun_raster_tool calculate_raster "
        "clip_raster constant_raster fill_nodata interpolate_idw polygonize "
        "raster_aspect raster_proximity raster_slope rasterize reclassify_raster "
        "resample_raster run_raster_tool"
    ),
    "steps.sdk": "sdk_step",
    "steps.tables": (
        "acalculate_table_field aexport_rows aimport_rows calculate_table_field "
        "export_rows import_rows"
    ),
    "steps.vectors": (
        "acalculate_field adelete_features aexport_features aimport_features "
        "asave_as_layer aupdate_by_file aupdate_by_layer calculate_field delete_features "
        "export_features import_features save_as_layer update_by_file update_by_layer"
    ),
    "tasks": (
        "aabort_task abort_task acount_tasks aget_output_asset aget_progress aget_task "
        "alist_tasks await_for_task await_for_tasks count_tasks get_output_asset "
        "get_progress get_task list_tasks wait_for_task wait_for_tasks"
    ),
}

_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "AmbiguousSubmissionError",
    "ApiRequestError",
    "AssetKind",
    "AsyncGeoboxClient",
    "AuthenticationError",
    "AuthorizationError",
    "ByName",
    "ConfigurationError",
    "ConflictError",
    "Database",
    "GeoboxClient",
    "GeoboxConnectionError",
    "GeoboxCredentials",
    "GeoboxError",
    "InvalidArgumentError",
    "InvalidResponseError",
    "LostContactError",
    "NameLookupError",
    "NotFoundError",
    "OutputAsset",
    "RateLimitError",
    "RemoteTask",
    "ServerError",
    "TaskAbortedError",
    "TaskFailedError",
    "TaskProgress",
    "TaskState",
    "TaskTimeoutError",
    "ValidationError",
    "aabort_task",
    "abort_remote_tasks",
    "abort_task",
    "acalculate_field",
    "acalculate_raster",
    "acalculate_table_field",
    "aclip_raster",
    "aconstant_raster",
    "acount_tasks",
    "adelete_asset",
    "adelete_features",
    "adownload_file",
    "aexport_features",
    "aexport_group_layer",
    "aexport_map_image",
    "aexport_rows",
    "afill_nodata",
    "afind_asset",
    "aget_output_asset",
    "aget_progress",
    "aget_task",
    "aimport_database_into_layer",
    "aimport_database_layer",
    "aimport_database_table",
    "aimport_features",
    "aimport_from_database",
    "aimport_rows",
    "aimport_wfs",
    "aimport_wfs_into_layer",
    "ainterpolate_idw",
    "alist_tasks",
    "amake_permanent",
    "amake_temporary",
    "apolygonize",
    "apublish_file",
    "araster_aspect",
    "araster_proximity",
    "araster_slope",
    "arasterize",
    "areclassify_raster",
    "aresample_raster",
    "arun_raster_tool",
    "arun_vector_tool",
    "asave_as_layer",
    "asave_query_as_layer",
    "asave_query_as_table",
    "aseed_layer_cache",
    "aseed_map_cache",
    "aseed_mosaic_cache",
    "aseed_raster_cache",
    "aseed_tileset_cache",
    "astart_task",
    "aupdate_by_file",
    "aupdate_by_layer",
    "aupdate_map_cache",
    "aupdate_tileset_cache",
    "aupload_file",
    "await_for_task",
    "await_for_tasks",
    "by_name",
    "calculate_field",
    "calculate_raster",
    "calculate_table_field",
    "clip_raster",
    "constant_raster",
    "count_tasks",
    "delete_asset",
    "delete_features",
    "delete_outputs",
    "download_file",
    "export_features",
    "export_group_layer",
    "export_map_image",
    "export_rows",
    "fill_nodata",
    "find_asset",
    "get_output_asset",
    "get_progress",
    "get_task",
    "import_database_into_layer",
    "import_database_layer",
    "import_database_table",
    "import_features",
    "import_from_database",
    "import_rows",
    "import_wfs",
    "import_wfs_into_layer",
    "interpolate_idw",
    "list_tasks",
    "make_permanent",
    "make_temporary",
    "polygonize",
    "publish_file",
    "raster_aspect",
    "raster_proximity",
    "raster_slope",
    "rasterize",
    "reclassify_raster",
    "resample_raster",
    "run_raster_tool",
    "run_vector_tool",
    "save_as_layer",
    "save_query_as_layer",
    "save_query_as_table",
    "sdk_step",
    "seed_layer_cache",
    "seed_map_cache",
    "seed_mosaic_cache",
    "seed_raster_cache",
    "seed_tileset_cache",
    "start_task",
    "update_by_file",
    "update_by_layer",
    "update_map_cache",
    "update_tileset_cache",
    "upload_file",
    "wait_for_task",
    "wait_for_tasks",
]


def __getattr__(name: str) -> Any:
    # Importing Prefect takes most of a second; the client alone does not need it.
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
