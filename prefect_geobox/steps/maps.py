"""Exports of maps and of groups of layers, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

export_map_image, aexport_map_image = steps_of(operations.export_map_image)
export_group_layer, aexport_group_layer = steps_of(operations.export_group_layer)
