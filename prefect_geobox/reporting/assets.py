"""Prefect assets: outputs and their upstream assets."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.operations._inputs import Input, Resource
from prefect_geobox.ownership.run_context import is_in_run, run_logger

#: Characters that Prefect does not allow in an asset key.
_NOT_IN_KEYS: Final = re.compile(r"""[\x00-\x20\x7f#?&%"'<>\[\]{}|\\^`]""")

_MAX_KEY_LENGTH: Final = 512

#: Upstream assets of one output at most. Prefect adds the run, its flow, tags and more as related
#: resources of the event, and an event with over 100 ends the sending of all later ones silently.
_MAX_UPSTREAM: Final = 75


def materialize(
    asset: OutputAsset | Asset, metadata: Mapping[str, Any], sources: Iterable[Asset] = ()
) -> None:
    """Reports an output as materialized by this task run.

    An error is logged and never fails a step.

    Args:
        asset: The output.
        metadata: Facts about it; JSON values.
        sources: Its inputs, besides those that come in through the task's parameters.
    """
    if not is_in_run():
        return
    try:
        output = prefect_asset(asset) if isinstance(asset, OutputAsset) else asset
        _add_to_asset_context(output, metadata, sources)
    except Exception as error:  # noqa: BLE001 - an undocumented part of Prefect may change
        run_logger().warning("%s is not tracked: %s: %s", asset, type(error).__name__, error)


def _add_to_asset_context(
    asset: Asset, metadata: Mapping[str, Any], sources: Iterable[Asset]
) -> None:
    # Prefect's documented way takes assets that are known before a task runs. The uuid of an output
    # is known only afterwards, so it is added to the context that the engine keeps for every task.
    context = AssetContext.get()
    if context is None:
        return
    context.downstream_assets.add(asset)
    context.direct_asset_dependencies.update(sources)
    _limit_upstream(context, asset)
    context.materialized_by = "geobox"
    context.update_tracked_assets()
    context.add_asset_metadata(asset.key, dict(metadata))


def _limit_upstream(context: AssetContext, asset: Asset) -> None:
    """Keeps the inputs of the step itself first, then those that come in through parameters."""
    direct = sorted(context.direct_asset_dependencies, key=lambda each: each.key)
    others = context.upstream_assets - context.direct_asset_dependencies
    inherited = sorted(others, key=lambda each: each.key)
    left_out = len(direct) + len(inherited) - _MAX_UPSTREAM
    if left_out <= 0:
        return
    kept = direct[:_MAX_UPSTREAM]
    context.direct_asset_dependencies = set(kept)
    context.upstream_assets = set(inherited[: _MAX_UPSTREAM - len(kept)])
    run_logger().warning(
        "%s has %d upstream assets; Prefect cannot take so many, and %d of them are not shown.",
        asset.key,
        left_out + _MAX_UPSTREAM,
        left_out,
    )


def prefect_asset(asset: OutputAsset) -> Asset:
    """Returns an output as a Prefect asset."""
    return Asset(
        key=asset.asset_key,
        properties=AssetProperties(
            name=asset.name or asset.uuid,
            description=f"Geobox {asset.kind.value}",
            url=asset.api_url,
        ),
    )


def referenced_assets(settings: ConnectionSettings, refs: Iterable[Input]) -> list[Asset]:
    """Returns the inputs of an operation as Prefect assets.

    Args:
        settings: The account that they belong to.
        refs: The inputs, looked up; system queries are left out.
    """
    assets: list[Asset] = []
    for ref in refs:
        kind = ref.resource.asset_kind
        url = f"{settings.base_url}{ref.path}"
        if kind is not None:
            assets.append(
                prefect_asset(OutputAsset(kind=kind, uuid=ref.uuid, name=ref.name, api_url=url))
            )
        elif ref.resource is not Resource.SYSTEM_QUERY:
            host = settings.host.replace("[", "").replace("]", "")
            assets.append(
                Asset(
                    key=f"geobox://{host}/{ref.resource.value}/{ref.uuid}",
                    properties=AssetProperties(
                        name=ref.label, description=f"Geobox {ref.resource}", url=url
                    ),
                )
            )
    return assets


def local_file_asset(path: Path) -> Asset:
    """Returns a file on this machine as a Prefect asset."""
    host = socket.gethostname() or "localhost"
    key = _NOT_IN_KEYS.sub("_", f"file://{host}{path.resolve().as_posix()}")
    return Asset(key=key[:_MAX_KEY_LENGTH], properties=AssetProperties(name=path.name))
