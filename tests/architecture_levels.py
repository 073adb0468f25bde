"""The levels of each folder of the package, which `test_architecture.py` holds it to.

For each folder its parts, modules and folders alike, from the bottom up. A part imports only from
itself and from the levels below its own; parts of one level do not import each other. A new module
goes into the lowest level that is above all that it imports.
"""

from __future__ import annotations

from typing import Final

Levels = list[list[str]]

#: Parts that no other part of their folder imports, and that may import all of them.
ENTRY_POINTS: Final = frozenset({"__init__", "__main__", "pytest_plugin"})

#: The folder that is apart from the levels of the package.
APART: Final = "prefect_geobox.emulator"

LEVELS: Final[dict[str, Levels]] = {
    "prefect_geobox": [
        ["client"],
        ["credentials"],
        ["ownership"],
        ["reporting"],
        ["tasks", "hooks"],
    ],
    "prefect_geobox.tasks": [
        ["_run_end", "_signatures", "_step_options", "_transfer_report"],
        ["_lifecycle", "_step_task"],
        ["_factory"],
        ["assets", "files", "official_sdk", "operations", "remote_tasks", "waiting"],
    ],
    "prefect_geobox.reporting": [
        [
            "artifact_writer",
            "assets",
            "crowd",
            "events",
            "left_out",
            "markdown",
            "run_log",
            "svg_map",
        ],
        ["output_preview", "progress_artifact", "steps_table"],
        ["summary_queue", "wait_report"],
        ["summary"],
    ],
    "prefect_geobox.ownership": [
        ["event_subscription", "run_context"],
        ["prefect_api", "submission_slots"],
        ["submission_records"],
        ["adoption", "interruption", "run_events", "run_ledger"],
        ["submission_log"],
        ["run_monitor"],
        ["run_modes", "submit_once"],
        ["local_files"],
    ],
    "prefect_geobox.client": [
        ["model"],
        ["http"],
        ["polling", "read_once", "shared_lock", "official_sdk", "work_behind"],
        ["submission"],
        ["operations"],
        ["api"],
        ["async_client"],
        ["sync_client"],
    ],
    "prefect_geobox.client.api": [
        ["progress_bar", "session", "task_filters", "transfer_call"],
        ["connection", "run_mode"],
        ["features", "input_lookup", "tasks"],
        ["assets", "downloads"],
        ["files"],
        ["outputs"],
        ["runner"],
    ],
    "prefect_geobox.client.operations": [
        ["_inputs", "_validation"],
        ["_annotations", "_request", "_signature_errors"],
        ["_file_layers", "_operation", "_raster_request"],
        ["_vector_tool_catalogue"],
        ["files"],
        # One for each subject.
        [
            "custom_endpoint",
            "import_wfs",
            "raster_cell_values",
            "raster_conversion",
            "raster_terrain",
            "sql",
            "tables",
            "tile_caches",
            "vector_edit",
            "vector_export",
        ],
        # Those that share a part of another subject.
        ["import_database", "map_export", "raster_tools", "vector_tools"],
    ],
    "prefect_geobox.client.polling": [
        ["policy", "task_rows"],
        ["list_strategies", "results"],
        ["batch_reader", "subscription"],
        ["progress_reader", "schedule", "shared_deadlines", "update_queue"],
        ["state_reader"],
        ["poller"],
        ["wait_call"],
    ],
    "prefect_geobox.client.http": [
        ["clock", "encoding", "io_thread", "multipart_upload"],
        ["recent_names", "retry"],
        ["rate_limit"],
        ["settings"],
        ["responses", "tls_and_proxy"],
        ["auth", "failures"],
        ["transport"],
        ["resumable_download"],
    ],
    "prefect_geobox.client.model": [
        ["base", "errors", "options", "plain_values", "text"],
        ["assets", "file_names", "local_files", "validation"],
        ["names", "tasks"],
        ["payloads", "task_errors"],
    ],
    "prefect_geobox.emulator": [
        ["geodata", "http"],
        ["faults"],
        ["state"],
        ["sql", "raster_tools"],
        ["vector_tools"],
        ["jobs"],
        ["routes"],
        ["app"],
        ["server"],
    ],
    "prefect_geobox.emulator.faults": [
        ["fault"],
        ["kinds", "middleware", "plans"],
    ],
    "prefect_geobox.emulator.geodata": [
        ["columns", "errors", "geometry", "thumbnails"],
        ["datasets", "features", "optional_libraries", "texts"],
        ["gdal_files", "reprojection"],
        ["csv_files", "gdal_writing", "geojson_files"],
        ["vector_files"],
    ],
    "prefect_geobox.emulator.http": [
        ["downloads", "errors", "filters", "request_body", "web_server"],
        ["parameters", "recording"],
        ["access", "connection", "list_query"],
    ],
    "prefect_geobox.emulator.jobs": [
        ["exports", "map_images", "publishing", "queries", "start"],
        ["edits"],
        ["imports"],
    ],
    "prefect_geobox.emulator.raster_tools": [
        ["expressions", "grids", "parameters"],
        ["catalogue", "cell_values", "conversion", "raster_info", "terrain"],
    ],
    "prefect_geobox.emulator.routes": [
        ["resources"],
        [
            "files",
            "import_database",
            "import_wfs",
            "map_export",
            "raster_tools",
            "sql",
            "tables",
            "tile_caches",
            "vector_edit",
            "vector_export",
            "vector_tools",
        ],
    ],
    "prefect_geobox.emulator.routes.resources": [
        [
            "assets",
            "layer_groups",
            "login",
            "maps",
            "not_implemented",
            "rasters",
            "remote_tasks",
        ],
    ],
    "prefect_geobox.emulator.sql": [
        ["geometry_functions"],
        ["database"],
    ],
    "prefect_geobox.emulator.state": [
        ["import_sources", "store"],
        ["layers", "map_compositions", "remote_tasks", "uploaded_files"],
        ["emulator_state", "features", "new_assets"],
        ["lookup"],
    ],
    "prefect_geobox.emulator.vector_tools": [
        ["inputs"],
        ["from_columns", "per_feature", "two_layers"],
        ["per_layer"],
        ["catalogue"],
    ],
}
