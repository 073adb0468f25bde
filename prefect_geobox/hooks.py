"""Hooks that clean up after a flow run that was cancelled or has failed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.assets import AssetKind, TaskOutput
from prefect_geobox.client.model.errors import ConfigurationError, GeoboxError, NotFoundError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.polling.wait_call import abort_all
from prefect_geobox.credentials import GeoboxCredentials
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_context import ancestor_run_ids
from prefect_geobox.ownership.submission_log import close_ledger
from prefect_geobox.ownership.submission_records import (
    Record,
    delete_records,
    read_records,
    read_waits,
)

logger = logging.getLogger(__name__)

_Account = tuple[str, str]


def abort_remote_tasks(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - Prefect's
    """Aborts the remote tasks of a cancelled flow run that are not final.

    For `on_cancellation` of a flow. A wait that is cancelled aborts its remote tasks itself; this
    cleans up if the process was killed before it could. It runs where the flow is served or in its
    worker, and needs only the flow run: what the run has started or waited for is recorded on the
    Prefect server, and the account is found among the saved Geobox Credentials blocks and the
    `GEOBOX_*` variables. Remote tasks of steps with `on_cancel="leave"` are not aborted.

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
    io_thread().run(_abort_remote_tasks_of(flow_run.id))


async def _abort_remote_tasks_of(run_id: UUID) -> None:
    prefect = await prefect_api()
    root = (await ancestor_run_ids(prefect, run_id))[-1]
    await close_ledger(prefect, root)
    uuids: dict[_Account, set[str]] = {}
    for record in await read_records(prefect, root):
        if record.data.get("on_cancel") != "abort" or record.data.get("kind") != "task":
            continue
        if record.uuid is None:
            logger.error(
                "%s was about to start a remote task when its process ended; check in Geobox "
                "whether it was started.",
                record.data.get("step"),
            )
            continue
        account = (record.data["base_url"], record.data["principal"])
        uuids.setdefault(account, set()).update([record.uuid, *record.companions])
    for base_url, principal, uuid in await read_waits(prefect, root, run_id):
        uuids.setdefault((base_url, principal), set()).add(uuid)
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


def delete_outputs(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - Prefect's
    """Deletes what a failed flow run has created: layers, rasters, tables and files.

    For `on_failure` of a flow, and for `on_cancellation` after `abort_remote_tasks`. What the steps
    of the run have uploaded or created is recorded on the Prefect server; the newest is deleted
    first. Assets that existed before, assets that steps have only changed, and the outputs of
    functions with the official SDK are kept. A retry of the run afterwards starts everything again.

    Do not use it for `on_crashed`: a retry of a crashed run continues with what it has created.

    Args:
        flow: The flow.
        flow_run: The failed run; the outermost one.
        state: Its state.

    Example:
        ```python
        @flow(on_failure=[delete_outputs])
        def nightly():
            ...
        ```
    """
    io_thread().run(_delete_outputs_of(flow_run.id))


async def _delete_outputs_of(run_id: UUID) -> None:
    prefect = await prefect_api()
    root = (await ancestor_run_ids(prefect, run_id))[-1]
    if root != run_id:
        logger.warning(
            "This run is a subflow; the hook of its outermost run deletes what both have "
            "created. Nothing was deleted."
        )
        return
    await close_ledger(prefect, root)
    left: dict[_Account, list[Record]] = {}
    for record in reversed(await read_records(prefect, root)):
        is_adopted = record.data.get("new_owner") is not None
        if record.data.get("creates_asset") and record.uuid and not is_adopted:
            account = (record.data["base_url"], record.data["principal"])
            left.setdefault(account, []).append(record)
    if not left:
        return
    async for settings in _known_accounts(prefect):
        account = (settings.base_url, settings.credential.principal)
        deleted = [record.id for record in left.pop(account, []) if await _delete(settings, record)]
        await delete_records(prefect, root, deleted)
    for (base_url, principal), records in left.items():
        logger.error(
            "No credentials for %s of %s are saved as a block or set in GEOBOX_*; not deleted: "
            "the output of %s",
            principal,
            base_url,
            ", ".join(f"{record.data['step']} ({record.uuid})" for record in records),
        )


async def _delete(settings: ConnectionSettings, record: Record) -> bool:
    """Deletes what a record names; whether it does not exist any more."""
    client = AsyncGeoboxClient(settings=settings)
    uuid = str(record.uuid)
    try:
        if record.data.get("kind") == "file":
            output: TaskOutput | None = TaskOutput(kind=AssetKind.FILE, uuid=uuid)
        else:
            ended = await client.get_task(uuid)
            if not ended.is_final:
                logger.warning("Remote task %s is still running; its output is not deleted.", ended)
                return False
            output = ended.output
        if output is not None:
            logger.warning("Deleting %s %s", output.kind, output.uuid)
            await client.delete_asset(output.uuid, output.kind)
    except NotFoundError:
        # It has been deleted already.
        pass
    except GeoboxError as error:
        logger.error("The output of %s (%s) was not deleted: %s", record.data["step"], uuid, error)
        return False
    finally:
        client.close()
    return True


async def _known_accounts(prefect: PrefectClient) -> AsyncIterator[ConnectionSettings]:
    candidates = [GeoboxCredentials()]
    # On a server on which the block type was never registered, it is not found.
    with contextlib.suppress(PrefectHTTPStatusError, ObjectNotFound):
        documents = await prefect.read_block_documents_by_type("geobox-credentials")
        names = [each.name for each in documents if each.name]
        candidates += [block for name in names if (block := await _loaded(prefect, name))]
    for credentials in candidates:
        with contextlib.suppress(ConfigurationError):
            yield credentials.get_settings()


async def _loaded(prefect: PrefectClient, name: str) -> GeoboxCredentials | None:
    """A saved block; None if its fields cannot be used."""
    try:
        return await GeoboxCredentials.aload(name, client=prefect)
    except (RuntimeError, ValueError):
        logger.warning("The Geobox Credentials block %r cannot be used and is left out.", name)
        return None


async def _abort(settings: ConnectionSettings, uuids: list[str]) -> None:
    client = AsyncGeoboxClient(settings=settings)
    try:
        tasks = await asyncio.gather(*map(client.get_task, uuids), return_exceptions=True)
        # Those that cannot be read are aborted too: an abort of a final remote task does nothing.
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
