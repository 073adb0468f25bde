"""Outputs as Prefect assets with their sources, and events about remote tasks."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext
from prefect.events import emit_event

from prefect_geobox.client.models import OutputAsset, RemoteTask
from prefect_geobox.client.references import Ref, Resource
from prefect_geobox.client.settings import ConnectionSettings
from prefect_geobox.runs import is_in_run, run_logger

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


def referenced_assets(settings: ConnectionSettings, refs: Iterable[Ref]) -> list[Asset]:
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


def emit_task_event(
    what: str, task: RemoteTask, host: str, payload: Mapping[str, Any] | None = None
) -> None:
    """Emits `geobox.task.<what>`, related to the run that it happened in.

    Args:
        what: Such as `submitted` or `finished`.
        task: The remote task.
        host: Where it runs.
        payload: What to say besides name and state.
    """
    if not is_in_run():
        return
    emit_event(
        f"geobox.task.{what}",
        resource={
            "prefect.resource.id": f"geobox.task.{task.uuid}",
            "prefect.resource.name": task.label[:200],
            "geobox.host": host,
        },
        payload={"name": task.name, "state": task.state_text, **(payload or {})},
    )
