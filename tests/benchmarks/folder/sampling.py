"""Where a process spends its CPU time, over all of its threads, by samples of their stacks.

What each thread has taken since the last sample counts for the stack that it has at the sample.
The kernel counts the time of threads, so what sleeps counts for nothing. Linux alone has these
counts.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from typing_extensions import Self

#: Seconds between two samples.
_PAUSE = 0.01

#: How long a thread keeps the interpreter while others want it; the sampler is one of them.
_SWITCH_SECONDS = 0.0005

#: The packages whose modules are listed one by one.
_IN_DETAIL = ("prefect_geobox", "prefect")

_STDLIB = sysconfig.get_paths()["stdlib"]


class Sampler(threading.Thread):
    """Samples until it is stopped; a context manager."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="sampler")
        self._end = threading.Event()
        self._seen: dict[int, int] = {}
        self._leaf: Counter[str] = Counter()
        self._within: Counter[str] = Counter()
        self._owner: Counter[str] = Counter()
        self._total = 0

    def __enter__(self) -> Self:
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._take(counted=False)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()
        self._take()
        sys.setswitchinterval(self._switch)

    def run(self) -> None:
        """Takes samples."""
        while not self._end.wait(_PAUSE):
            self._take()

    def shares(self, most: int = 15) -> dict[str, Any]:
        """The largest shares of the CPU time, in percent.

        Args:
            most: How many of each kind.

        Returns:
            `package`: by the package of the innermost frame. `caller`: by the innermost module of
            this package or of Prefect. `within`: modules of both, with all that they call.
        """
        return {
            "seconds": self._total / 1e9,
            **{
                name: {
                    part: round(100 * taken / max(1, self._total), 1)
                    for part, taken in counted.most_common(most)
                }
                for name, counted in (
                    ("package", self._leaf),
                    ("caller", self._owner),
                    ("within", self._within),
                )
            },
        }

    def _take(self, *, counted: bool = True) -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread is self or thread.native_id is None or thread.ident not in frames:
                continue
            taken = _nanoseconds(thread.native_id)
            spent = taken - self._seen.get(thread.native_id, 0)
            self._seen[thread.native_id] = taken
            if counted and spent > 0:
                self._count(frames[thread.ident], spent)

    def _count(self, frame: FrameType | None, spent: int) -> None:
        modules = []
        while frame is not None:
            modules.append(_module(frame))
            frame = frame.f_back
        self._total += spent
        self._leaf[modules[0].partition(".")[0]] += spent
        detailed = [name for name in modules if name.partition(".")[0] in _IN_DETAIL]
        self._owner[detailed[0] if detailed else "neither"] += spent
        for name in set(detailed):
            self._within[name] += spent


def _module(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__", "?"))
    if frame.f_code.co_filename.startswith(_STDLIB) and "site-packages" not in (
        frame.f_code.co_filename
    ):
        return f"python {name.partition('.')[0]}"
    return name


def _nanoseconds(thread: int) -> int:
    try:
        text = Path(f"/proc/self/task/{thread}/schedstat").read_text()
    except OSError:
        # It has ended.
        return 0
    return int(text.split()[0])


def text(shares: dict[str, Any]) -> str:
    """The shares for a terminal."""
    lines = [f"CPU of the steps' process: {shares['seconds']:.1f} s"]
    for name, title in (
        ("package", "by the package that ran"),
        ("caller", "by the module of ours or Prefect's that ran or called it"),
        ("within", "by module of ours or Prefect's, with all that it calls"),
    ):
        lines.append(f"{title}:")
        lines += [f"{share:6.1f} % {part}" for part, share in shares[name].items()]
    return "\n".join(lines)
