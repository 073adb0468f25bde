"""Outputs as Prefect assets, with their upstream assets."""

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

#: What an asset key may not hold, by Prefect's rule.
_NOT_IN_KEYS: Final = re.compile(r"""[\x00-\x20\x7f#?&%"'<>\[\]{}|\\^`]""")

_LONGEST_KEY: Final = 512


def materialize(
    asset: OutputAsset | Asset, metadata: Mapping[str, Any], sources: Iterable[Asset] = ()
) -> None:
    """Reports an output as materialized by this task run.

    Lineage is shown where it can be; trouble with it is logged and never fails a step.

    Args:
        asset: The output.
        metadata: What to keep about it; JSON values.
        sources: What it was made from, besides what comes in through the task's parameters.
    """
    if not is_in_run():
        return
    try:
        made = prefect_asset(asset) if isinstance(asset, OutputAsset) else asset
        _add_to_asset_context(made, metadata, sources)
    except Exception as error:  # noqa: BLE001 - an undocumented part of Prefect may change
        run_logger().warning("%s is not tracked: %s: %s", asset, type(error).__name__, error)


def _add_to_asset_context(
    asset: Asset, metadata: Mapping[str, Any], sources: Iterable[Asset]
) -> None:
    # Prefect documents assets that are known before a task runs. An output's uuid is known only
    # after it; the context that the engine keeps for every task takes it then.
    context = AssetContext.get()
    if context is None:
        return
    context.downstream_assets.add(asset)
    context.direct_asset_dependencies.update(sources)
    context.materialized_by = "geobox"
    context.update_tracked_assets()
    context.add_asset_metadata(asset.key, dict(metadata))


def prefect_asset(asset: OutputAsset) -> Asset:
    """An output as Prefect knows it."""
    return Asset(
        key=asset.asset_key,
        properties=AssetProperties(
            name=asset.name or asset.uuid,
            description=f"Geobox {asset.kind.value}",
            url=asset.api_url,
        ),
    )


def referenced_assets(settings: ConnectionSettings, refs: Iterable[Input]) -> list[Asset]:
    """What an operation works on, as Prefect knows it.

    Args:
        settings: Where it is.
        refs: Its inputs, looked up; system queries are left out.
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
    """A file on this machine, as the source of an upload."""
    host = socket.gethostname() or "localhost"
    key = _NOT_IN_KEYS.sub("_", f"file://{host}{path.resolve().as_posix()}")
    return Asset(key=key[:_LONGEST_KEY], properties=AssetProperties(name=path.name))
