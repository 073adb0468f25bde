"""Wrong uses: both type checkers report an error on each line with the comment `wrong`.

No line here runs. Each has one mistake, which the comment names.
"""

from __future__ import annotations

from prefect_geobox import (
    GeoboxClient,
    GeoboxCredentials,
    OutputAsset,
    aexport_features,
    apublish_file,
    calculate_field,
    export_features,
    list_tasks,
    publish_file,
    run_vector_tool,
    upload_file,
    wait_for_task,
    wait_for_tasks,
)
from prefect_geobox.client import operations


def steps(credentials: GeoboxCredentials, client: GeoboxClient, layer: OutputAsset) -> None:
    """Steps."""
    publish_file(credentials, layer, "a", timout=5)  # wrong: the name of an option
    publish_file(credentials, layer)  # wrong: a missing argument
    publish_file(layer, "a")  # wrong: no credentials
    publish_file(client, layer, "a")  # wrong: a client in place of credentials
    publish_file("my-geobox", layer, "a")  # wrong: the name of a block in place of credentials
    publish_file(credentials, layer, "a", on_cancel="stop")  # wrong: the text of an option
    publish_file(credentials, layer, "a", reattach="always")  # wrong: the text of an option
    publish_file(credentials, layer, "a", timeout="5")  # wrong: the type of an option
    publish_file(credentials, layer, "a", publish_as="shape")  # wrong: the text of an enum
    run_vector_tool(credentials, "bufer", layer, "a", distance=1)  # wrong: the name of a tool
    export_features(credentials, layer, "a", out_format="GeoJsn")  # wrong: the text of an enum
    export_features(credentials, layer, "a", ziped=True)  # wrong: the name of a parameter
    export_features(credentials, layer, "a", "GPKG")  # wrong: an option by position
    calculate_field(credentials, layer, "name", "name", temporary=True)  # wrong: makes no layer
    upload_file(credentials)  # wrong: a missing argument
    wrong: int = export_features(credentials, layer, "a")  # wrong: the type of what it returns
    print(wrong)


async def async_steps(credentials: GeoboxCredentials, layer: OutputAsset) -> None:
    """The async twins."""
    await apublish_file(credentials, layer, "a", timout=5)  # wrong: the name of an option
    await aexport_features(credentials, layer)  # wrong: a missing argument
    await aexport_features(credentials, layer, "a", out_format="x")  # wrong: the text of an enum


def waits(credentials: GeoboxCredentials, uuid: str) -> None:
    """Waits."""
    wait_for_task(credentials, uuid, timout=5)  # wrong: the name of an option
    wait_for_task(credentials, uuid, on_timeout="stop")  # wrong: the text of an option
    wait_for_tasks(credentials, [uuid], interval="1")  # wrong: the type of an option
    list_tasks(credentials, states="PROGRESS")  # wrong: the name of a filter


def without_prefect(client: GeoboxClient, layer: OutputAsset, uuid: str) -> None:
    """The client."""
    GeoboxClient(api_key="…")  # wrong: the name of a field
    client.wait_for_task(uuid, timout=5)  # wrong: the name of an option
    client.run(operations.export_features, layer)  # wrong: a missing argument
    client.run(operations.export_features, layer, "a", timout=5)  # wrong: the name of an option
    client.run(operations.run_vector_tool, "bufer", layer, "a")  # wrong: the name of a tool
    client.list_tasks(states="PROGRESS")  # wrong: the name of a filter
