"""A hook that aborts what a cancelled flow run has left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_geobox.cancellation import lineage
from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.errors import ConfigurationError
from prefect_geobox.client.io_thread import io_thread
from prefect_geobox.client.models import RemoteTask
from prefect_geobox.client.settings import ConnectionSettings
from prefect_geobox.client.waiting import abort_all
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.monitoring import read_waits
from prefect_geobox.records import read_records

logger = logging.getLogger(__name__)

_Account = tuple[str, str]


def abort_remote_tasks(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - Prefect's
    """Aborts the remote tasks of a cancelled flow run that are not final.

    For `on_cancellation` of a flow. A wait that sees the cancel aborts its remote tasks itself;
    this cleans up where the process was killed before it could. It runs where the flow is served or
    in its worker, and needs nothing but the flow run: what that has started or waited for is
    recorded on the Prefect server, and the account is found among the saved Geobox Credentials
    blocks and the `GEOBOX_*` variables. Remote tasks whose step has `on_cancel="leave"` are left.

    Args:
        flow: The flow.
        flow_run: The cancelled run.
        state: Its state.

    Example:
        ```python
        @flow(on_cancellation=[abort_remote_tasks])
        def nightly():
            ...
        ```
    """
    io_thread().run(_abort_recorded(flow_run.id))


async def _abort_recorded(run_id: UUID) -> None:
    async with get_client() as prefect:
        root = (await lineage(prefect, run_id))[-1]
        uuids: dict[_Account, set[str]] = {}
        for record in await read_records(prefect, root):
            if record.data.get("on_cancel") != "abort" or record.data.get("kind") != "task":
                continue
            if record.uuid is None:
                logger.error(
                    "%s was about to start a remote task when its process ended; look in Geobox "
                    "whether it did.",
                    record.data.get("step"),
                )
                continue
            account = (record.data["base_url"], record.data["principal"])
            uuids.setdefault(account, set()).update([record.uuid, *record.companions])
        for wait in await read_waits(prefect, run_id):
            uuids.setdefault((wait["base_url"], wait["principal"]), set()).add(wait["uuid"])
        if not uuids:
            return
        async for settings in _known_accounts(prefect):
            account = (settings.base_url, settings.credential.principal)
            if account in uuids:
                await _abort(settings, sorted(uuids.pop(account)))
    for (base_url, principal), left in uuids.items():
        logger.error(
            "No credentials for %s of %s are saved as a block or set in GEOBOX_*; not aborted: %s",
            principal,
            base_url,
            ", ".join(sorted(left)),
        )


async def _known_accounts(prefect: PrefectClient) -> AsyncIterator[ConnectionSettings]:
    candidates = [GeoboxCredentials()]
    # On a server that has never seen the block, its type is not found.
    with contextlib.suppress(PrefectHTTPStatusError, ObjectNotFound):
        documents = await prefect.read_block_documents_by_type("geobox-credentials")
        candidates += [await GeoboxCredentials.aload(each.name) for each in documents if each.name]
    for credentials in candidates:
        with contextlib.suppress(ConfigurationError):
            yield credentials.get_settings()


async def _abort(settings: ConnectionSettings, uuids: list[str]) -> None:
    client = AsyncGeoboxClient(settings=settings)
    try:
        tasks = await asyncio.gather(*map(client.get_task, uuids), return_exceptions=True)
        # What cannot be read is aborted all the same: that is safe to try.
        running = [
            uuid
            for uuid, task in zip(uuids, tasks, strict=True)
            if not (isinstance(task, RemoteTask) and task.is_final)
        ]
        if running:
            logger.warning("Aborting %s", ", ".join(running))
            await abort_all(client, running)
    finally:
        client.close()
