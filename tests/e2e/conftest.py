"""A testbed for the session, files to publish, and the cases of the matrix, tried side by side."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.kit.prefect_connections import allow_open_connections

from .interruption_matrix import Case, Outcome, record, run_case
from .prefect_server import serving_prefect
from .testbed import HERE, Testbed

#: How many cases are tried at once, as scripts and beside them under `serve` and the worker, and
#: how many other tests. Most of it is waiting, but each is a process that works hard when it begins
#: and ends.
SCRIPTS, DEPLOYED, TESTS = 4, 3, 3

#: With so many cases tried, it is a full run, which is recorded.
FULL = 100


@pytest.fixture(scope="package")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """Where the flows of all tests run: one folder, and one Prefect server for all of them."""
    folder = tmp_path_factory.mktemp("testbed")
    with serving_prefect(folder) as url, temporary_settings({PREFECT_API_URL: url}):
        yield from _testbed(folder, url)


def _testbed(folder: Path, url: str) -> Iterator[Testbed]:
    environment = {
        **os.environ,
        "PREFECT_API_URL": url,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "PYTHONUNBUFFERED": "1",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with get_client(sync_client=True) as client:
        made = Testbed(folder, environment, client)
        yield made
        made.launcher.close()
    gc.collect()


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five small files, each different."""
    folder = tmp_path_factory.mktemp("files")
    found = []
    for place in range(5):
        path = folder / f"points{place}.geojson"
        feature = (
            '{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":'
            f"[{place},{place}]}}}}"
        )
        path.write_text(f'{{"type":"FeatureCollection","features":[{feature}]}}')
        found.append(path)
    return found


@pytest.fixture(scope="package")
def outcomes(
    testbed: Testbed, paths: list[Path], request: pytest.FixtureRequest
) -> Iterator[dict[Case, Future[Outcome]]]:
    """How each case ended that a selected test asks for."""
    cases = _selected_cases(request.session)
    flows = {
        ending: sorted({case.flow for case in cases if case.ending == ending})
        for ending in ("serve", "worker")
    }
    with ExitStack() as stack:
        _start(request.session, testbed, paths)
        scripts = stack.enter_context(ThreadPoolExecutor(SCRIPTS))
        deployed = stack.enter_context(ThreadPoolExecutor(DEPLOYED))
        trials = {
            case: scripts.submit(run_case, testbed, case, paths)
            for case in cases
            if case.ending not in flows
        }
        # These take longer to begin; the others do not wait for them.
        logs = {}
        if flows["worker"]:
            logs["worker"] = stack.enter_context(testbed.pooled("matrix", flows["worker"]))
        if flows["serve"]:
            logs["serve"] = stack.enter_context(testbed.serving("serve-matrix", flows["serve"]))
        trials |= {
            case: deployed.submit(run_case, testbed, case, paths, logs[case.ending])
            for case in cases
            if case.ending in logs
        }
        yield trials
        for trial in trials.values():
            trial.cancel()
    measured = {
        str(case): trial.result().as_json()
        for case, trial in trials.items()
        if trial.done() and not trial.cancelled() and trial.exception() is None
    }
    if len(measured) >= FULL:
        record(measured)


@pytest.fixture(scope="package", autouse=True)
def _all_from_the_start(request: pytest.FixtureRequest) -> None:
    """Has the cases begin with the first test of any kind here, not with the first of theirs."""
    if _selected_cases(request.session):
        request.getfixturevalue("outcomes")


def _selected_cases(session: pytest.Session) -> list[Case]:
    calls: list[Any] = [getattr(item, "callspec", None) for item in session.items]
    cases = [call.params.get("case") for call in calls if call is not None]
    return list(dict.fromkeys(case for case in cases if isinstance(case, Case)))


_RUNNING = pytest.StashKey[dict[pytest.Item, Future[None]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Starts all tests that run side by side with the first of them; then takes each one's end."""
    if not _is_side_by_side(pyfuncitem):
        return None
    session = pyfuncitem.session
    _start(session, pyfuncitem.funcargs["testbed"], pyfuncitem.funcargs["paths"])
    session.stash[_RUNNING][pyfuncitem].result()
    return True


def _start(session: pytest.Session, testbed: Testbed, paths: list[Path]) -> None:
    if _RUNNING in session.stash:
        return
    shared = {"testbed": testbed, "paths": paths}
    threads = ThreadPoolExecutor(TESTS)
    session.stash[_RUNNING] = {
        item: threads.submit(item.function, **{**shared, **_parameters(item)})
        for item in session.items
        if isinstance(item, pytest.Function) and _is_side_by_side(item)
    }
    threads.shutdown(wait=False)


def _is_side_by_side(item: pytest.Function) -> bool:
    return getattr(item.function, "is_side_by_side", False)


def _parameters(item: pytest.Function) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Starts no more tests where the session ends early."""
    for running in session.stash.get(_RUNNING, {}).values():
        running.cancel()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves connections of its own open."""
    allow_open_connections(items, Path(__file__).parent)
