"""Imports from services and databases elsewhere, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

import_wfs, aimport_wfs = steps_of(operations.import_wfs)
import_wfs_into_layer, aimport_wfs_into_layer = steps_of(operations.import_wfs_into_layer)
import_database_layer, aimport_database_layer = steps_of(operations.import_database_layer)
import_database_table, aimport_database_table = steps_of(operations.import_database_table)
import_database_into_layer, aimport_database_into_layer = steps_of(
    operations.import_database_into_layer
)
import_from_database, aimport_from_database = steps_of(operations.import_from_database)
