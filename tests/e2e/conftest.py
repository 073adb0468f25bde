"""A lab for the session, files to publish, and the cells of the table, tried side by side."""

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

from .interruption_matrix import Cell, Outcome, keep, try_out
from .testbed import HERE, Lab, serving_prefect

#: How many cells are tried at once, as scripts and beside them under `serve` and the worker, and
#: how many other tests. Most of it is waiting, but each is a process that works hard when it begins
#: and ends.
SCRIPTS, DEPLOYED, TESTS = 4, 3, 3

#: With so many cells tried, it is a full run, which is kept.
FULL = 100


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Where the flows of all tests run: one folder, and one Prefect server for all of them."""
    folder = tmp_path_factory.mktemp("lab")
    with serving_prefect(folder) as url, temporary_settings({PREFECT_API_URL: url}):
        yield from _lab(folder, url)


def _lab(folder: Path, url: str) -> Iterator[Lab]:
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
        made = Lab(folder, environment, client)
        yield made
        made.starter.close()
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
    lab: Lab, paths: list[Path], request: pytest.FixtureRequest
) -> Iterator[dict[Cell, Future[Outcome]]]:
    """What came of each cell that a selected test asks for."""
    cells = _selected_cells(request.session)
    rows = {
        column: sorted({cell.row for cell in cells if cell.column == column})
        for column in ("serve", "worker")
    }
    with ExitStack() as stack:
        _start(request.session, lab, paths)
        scripts = stack.enter_context(ThreadPoolExecutor(SCRIPTS))
        deployed = stack.enter_context(ThreadPoolExecutor(DEPLOYED))
        trials = {
            cell: scripts.submit(try_out, lab, cell, paths)
            for cell in cells
            if cell.column not in rows
        }
        # These take longer to begin; the others do not wait for them.
        logs = {}
        if rows["worker"]:
            logs["worker"] = stack.enter_context(lab.pooled("cells", rows["worker"]))
        if rows["serve"]:
            logs["serve"] = stack.enter_context(lab.serving("serve-cells", rows["serve"]))
        trials |= {
            cell: deployed.submit(try_out, lab, cell, paths, logs[cell.column])
            for cell in cells
            if cell.column in logs
        }
        yield trials
        for trial in trials.values():
            trial.cancel()
    measured = {
        str(cell): trial.result().as_json()
        for cell, trial in trials.items()
        if trial.done() and not trial.cancelled() and trial.exception() is None
    }
    if len(measured) >= FULL:
        keep(measured)


@pytest.fixture(scope="package", autouse=True)
def _all_from_the_start(request: pytest.FixtureRequest) -> None:
    """Has the cells begin with the first test of any kind here, not with the first of theirs."""
    if _selected_cells(request.session):
        request.getfixturevalue("outcomes")


def _selected_cells(session: pytest.Session) -> list[Cell]:
    calls: list[Any] = [getattr(item, "callspec", None) for item in session.items]
    cells = [call.params.get("cell") for call in calls if call is not None]
    return list(dict.fromkeys(cell for cell in cells if isinstance(cell, Cell)))


_RUNNING = pytest.StashKey[dict[pytest.Item, Future[None]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Starts all tests that run side by side with the first of them; then takes each one's end."""
    if not _is_side_by_side(pyfuncitem):
        return None
    session = pyfuncitem.session
    _start(session, pyfuncitem.funcargs["lab"], pyfuncitem.funcargs["paths"])
    session.stash[_RUNNING][pyfuncitem].result()
    return True


def _start(session: pytest.Session, lab: Lab, paths: list[Path]) -> None:
    if _RUNNING in session.stash:
        return
    shared = {"lab": lab, "paths": paths}
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
    """Prefect leaves connections of its own open; ours are checked by the tests of the client."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
