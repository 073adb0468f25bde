"""Progress bars in a terminal, for waits, uploads and downloads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from prefect_geobox.client.http.multipart_upload import OnBytes
from prefect_geobox.client.polling.subscription import WaitUpdate

L = TypeVar("L")


def progress_listener(
    listener: Callable[[WaitUpdate], L] | None, *, show: bool
) -> AbstractContextManager[Callable[[WaitUpdate], L | None] | None]:
    """A listener that also draws a bar for each remote task, where stderr is a terminal.

    Args:
        listener: Called with each update too.
        show: Whether to draw a bar.
    """
    if not show or not sys.stderr.isatty():
        return nullcontext(listener)
    return _drawing(listener)


@contextmanager
def _drawing(
    listener: Callable[[WaitUpdate], L] | None,
) -> Iterator[Callable[[WaitUpdate], L | None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
    )
    rows: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def draw(update: WaitUpdate) -> L | None:
            task = update.task
            percent = update.progress.percent if update.progress else None
            if task.uuid not in rows:
                rows[task.uuid] = bars.add_task(task.label, total=None, state="")
            bars.update(
                rows[task.uuid],
                description=task.label,
                total=None if percent is None and not task.is_final else 100,
                completed=100 if task.succeeded else percent or 0,
                state="no contact" if update.trouble else task.state_text,
            )
            return listener(update) if listener else None

        yield draw


@contextmanager
def transfer_listener(
    listener: OnBytes | None, title: str, *, show: bool
) -> Iterator[OnBytes | None]:
    """A listener that also draws a bar for one upload or download, where stderr is a terminal.

    Args:
        listener: Called with each update too.
        title: The text before the bar.
        show: Whether to draw a bar.
    """
    if not show or not sys.stderr.isatty():
        yield listener
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        row = bars.add_task(title, total=None)

        def draw(done: int, total: int) -> None:
            bars.update(row, completed=done, total=total or None)
            if listener:
                listener(done, total)

        yield draw
