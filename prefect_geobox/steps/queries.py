"""SQL and the vector tools, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

run_vector_tool, arun_vector_tool = steps_of(operations.run_vector_tool)
save_query_as_layer, asave_query_as_layer = steps_of(operations.save_query_as_layer)
save_query_as_table, asave_query_as_table = steps_of(operations.save_query_as_table)
