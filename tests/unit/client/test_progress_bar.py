"""The bar that a wait draws in a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from prefect_geobox.client import RemoteTask, TaskProgress, WaitUpdate
from prefect_geobox.client.api.progress_bar import progress_listener
from tests.kit.payloads import task


class Screen(io.StringIO):
    """A stderr that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal


def update(state: str, percent: int | None = None, trouble: str | None = None) -> WaitUpdate:
    """What a wait would tell."""
    progress = None if percent is None else TaskProgress(current=percent, total=100)
    seen = RemoteTask.from_payload(task(state, name="im[port]\x1b[31m"))
    return WaitUpdate(seen, progress, trouble=trouble)


UPDATES = [update("PENDING"), update("PROGRESS", 29, "down"), update("SUCCESS", 100)]


def test_bar_is_drawn_and_the_listener_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal a bar shows name and state, and `on_update` is called too."""
    monkeypatch.setattr(sys, "stderr", Screen(terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    told: list[WaitUpdate] = []
    with progress_listener(told.append, show=True) as listener:
        for each in UPDATES:
            listener(each)
    assert told == UPDATES
    shown = sys.stderr.getvalue()
    assert "im[port]" in shown
    assert "SUCCESS" in shown
    assert "\x1b[31m" not in shown.replace("im[port]", "")


@pytest.mark.parametrize(("terminal", "show"), [(False, True), (True, False), (False, False)])
def test_no_bar_elsewhere(monkeypatch: pytest.MonkeyPatch, terminal: bool, show: bool) -> None:
    """Without a terminal, or where no bar is wanted, nothing is written."""
    monkeypatch.setattr(sys, "stderr", Screen(terminal))
    told: list[WaitUpdate] = []
    with progress_listener(told.append, show=show) as listener:
        listener(UPDATES[0])
    with progress_listener(None, show=show) as silent:
        assert silent is None
    assert (told, sys.stderr.getvalue()) == (UPDATES[:1], "")
