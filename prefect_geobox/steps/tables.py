"""Tables, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

calculate_table_field, acalculate_table_field = steps_of(operations.calculate_table_field)
import_rows, aimport_rows = steps_of(operations.import_rows)
export_rows, aexport_rows = steps_of(operations.export_rows)
