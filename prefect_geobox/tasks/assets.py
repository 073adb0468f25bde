"""Prefect tasks that find an asset by name, delete it, or make it temporary or permanent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_geobox.client.api.assets import asset_input
from prefect_geobox.client.api.run_mode import RunMode, run_to_completion
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.operations._inputs import AssetLike, ByName
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.run_context import parameter, run_logger
from prefect_geobox.ownership.run_modes import ASYNC_MODE, SYNC_MODE
from prefect_geobox.tasks._lifecycle import open_client
from prefect_geobox.tasks._step_task import step_task


def _named(verb: str, argument: str) -> Callable[[], str]:
    def name() -> str:
        given: Any = parameter(argument)
        shown = given.name if isinstance(given, (OutputAsset, ByName)) else str(given)
        return f"{verb}-{printable(shown, 100)}"

    return name


@step_task(task_run_name=_named("find", "name"))
def find_asset(credentials: GeoboxCredentials, kind: AssetKind | str, name: str) -> OutputAsset:
    """Finds the only asset of a kind that has exactly this name.

    Calls the kind's list, such as `GET vectorLayers/?q=name = '…'`.

    Args:
        credentials: The account.
        kind: "vector", "raster", "model", "file", "tiles3d" or "table".
        name: The name.

    Raises:
        InvalidArgumentError: There is no such kind; no request was sent.
        NameLookupError: No asset has the name, or several have it; the message has their uuids.
        GeoboxError: The read failed.

    Example:
        ```python
        layer = find_asset(credentials, "vector", "parcels")
        ```
    """
    return run_to_completion(_find(SYNC_MODE, credentials, kind, name))


@step_task(task_run_name=_named("find", "name"))
async def afind_asset(
    credentials: GeoboxCredentials, kind: AssetKind | str, name: str
) -> OutputAsset:
    """Finds the only asset of a kind that has a name. Async twin of `find_asset`."""
    return await _find(ASYNC_MODE, credentials, kind, name)


async def _find(
    mode: RunMode, credentials: GeoboxCredentials, kind: AssetKind | str, name: str
) -> OutputAsset:
    with open_client(credentials) as client:
        return await mode.call(client.find_asset(kind, name))


@step_task(task_run_name=_named("delete", "asset"))
def delete_asset(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Deletes an asset, such as `DELETE vectorLayers/{uuid}/`. Safe to repeat.

    Args:
        credentials: The account.
        asset: What a step returned; with `kind` also a uuid or `by_name("…")`.
        kind: The kind of asset; required for a uuid or a name.

    Raises:
        InvalidArgumentError: The kind is not known; no request was sent.
        NameLookupError: No asset has the name, or several have it.
        NotFoundError: There is no such asset for this account.
        GeoboxError: It was not deleted, or it is not known whether it was.

    Example:
        ```python
        near = run_vector_tool(credentials, "buffer", layer, "roads_50m", distance=50)
        file = export_features(credentials, near, "roads_50m.gpkg")
        delete_asset(credentials, near)
        ```
    """
    run_to_completion(_change(SYNC_MODE, credentials, "delete_asset", asset, kind))


@step_task(task_run_name=_named("delete", "asset"))
async def adelete_asset(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Deletes an asset. Async twin of `delete_asset`."""
    await _change(ASYNC_MODE, credentials, "delete_asset", asset, kind)


@step_task(task_run_name=_named("make-temporary", "asset"))
def make_temporary(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Makes a layer or raster temporary: `POST …/{uuid}/makeTemporary/`.

    Geobox deletes it after a day.

    Args:
        credentials: The account.
        asset: What a step returned; with `kind` also a uuid or `by_name("…")`.
        kind: "vector" or "raster"; required for a uuid or a name.

    Raises:
        InvalidArgumentError: The kind is not known, or is neither a layer nor a raster; no request
            was sent.
        NameLookupError: No asset has the name, or several have it.
        GeoboxError: The request failed.

    Example:
        ```python
        make_temporary(credentials, layer)
        ```
    """
    run_to_completion(_change(SYNC_MODE, credentials, "make_temporary", asset, kind))


@step_task(task_run_name=_named("make-temporary", "asset"))
async def amake_temporary(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Makes a layer or raster temporary. Async twin of `make_temporary`."""
    await _change(ASYNC_MODE, credentials, "make_temporary", asset, kind)


@step_task(task_run_name=_named("make-permanent", "asset"))
def make_permanent(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Makes a temporary layer or raster permanent: `POST …/{uuid}/makePermanent/`.

    Args:
        credentials: The account.
        asset: What a step returned; with `kind` also a uuid or `by_name("…")`.
        kind: "vector" or "raster"; required for a uuid or a name.

    Raises:
        InvalidArgumentError: The kind is not known, or is neither a layer nor a raster; no request
            was sent.
        NameLookupError: No asset has the name, or several have it.
        GeoboxError: The request failed.

    Example:
        ```python
        make_permanent(credentials, by_name("parcels"), "vector")
        ```
    """
    run_to_completion(_change(SYNC_MODE, credentials, "make_permanent", asset, kind))


@step_task(task_run_name=_named("make-permanent", "asset"))
async def amake_permanent(
    credentials: GeoboxCredentials, asset: AssetLike, kind: AssetKind | str | None = None
) -> None:
    """Makes a temporary layer or raster permanent. Async twin of `make_permanent`."""
    await _change(ASYNC_MODE, credentials, "make_permanent", asset, kind)


async def _change(
    mode: RunMode,
    credentials: GeoboxCredentials,
    verb: str,
    asset: AssetLike,
    kind: AssetKind | str | None,
) -> None:
    ref = asset_input(asset, kind)
    with open_client(credentials) as client:
        await mode.call(getattr(client, verb)(asset, kind))
    run_logger().info("%s: %s %s", verb.replace("_", " "), ref.resource, ref.label)
