"""What the steps of a flow run share to write artifacts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.ownership.run_modes import ASYNC_MODE
from prefect_geobox.reporting import artifact_writer


async def test_few_artifacts_are_written_at_once_and_a_cancel_costs_no_slot(monkeypatch):
    """Of many writes four are under way at a time; those that are cancelled make way for others."""
    under_way, most, written = 0, 0, []

    class Api:
        async def create_artifact(self, artifact):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                await asyncio.sleep(0.02)
            finally:
                under_way -= 1
            written.append(artifact)
            return SimpleNamespace(id=None)

    async def api(outage):
        return Api()

    monkeypatch.setattr(artifact_writer, "prefect_api", api)

    async def write_many() -> list[BaseException | None]:
        writes = [
            asyncio.create_task(artifact_writer.create_markdown(ASYNC_MODE, "key", "text", "what"))
            for _ in range(40)
        ]
        await asyncio.sleep(0.01)
        for write in writes[2:20]:
            write.cancel()
        return await asyncio.gather(*writes, return_exceptions=True)

    ended = await io_thread().arun(write_many())
    assert most == 4
    assert len(written) == 22
    assert sum(isinstance(each, asyncio.CancelledError) for each in ended) == 18
