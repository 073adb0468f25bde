"""What all tests share: a Prefect and an environment of their own, away from the developer's."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator

import pytest

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

# Prefect reads its settings when it is first imported, so this comes before any such import.
for _name in list(os.environ):
    if _name.startswith(("PREFECT_", "GEOBOX_")) or _name.upper() in _PROXIES:
        del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="prefect-geobox-tests-")
os.environ |= {
    "PREFECT_HOME": _HOME.name,
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "INFO",
    # A busy machine may take its time.
    "PREFECT_API_REQUEST_TIMEOUT": "300",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "120",
    "DO_NOT_TRACK": "1",
}


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """An ephemeral Prefect server with a database of its own, one for the whole session."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # The end of a sync flow run waits for its heartbeat, for up to a second.
    quick_ends = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with prefect_test_harness(server_startup_timeout=300), quick_ends:
        yield


@pytest.fixture
def _collected_connections() -> Iterator[None]:
    """Has connections that were left open collected in the test that left them."""
    yield
    gc.collect()
