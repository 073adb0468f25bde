"""Layers and views, as steps of a flow."""

from __future__ import annotations

from prefect_geobox.client import operations
from prefect_geobox.steps.mechanism import steps_of

export_features, aexport_features = steps_of(operations.export_features)
import_features, aimport_features = steps_of(operations.import_features)
calculate_field, acalculate_field = steps_of(operations.calculate_field)
delete_features, adelete_features = steps_of(operations.delete_features)
save_as_layer, asave_as_layer = steps_of(operations.save_as_layer)
update_by_layer, aupdate_by_layer = steps_of(operations.update_by_layer)
update_by_file, aupdate_by_file = steps_of(operations.update_by_file)
